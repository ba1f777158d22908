package lab

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// sshArgs are an ssh client's in the world, coming from an address with a key.
func sshArgs(from, key string, more ...string) []string {
	return append([]string{"ssh", "-F", "none", "-i", "/root/.ssh/" + key, "-b", from, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/root/.ssh/known_hosts", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10"}, more...)
}

// operator opens an honest session from the office that stays: a terminal, a shell, a process an operator would leave.
func (h *Host) operator(ctx context.Context) error {
	h.step("the operator logs in from the office")
	args := sshArgs(OperatorV4, "owner", "-tt", "root@"+HostV4)
	// tail keeps the session's standard input open without ever sending anything.
	script := "setsid sh -c 'tail -f /dev/null | " + strings.Join(args, " ") + "' >/dev/null 2>&1 &"
	if _, err := h.must(ctx, h.World, "", "sh", "-c", script); err != nil {
		return err
	}
	return until(ctx, 20*time.Second, "the operator's session", func() error {
		out, err := h.sh(ctx, "who; true")
		if err != nil {
			return err
		}
		if !strings.Contains(out, OperatorV4) {
			return fmt.Errorf("who says %q", out)
		}
		return nil
	})
}
