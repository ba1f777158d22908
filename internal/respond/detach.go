package respond

import (
	"fmt"
	"os/exec"
	"syscall"
)

// Detach starts this very program anew, in a session of its own, without a
// terminal and with a clean environment: it goes on when the login ends. It is
// the one that undoes what nobody confirms.
func Detach(args ...string) error {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the process that reverts: %w", err)
	}
	return cmd.Process.Release()
}
