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
	if err := u.guard(ctx); err != nil {
		return kin{}, err
	}
	ps, err := processes(ctx, u.w.Host)
	if err != nil {
		return kin{}, err
	}
	return u.f.resolve(u.w.Host, ps, u.known, u.g), nil
}

func (u *hunt) guard(ctx context.Context) (err error) {
	if u.g == nil {
		u.g, err = newGuards(ctx, u.w.Host, u.f.Spare)
	}
	return err
}

// root gives a process that ran the image when the plan was made and still
// does, one that is not stopped if there is any: with it nothing needs to be
// listed to know that the family is there.
func (u *hunt) root(ctx context.Context) (found Proc, ok bool) {
	if u.guard(ctx) != nil {
		return found, false
	}
	for _, id := range u.f.Roots {
		p, err := procOf(u.w.Host, id.PID)
		if err != nil || p.id() != id || p.ExeID != u.f.ID || p.dead() || u.g.against(p, true) != nil {
			continue
		}
		if found, ok = p, true; !p.halted() {
			break
		}
	}
	return found, ok
}

// strike stops at once those that were found a moment ago and still run the
// image: all the rest of the freeze has the CPU that they give back.
func (u *hunt) strike(ctx context.Context, ids []procID) {
	var hit []Proc
	for _, id := range ids {
		p := Proc{PID: id.PID, Start: id.Start}
		i, err := u.w.Host.Files.Stat(pidPath(id.PID) + "/exe")
		if err == nil && i.ID == u.f.ID && u.stop(p) == nil {
			hit = append(hit, p)
		}
	}
	if u.standStill(ctx, hit) == nil {
		u.fresh(hit)
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
		fresh := u.fresh(k.members)
		if len(fresh) == 0 {
			return k, errors.Join(errs...)
		}
		for _, p := range fresh {
			if err := u.stop(p); err != nil {
				errs = append(errs, err)
			}
		}
		// A pass sees all forks only if it begins when nothing forks any more.
		if err := u.standStill(ctx, fresh); err != nil {
			errs = append(errs, err)
		}
	}
	return k, errors.Join(append(errs, fmt.Errorf("%s: it forks faster than it can be stopped", u.f.Exe))...)
}

// fresh are the members that were not known yet; they are now.
func (u *hunt) fresh(ps []Proc) []Proc {
	var out []Proc
	for _, p := range ps {
		if !u.known[p.id()] {
			u.known[p.id()] = true
			out = append(out, p)
		}
	}
	return out
}

func (u *hunt) stop(p Proc) error {
	if p.halted() {
		return nil
	}
	if err := u.w.Proc.Signal(p, unix.SIGSTOP); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	return nil
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
