package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"demine/internal/explain"
	"demine/internal/respond"
	"demine/internal/store"
)

// ErrNoRun: there is no run of that name, or none at all.
var ErrNoRun = errors.New("no such run")

// Runs implements API. A journal that is damaged is told up to the damage: it
// must not stand in the way of the other runs, one of which may have to revert.
func (a *Agent) Runs(context.Context) ([]respond.Run, error) {
	st, err := store.Read(a.settings.State, store.Options{})
	if err != nil {
		return nil, err
	}
	defer st.Close()
	names, err := st.Runs()
	if err != nil {
		return nil, err
	}
	var out []respond.Run
	for _, name := range names {
		r, err := a.run(st, name)
		if err != nil {
			a.log.Warn("read the journal", "run", name, "error", err)
		}
		if r.ID != "" {
			out = append(out, r)
		}
	}
	return out, nil
}

// Busy gives who is changing the host right now, or nil.
func (a *Agent) Busy() *store.Holder {
	st, err := store.Read(a.settings.State, store.Options{})
	if err != nil {
		return nil
	}
	defer st.Close()
	h, busy := st.Holder()
	if !busy {
		return nil
	}
	return &h
}

// Remember keeps a look that something is done about: a later one finds
// nothing any more, and a report tells of both.
func (a *Agent) Remember(s *explain.Scan) error {
	st, err := a.open(false)
	if err != nil {
		return err
	}
	defer st.Close()
	return st.SaveScan(s)
}

// Remembered is the last look that something was done about; store.ErrNone
// when there is none.
func (a *Agent) Remembered() (*explain.Scan, error) {
	st, err := store.Read(a.settings.State, store.Options{})
	if err != nil {
		return nil, err
	}
	defer st.Close()
	return st.LastScan()
}

// pick finds a run by name; an empty name is the last one that fits.
func pick(rs []respond.Run, name string, fits func(respond.Run) bool) (respond.Run, error) {
	for i := len(rs) - 1; i >= 0; i-- {
		if rs[i].ID == name || name == "" && fits(rs[i]) {
			return rs[i], nil
		}
	}
	return respond.Run{}, ErrNoRun
}

// Undo implements API.
func (a *Agent) Undo(ctx context.Context, name string, opt respond.UndoOptions, ev func(Event)) (respond.Run, []respond.Outcome, error) {
	changed := func(r respond.Run) bool { return r.State != respond.RunUndone && r.State != respond.RunRolledBack }
	var out []respond.Outcome
	r, err := a.on(ctx, name, "undo", changed, func(w *respond.Writer, st *store.Store, r respond.Run, _ respond.Operator) (err error) {
		out, err = respond.Undo(ctx, w, st, r, opt, func(p respond.Progress) { ev(Event{Kind: "step", Step: &p}) })
		return err
	})
	return r, out, err
}

// Confirm implements API.
func (a *Agent) Confirm(ctx context.Context, name string, ev func(Event)) (respond.Run, error) {
	unconfirmed := func(r respond.Run) bool { // also one whose confirmation was cut off, or that has nothing but what waits for it
		return r.State == respond.RunUnconfirmed ||
			slices.ContainsFunc(r.Outcomes, func(o respond.Outcome) bool { return o.State == respond.Waiting })
	}
	return a.on(ctx, name, "keep", unconfirmed, func(w *respond.Writer, st *store.Store, r respond.Run, by respond.Operator) error {
		_, err := respond.Confirm(ctx, w, st, r, by, func(p respond.Progress) { ev(Event{Kind: "step", Step: &p}) })
		return err
	})
}

// on does something to one run under the lock, after what a crash left behind
// was settled, and gives the run as it is then.
func (a *Agent) on(ctx context.Context, name, kind string, fits func(respond.Run) bool,
	do func(*respond.Writer, *store.Store, respond.Run, respond.Operator) error) (respond.Run, error) {
	if id, err := a.h.Kernel.Identity(); err != nil || id.UID != 0 {
		return respond.Run{}, errors.Join(err, ErrNotRoot)
	}
	st, err := a.open(false)
	if err != nil {
		return respond.Run{}, err
	}
	defer st.Close()
	by := a.operator(ctx)
	lock, err := st.Lock(holder(by, kind, a.h.Now()))
	if err != nil {
		return respond.Run{}, err
	}
	defer lock.Release()
	outliveTerminal()
	a.settled(ctx, st)
	rs, err := a.Runs(ctx)
	if err != nil {
		return respond.Run{}, err
	}
	r, err := pick(rs, name, fits)
	if err != nil {
		return r, err
	}
	derr := do(a.writer(st), st, r, by)
	r, err = a.run(st, r.ID)
	if err == nil {
		err = a.disarm(st)
	}
	return r, errors.Join(derr, err)
}

// Settle resolves what an earlier run left behind: one that was cut off, and
// steps that should have undone themselves. Where there is none it makes no
// folder and takes no lock.
func (a *Agent) Settle(ctx context.Context) error {
	rs, err := a.Runs(ctx)
	if err != nil {
		return err
	}
	left := func(r respond.Run) bool {
		return r.State == respond.RunRunning || len(r.Overdue(a.now(), a.boot())) > 0
	}
	if !slices.ContainsFunc(rs, left) {
		return nil
	}
	return a.revertNow(ctx)
}

// settled is settle for a command that does something else then: trouble with
// an old run must not stand in its way.
func (a *Agent) settled(ctx context.Context, st *store.Store) {
	if err := a.settle(ctx, st); err != nil {
		a.log.Warn("what an earlier run left", "error", err)
	}
}

// settle resolves what crashes left behind, and undoes what is overdue. The
// caller holds the lock.
func (a *Agent) settle(ctx context.Context, st *store.Store) error {
	names, err := st.Runs()
	if err != nil {
		return err
	}
	w := a.writer(st)
	var errs []error
	for _, name := range names {
		r, err := a.run(st, name)
		if err == nil {
			r, err = respond.Settle(ctx, w, st, r)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("run %s: %w", name, err))
			continue
		}
		if ids := r.Overdue(a.now(), a.boot()); len(ids) > 0 {
			_, err := respond.Undo(ctx, w, st, r, respond.UndoOptions{Steps: ids, Unconfirmed: true}, func(respond.Progress) {})
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// arm starts the process that waits for the confirmation of a run. It is there
// before the first step is done: a demine that is cut off leaves nothing that
// would not revert.
func (a *Agent) arm(run string, p respond.Plan) error {
	if !slices.ContainsFunc(p.Steps, func(s respond.Step) bool { return s.Revert > 0 && !s.OnConfirm }) {
		return nil
	}
	args := []string{"revert", run}
	if a.settings.State != "" {
		args = append(args, "--state", a.settings.State)
	}
	return respond.Detach(args...)
}

// disarm takes the revert at boot away when nothing waits for a confirmation.
func (a *Agent) disarm(st *store.Store) error {
	names, err := st.Runs()
	if err != nil {
		return err
	}
	for _, name := range names {
		r, err := a.run(st, name)
		if err != nil || len(r.Pending()) > 0 {
			return err
		}
	}
	return respond.RemoveBootRevert(a.writer(st))
}

// Times between two attempts to revert what could not be reverted.
const (
	firstAgain = time.Second
	lastAgain  = 5 * time.Minute
)

// Revert waits until the steps of a run must undo themselves, and undoes them
// unless somebody confirmed it. It is what the detached process does: nobody
// else would, so that it tries again until it is done. At boot (name empty) it
// undoes all that is unconfirmed at once, and tries once: sshd waits for it.
func (a *Agent) Revert(ctx context.Context, name string) error {
	again := firstAgain
	for {
		wait, err := a.revertDue(ctx, name)
		switch {
		case err != nil && name == "":
			return err
		case err != nil:
			a.log.Warn("revert", "run", name, "error", err, "again", again)
			wait, again = again, min(2*again, lastAgain)
		case wait == 0:
			return nil
		}
		// Short waits: the clock may be set in between.
		if err := a.h.Wait(ctx, wait); err != nil {
			return err
		}
	}
}

// revertDue undoes what must undo itself now, and says how long to wait before
// it is asked again; 0: there is nothing more to do.
func (a *Agent) revertDue(ctx context.Context, name string) (time.Duration, error) {
	rs, err := a.Runs(ctx)
	if err != nil {
		return 0, err
	}
	wait, any := nextRevert(rs, name, a.now(), a.boot())
	switch {
	case any && wait > 0:
		return min(wait, 5*time.Second), nil
	case any:
	case atWork(rs, name) && a.Busy() != nil:
		return time.Second, nil
	case atWork(rs, name): // cut off: to be settled
	default:
		return 0, nil
	}
	if err := a.revertNow(ctx); err != nil && !errors.Is(err, store.ErrBusy) {
		return 0, err
	}
	return time.Second, nil
}

func (a *Agent) revertNow(ctx context.Context) error {
	st, err := a.open(false)
	if err != nil {
		return err
	}
	defer st.Close()
	lock, err := st.Lock(store.Holder{PID: os.Getpid(), Kind: "revert", Since: a.h.Now()})
	if err != nil {
		return err
	}
	defer lock.Release()
	return errors.Join(a.settle(ctx, st), a.disarm(st))
}

// atWork: the run has not ended, as far as its journal tells.
func atWork(rs []respond.Run, name string) bool {
	return slices.ContainsFunc(rs, func(r respond.Run) bool { return (name == "" || r.ID == name) && r.State == respond.RunRunning })
}

// now is the time by which reverts are due. It goes on when the clock is set
// back, which must not make a lock-out longer.
func (a *Agent) now() time.Time {
	wall := a.h.Now()
	if went := a.began.Round(0).Add(wall.Sub(a.began)); went.After(wall) {
		return went
	}
	return wall
}

// nextRevert says how long until the first step must undo itself.
func nextRevert(rs []respond.Run, name string, now time.Time, boot string) (time.Duration, bool) {
	var first time.Duration
	any := false
	for _, r := range rs {
		if name != "" && r.ID != name {
			continue
		}
		if len(r.Overdue(now, boot)) > 0 {
			return 0, true
		}
		for _, o := range r.Pending() {
			if d := o.Until.Sub(now); !any || d < first {
				first, any = d, true
			}
		}
	}
	return first, any
}
