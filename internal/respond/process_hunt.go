package respond

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/host"
)

// hunt stops all processes of a family, also those that are forked meanwhile.
type hunt struct {
	w     *Writer
	f     family
	known map[procID]bool
	g     *guards
}

// mostPasses: a family that grows as long as this is not stopped by stopping
// its members one by one. One pass is some 10 ms on a host of 1,000 processes.
const mostPasses = 100

func newHunt(w *Writer, f family) *hunt { return &hunt{w: w, f: f, known: map[procID]bool{}} }

// look finds the kin now.
func (u *hunt) look(ctx context.Context) (kin, error) {
	ps, err := processes(ctx, u.w.Host)
	if err != nil {
		return kin{}, err
	}
	if u.g == nil {
		if u.g, err = newGuards(ctx, u.w.Host, ps, u.f.Spare); err != nil {
			return kin{}, err
		}
	}
	return u.f.resolve(u.w.Host, ps, u.known, u.g), nil
}

// strike stops at once those that were found a moment ago and still run the
// image: all the rest of the freeze has the CPU that they give back.
func (u *hunt) strike(ids []procID) {
	for _, id := range ids {
		i, err := u.w.Host.Files.Stat(pidPath(id.PID) + "/exe")
		if err == nil && i.ID == u.f.ID {
			_ = u.w.Proc.Signal(Proc{PID: id.PID, Start: id.Start}, unix.SIGSTOP) // freeze tells what it could not stop
		}
	}
}

// freeze sends SIGSTOP in passes until one finds no new member, since those
// that are not stopped yet may fork, and waits until they stand still. The kin
// is valid also with an error: not all of it may stand still then.
func (u *hunt) freeze(ctx context.Context) (kin, error) {
	var errs []error
	var k kin
	for range mostPasses {
		now, err := u.look(ctx)
		if err != nil {
			return k, errors.Join(append(errs, err)...)
		}
		k = now
		fresh := 0
		for _, p := range k.members {
			if u.known[p.id()] {
				continue
			}
			u.known[p.id()] = true
			fresh++
			if p.halted() {
				continue
			}
			if err := u.w.Proc.Signal(p, unix.SIGSTOP); err != nil && !errors.Is(err, ErrGone) {
				errs = append(errs, err)
			}
		}
		if fresh == 0 {
			return k, errors.Join(append(errs, u.standStill(ctx, k.members))...)
		}
	}
	return k, errors.Join(append(errs, fmt.Errorf("%s: it forks faster than it can be stopped", u.f.Exe))...)
}

// standStill waits until every process is stopped or gone. One that waits for
// a disk (D) stops when the disk has answered.
func (u *hunt) standStill(ctx context.Context, ps []Proc) error {
	for _, p := range ps {
		err := awaitState(ctx, u.w.Host, p.id(), func(state byte) bool { return state == 'R' || state == 'S' })
		if err != nil {
			return fmt.Errorf("process %d does not stand still: %w", p.PID, err)
		}
	}
	return nil
}

// awaitGone waits until every process has ended; a parent may still have to collect
// it.
func awaitGone(ctx context.Context, h *host.Host, ps []Proc) error {
	for _, p := range ps {
		err := awaitState(ctx, h, p.id(), func(state byte) bool { return !Proc{State: state}.dead() })
		if err != nil {
			return fmt.Errorf("process %d does not end: %w", p.PID, err)
		}
	}
	return nil
}

// How often a state is asked for, and how long it is waited in between: three
// seconds in all.
const (
	mostAsks = 1500
	askEvery = 2 * time.Millisecond
)

// awaitState waits while a process is in a state that busy says true of.
func awaitState(ctx context.Context, h *host.Host, id procID, busy func(state byte) bool) error {
	var state byte
	for range mostAsks {
		var err error
		state, err = stateOf(h, id)
		if errors.Is(err, ErrGone) || err == nil && !busy(state) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := h.Wait(ctx, askEvery); err != nil {
			return err
		}
	}
	return fmt.Errorf("its state is %c", state)
}
