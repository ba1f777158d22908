package agent

import (
	"context"
	"errors"
	"os"

	"demine/internal/fact"
	"demine/internal/respond"
)

// keeperUnit is the keeper where systemd runs: it starts it again when it is
// killed, and knows nothing of it any more after a reboot.
const keeperUnit = "demine-lease.service"

// startKeeper starts the process that keeps the leases: as a unit of systemd's,
// or detached where that cannot be.
func (l *Leases) startKeeper(ctx context.Context) error {
	args := []string{"lease", "keep"}
	if l.settings.State != "" {
		args = append(args, "--state", l.settings.State)
	}
	if l.settings.Lang != "" {
		args = append(args, "--lang", l.settings.Lang)
	}
	if exe, err := os.Executable(); err == nil && l.besidePID1() {
		err := respond.StartTransient(ctx, keeperUnit, "demine: keeps the leases of ports", append([]string{exe}, args...))
		if err == nil {
			return nil
		}
		if !errors.Is(err, respond.ErrUnavailable) {
			l.log.Info("keeper as a unit", "error", err)
		}
	}
	return respond.Detach(args...)
}

// besidePID1 reports whether what systemd starts sees the same network and the
// same files as this demine.
func (l *Leases) besidePID1() bool {
	for _, ns := range []string{"net", "mnt"} {
		one, err := l.h.Files.Readlink(fact.Path("/proc/1/ns/" + ns))
		own, err2 := l.h.Files.Readlink(fact.Path("/proc/self/ns/" + ns))
		if err != nil || err2 != nil || one != own {
			return false
		}
	}
	return true
}
