package agent

import (
	"context"
	"errors"
	"time"

	"demine/internal/relate"
	"demine/internal/respond"
	"demine/internal/store"
)

// Adopt turns a rule of the packet filter into a lease: p takes the rule out, and
// the lease lets the same in until its end. The rule goes first, because only
// against a closed port the lease can be proved; if that is refused, or demine
// dies in between, the rule comes back. Connections that are open go on.
//
// What can be refused without that, is before anything is changed.
func (a *Agent) Adopt(ctx context.Context, p respond.Plan, rule *relate.OpenRule, q LeaseAsk, ev func(Event)) (LeaseAnswer, respond.Run, error) {
	if out, err := a.Adoptable(ctx, rule, q); err != nil {
		return out, respond.Run{}, err
	}
	run, err := a.Apply(ctx, p, staying(ev))
	if err != nil {
		return LeaseAnswer{}, run, err
	}
	out, err := NewLeases(a.h, a.log, a.settings).Open(ctx, q)
	if err != nil {
		back, _, uerr := a.Undo(context.WithoutCancel(ctx), run.ID, respond.UndoOptions{Reopen: true}, ev)
		return out, back, errors.Join(err, uerr)
	}
	run, err = a.keepAdopted(ctx, run.ID, ev)
	return out, run, err
}

// Adoptable plans the lease as it will be once the rule is gone, and changes nothing.
func (a *Agent) Adoptable(ctx context.Context, rule *relate.OpenRule, q LeaseAsk) (LeaseAnswer, error) {
	q.DryRun, q.without = true, rule
	return NewLeases(a.h, a.log, a.settings).Open(ctx, q)
}

// staying tells of steps without the time at which they would undo themselves: that
// is for a demine that dies in between, and they are confirmed at once.
func staying(ev func(Event)) func(Event) {
	return func(e Event) {
		if e.Step != nil && e.Step.Outcome != nil {
			step, outcome := *e.Step, *e.Step.Outcome
			outcome.Until = time.Time{}
			step.Outcome, e.Step = &outcome, &step
		}
		ev(e)
	}
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
