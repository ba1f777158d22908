package respond

import (
	"context"
	"encoding/json"
	"fmt"
)

// Confirm makes a run stay: its steps no longer undo themselves, and those
// that waited for it are done. by must be another login than the one that
// applied the run. One that was cut off goes on where it was. A step that
// waited and fails does not take back what stands already.
func Confirm(ctx context.Context, w *Writer, j Journal, r Run, by Operator, tell func(Progress)) ([]Outcome, error) {
	if len(r.Pending()) == 0 && !waits(r) {
		return nil, ErrNothing
	}
	if err := newLogin(r, by); err != nil {
		return nil, err
	}
	if err := j.Append(r.ID, Record{Kind: RecConfirm, At: w.Host.Now(), By: &by}); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	e := &engine{w: w, j: j, run: r.ID, plan: r.Plan, tell: tell, state: map[int]Outcome{}, undo: map[int]json.RawMessage{}}
	for _, o := range r.Outcomes {
		e.state[o.Step] = o
	}
	var ids []int
	for i := range e.plan.Steps {
		s := &e.plan.Steps[i]
		if s.OnConfirm && r.Outcome(s.ID).State == Waiting {
			ids = append(ids, s.ID)
			s.OnConfirm = false
			e.step(ctx, i)
		}
	}
	if err := j.Append(r.ID, Record{Kind: RecEnd, At: w.Host.Now()}); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var out []Outcome
	for _, id := range ids {
		out = append(out, e.state[id])
	}
	if ctx.Err() == nil && allWell(out) {
		return out, nil // what went wrong before was told when the plan was applied
	}
	return out, e.verdict(ctx)
}

// newLogin: only a login that began after the run proves that one still can.
// Who sits at a console needs no proof.
func newLogin(r Run, by Operator) error {
	switch {
	case by.Session == "":
		return nil
	case by.Session == r.By.Session, by.Since.Before(r.Began):
		return Refuse("refuse.same-login", "run", r.ID)
	case by.Peer == "":
		return Refuse("refuse.loopback-login", "run", r.ID)
	}
	return nil
}

func waits(r Run) bool {
	for _, o := range r.Outcomes {
		if o.State == Waiting {
			return true
		}
	}
	return false
}

func allWell(out []Outcome) bool {
	for _, o := range out {
		if o.State != Done && o.State != Nothing {
			return false
		}
	}
	return true
}
