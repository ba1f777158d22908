package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// start brings up the host and its world, and waits until the services serve.
func (h *Host) start(ctx context.Context) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	plan := func(folder string) bootPlan {
		return bootPlan{
			Upper: filepath.Join(folder, "upper"), Work: filepath.Join(folder, "work"), Root: filepath.Join(folder, "root"),
			Hostname: "shop01", DropCaps: droppedCaps, Env: cleanEnv,
		}
	}
	inside := plan(h.Folder)
	inside.Cgroups = all
	inside.Argv = []string{"/lib/systemd/systemd", "--system", "--show-status=0", "--log-target=console", "--log-level=warning"}
	outside := plan(filepath.Join(h.Folder, "world"))
	outside.Hostname = "world"
	outside.Argv = []string{"/opt/lab/world", "serve", "-script", "/opt/lab/report.sh", "-program", "/opt/lab/standin",
		StubAddr, "[" + IntruderV6 + "]:8000"}

	var goInside, goOutside *os.File
	if h.Inside, goInside, err = spawn(h, h.Folder, inside); err != nil {
		return err
	}
	defer goInside.Close()
	if h.World, goOutside, err = spawn(h, filepath.Join(h.Folder, "world"), outside); err != nil {
		return err
	}
	defer goOutside.Close()
	// From here on `demine-lab down` can clean up, whatever happens to this process.
	if err := h.save(); err != nil {
		return err
	}
	if err := h.confine(all, h.Inside.PID); err != nil {
		return err
	}
	if err := h.save(); err != nil {
		return err
	}
	if err := h.cable(ctx); err != nil {
		return fmt.Errorf("connect the host to its world: %w", err)
	}
	goInside.Close()
	goOutside.Close()
	unit, _ := h.Config.Cron.unit()
	if err := h.active(ctx, "ssh.service", "rsyslog.service", "systemd-logind.service", setups(h.Config.Firewall).unit, unit); err != nil {
		return err
	}
	h.Facts.Door = door(h.Config.Firewall)
	h.step("systemd, sshd, rsyslog, %s and the firewall run", unit)
	if err := h.openShop(ctx); err != nil {
		return err
	}
	h.step("Redis, MariaDB and the shop run")
	return nil
}

// active waits until units run.
func (h *Host) active(ctx context.Context, units ...string) error {
	return until(ctx, 90*time.Second, strings.Join(units, ", ")+" to run", func() error {
		if !h.Inside.alive() {
			return errEnded
		}
		r, err := h.Run(ctx, append([]string{"systemctl", "is-active"}, units...)...)
		if err != nil {
			return err
		}
		// Its exit code is 0 as soon as one of them is active.
		states := strings.Fields(r.Stdout)
		if len(states) != len(units) || slices.ContainsFunc(states, func(s string) bool { return s != "active" }) {
			return fmt.Errorf("%s %s", strings.Join(states, " "), r.Stderr)
		}
		return nil
	})
}
