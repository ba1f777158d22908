package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Reboot cuts the host's power and boots it again from its disk: what was in memory, /run and /dev/shm is gone, and
// what the host itself starts at boot runs. The world stays, and its customers go on. What Up played is not played
// again. It boots a host that has ended, too.
func (h *Host) Reboot(ctx context.Context) error { return h.reboot(ctx, "its power is cut", h.unplug) }

// RebootOrderly is Reboot as an operator does it: services are stopped before, so Redis saves its dataset.
func (h *Host) RebootOrderly(ctx context.Context) error {
	return h.reboot(ctx, "it shuts down in order", h.shutdown)
}

func (h *Host) reboot(ctx context.Context, what string, end func(context.Context) error) error {
	h.clock = time.Now()
	if !h.Inside.alive() {
		what = "it is off"
	}
	h.step("%s", what)
	if err := h.restart(ctx, end); err != nil {
		return fmt.Errorf("reboot %s: %w%s", h.Config.Name, err, h.console())
	}
	h.step("up again, boot %s", h.Facts.BootID)
	return nil
}

func (h *Host) restart(ctx context.Context, end func(context.Context) error) error {
	if !h.World.alive() {
		return errors.New("the world outside has ended")
	}
	sells := true
	if h.Inside.alive() {
		sells = h.health(ctx) == nil
		if err := end(ctx); err != nil {
			return err
		}
	}
	if err := h.powerOff(ctx); err != nil {
		return err
	}
	h.forget()
	if err := h.powerOn(ctx); err != nil {
		return err
	}
	return h.serving(ctx, sells)
}

// powerOff ends all processes and waits until nothing holds the disk, the cgroups and the cable any more.
func (h *Host) powerOff(ctx context.Context) error {
	if err := h.Inside.kill(ctx); err != nil {
		return err
	}
	for _, dir := range h.Cgroups {
		if err := until(ctx, 20*time.Second, "cgroup "+dir+" to be empty", func() error { return removeCgroup(dir) }); err != nil {
			return err
		}
	}
	h.Cgroups = nil
	if err := until(ctx, 20*time.Second, "the host's disk to be let go", h.letGo); err != nil {
		return err
	}
	return h.unplug(ctx)
}

// letGo tells of a process that still has the host's root mounted, such as one that was run in it.
func (h *Host) letGo() error {
	tables, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		return err
	}
	for _, t := range tables {
		raw, err := os.ReadFile(t)
		if err == nil && strings.Contains(string(raw), "upperdir="+filepath.Join(h.Folder, "upper")+",") {
			return fmt.Errorf("%s shows it", t)
		}
	}
	return nil
}

// forget takes from the facts what a boot ends: the stand-in's process, and where Redis was told to save.
func (h *Host) forget() {
	h.Facts.Miner.PID, h.Facts.Miner.Started = 0, time.Time{}
	h.Facts.Intruder.RedisDirNow, h.Facts.Intruder.RedisFileNow = "", ""
}

// enabled is what systemd says of a unit at boot. It says nothing while it is not there yet.
func (h *Host) enabled(ctx context.Context, unit string) (state string, err error) {
	err = until(ctx, 20*time.Second, "systemd to know whether "+unit+" is enabled", func() error {
		r, err := h.Run(ctx, "systemctl", "is-enabled", unit)
		if state = strings.TrimSpace(r.Stdout); err == nil && state == "" {
			err = errors.New(strings.TrimSpace(r.Stderr))
		}
		return err
	})
	return state, err
}

// serving waits for all that is meant to run: not a unit that was disabled or masked, nor a shop that did not sell
// before.
func (h *Host) serving(ctx context.Context, sells bool) error {
	meant := map[string]bool{}
	var units []string
	for _, u := range append(h.basics(), h.servers()...) {
		state, err := h.enabled(ctx, u)
		if err != nil {
			return err
		}
		if state == "disabled" || strings.HasPrefix(state, "masked") {
			continue
		}
		meant[u] = true
		units = append(units, u)
	}
	if err := h.active(ctx, units...); err != nil {
		return err
	}
	if !sells || !meant["shop.service"] || !meant["redis-6380.service"] || !meant["mariadb.service"] {
		return nil
	}
	if err := h.shopAnswers(ctx); err != nil {
		return err
	}
	// A replica that was not told of a new password is as it would be.
	if err := until(ctx, 15*time.Second, "the replica to follow", func() error { return h.copied(ctx) }); err != nil {
		h.step("%s", err)
	}
	return ctx.Err()
}
