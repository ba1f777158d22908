package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// start brings up the host and its world, and waits until the services serve.
func (h *Host) start(ctx context.Context) error {
	release, err := h.spawnWorld()
	if err != nil {
		return err
	}
	defer release.Close()
	if err := h.powerOn(ctx); err != nil {
		return err
	}
	release.Close() // only now it has its addresses, and can serve on them
	unit, _ := h.Config.Cron.unit()
	if err := h.active(ctx, h.basics()...); err != nil {
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

func (h *Host) plan(folder, name string) bootPlan {
	return bootPlan{
		Upper: filepath.Join(folder, "upper"), Work: filepath.Join(folder, "work"), Root: filepath.Join(folder, "root"),
		Hostname: name, DropCaps: droppedCaps, Env: cleanEnv,
	}
}

func (h *Host) spawnWorld() (release *os.File, err error) {
	folder := filepath.Join(h.Folder, "world")
	p := h.plan(folder, "world")
	p.Argv = []string{"/opt/lab/world", "serve", "-script", "/opt/lab/report.sh", "-program", "/opt/lab/standin",
		StubAddr, "[" + IntruderV6 + "]:8000"}
	if h.World, release, err = spawn(h, folder, p); err != nil {
		return nil, err
	}
	return release, h.save()
}

// powerOn boots the host from its disk and plugs it in.
func (h *Host) powerOn(ctx context.Context) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	p := h.plan(h.Folder, "shop01")
	p.Cgroups = all
	p.Argv = []string{"/lib/systemd/systemd", "--system", "--show-status=0", "--log-target=console", "--log-level=warning"}
	if p.BootID, err = h.newBootID(); err != nil {
		return err
	}
	var release *os.File
	if h.Inside, release, err = spawn(h, h.Folder, p); err != nil {
		return err
	}
	defer release.Close()
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
	return nil
}

// newBootID is random as the kernel's, and a file that boot can show in its place.
func (h *Host) newBootID() (file string, err error) {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // a UUID of version 4
	h.Facts.BootID = fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	file = filepath.Join(h.Folder, "boot_id")
	if err := os.RemoveAll(file); err != nil { // a new file: the last boot's may still be mounted
		return "", err
	}
	return file, os.WriteFile(file, []byte(h.Facts.BootID+"\n"), 0o444)
}

// basics are the units without which a host is not up.
func (h *Host) basics() []string {
	unit, _ := h.Config.Cron.unit()
	return []string{"ssh.service", "rsyslog.service", "systemd-logind.service", setups(h.Config.Firewall).unit, unit}
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
