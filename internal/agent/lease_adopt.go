package agent

import (
	"context"
	"errors"

	"demine/internal/respond"
	"demine/internal/store"
)

// Adopt turns a rule of the packet filter into a lease: p takes the rule out, and
// the lease lets the same in until its end. The rule goes first, because only
// against a closed port the lease can be proved; if that is refused, or demine
// dies in between, the rule comes back. Connections that are open go on.
//
// What can be refused without that, is before anything is changed.
func (a *Agent) Adopt(ctx context.Context, p respond.Plan, q LeaseAsk, ev func(Event)) (LeaseAnswer, respond.Run, error) {
	leases := NewLeases(a.h, a.log, a.settings)
	if err := leases.adoptable(ctx, q); err != nil {
		return LeaseAnswer{}, respond.Run{}, err
	}
	run, err := a.Apply(ctx, p, ev)
	if err != nil {
		return LeaseAnswer{}, run, err
	}
	out, err := leases.Open(ctx, q)
	if err != nil {
		back, _, uerr := a.Undo(context.WithoutCancel(ctx), run.ID, respond.UndoOptions{Reopen: true}, ev)
		return out, back, errors.Join(err, uerr)
	}
	run, err = a.keepAdopted(ctx, run.ID, ev)
	return out, run, err
}

// adoptable plans the lease while the rule is still there: that the port is open
// because of it is the one refusal that is expected.
func (l *Leases) adoptable(ctx context.Context, q LeaseAsk) error {
	q.DryRun = true
	_, err := l.Open(ctx, q)
	var r *respond.Refusal
	if errors.As(err, &r) && r.ID == "refuse.lease.open-already" {
		return nil
	}
	return err
}

// keepAdopted makes the run stay and takes the rule out of files. No new login
// has to prove that one still can: a rule by which operators come in is never
// taken out by its name, and whom it let in the lease lets in.
func (a *Agent) keepAdopted(ctx context.Context, id string, ev func(Event)) (respond.Run, error) {
	any := func(respond.Run) bool { return true }
	return a.on(ctx, id, "keep", any, func(w *respond.Writer, st *store.Store, r respond.Run, by respond.Operator) error {
		by.Session = ""
		_, err := respond.Confirm(ctx, w, st, r, by, func(p respond.Progress) { ev(Event{Kind: "step", Step: &p}) })
		return err
	})
}
