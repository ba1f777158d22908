package lab

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// poweroff is Debian's poweroff.target without its last step, in which systemd would unmount file systems, let go of
// the machine's swap, and fail to switch off: a host lacks the capability.
const poweroff = `[Unit]
DefaultDependencies=no
Requires=shutdown.target umount.target final.target
After=shutdown.target umount.target final.target
`

// shutdown stops all services as systemd does, then asks what is left to end.
func (h *Host) shutdown(ctx context.Context) error {
	const unit = "poweroff-lab.target"
	if err := h.put(ctx, strings.NewReader(poweroff), "/run/systemd/system/"+unit, 0o644); err != nil {
		return err
	}
	if _, err := h.sh(ctx, "systemctl start --no-block --job-mode=replace-irreversibly "+unit); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	if err := h.active(ctx, unit); err != nil {
		return err
	}
	return h.terminate(ctx)
}

// terminate asks what no service owns to end, as systemd does last; what does not hear is cut off with the power.
func (h *Host) terminate(ctx context.Context) error {
	before, err := h.sh(ctx, "pgrep -P 1 || true")
	if err != nil {
		return err
	}
	// The shell itself is not sent it, nor is the first process.
	if _, err := h.sh(ctx, "kill -s TERM -- -1 || true"); err != nil {
		return err
	}
	deaf := until(ctx, 10*time.Second, "the last processes to end", func() error {
		// Those only: journald comes back at once.
		r, err := h.Run(ctx, "ps", "-o", "pid=,args=", "-p", strings.Join(append(strings.Fields(before), "0"), ","))
		if err != nil {
			return err
		}
		if r.Stdout != "" {
			return fmt.Errorf("%s", r.Stdout)
		}
		return nil
	})
	if deaf != nil {
		h.step("%s", deaf)
	}
	return ctx.Err()
}
