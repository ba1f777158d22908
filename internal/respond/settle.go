package respond

import (
	"context"
	"errors"
	"fmt"

	"demine/internal/i18n"
)

// Settle resolves what a crash left behind: for each step that was begun and
// has no outcome it looks whether the host is still as before. A group that
// was cut off is put back, as is what a failed step left. The caller holds the
// lock. The run is ended; what was not begun stays undone.
func Settle(ctx context.Context, w *Writer, j Journal, r Run) (Run, error) {
	if !r.Ended.IsZero() && !hasIntended(r) {
		return r, nil
	}
	for _, o := range r.Outcomes {
		s := r.Step(o.Step)
		if o.State != Intended || s == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return r, err // a look that is cut short tells nothing of the step
		}
		n := resolve(ctx, w, s)
		n.Step, n.At = s.ID, w.Host.Now()
		if err := settled(j, &r, n); err != nil {
			return r, err
		}
	}
	if err := putBack(ctx, w, j, &r); err != nil {
		return r, err
	}
	if err := j.Append(r.ID, Record{Kind: RecEnd, At: w.Host.Now(), Text: "settled"}); err != nil {
		return r, fmt.Errorf("journal: %w", err)
	}
	rs, err := j.Records(r.ID)
	if err != nil {
		return r, err
	}
	return Fold(r.ID, rs), nil
}

func settled(j Journal, r *Run, o Outcome) error {
	if err := j.Append(r.ID, Record{Kind: RecOutcome, At: o.At, Step: o.Step, Outcome: &o}); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	r.set(o)
	return nil
}

// putBack does the rolling back that the crash prevented, last step first. An
// undo that was done already changes nothing.
func putBack(ctx context.Context, w *Writer, j Journal, r *Run) error {
	for i := len(r.order) - 1; i >= 0; i-- {
		s := r.Step(r.order[i])
		if s == nil {
			continue
		}
		o := r.Outcome(s.ID)
		broken := o.State == Done && r.Ended.IsZero() && r.broken(s.Group)
		if !broken && (o.State != Failed || !r.Ended.IsZero() && o.Detail.ID != cutOffInGroup) {
			continue
		}
		if err := undoWith(ctx, w, s, r.Undo[s.ID]); err != nil {
			o.State, o.Error = Failed, join(o.Error, "undo: "+err.Error())
		} else if broken {
			o = Outcome{State: Undone, Detail: i18n.M(cutOffInGroup)}
		}
		o.Step, o.At = s.ID, w.Host.Now()
		if err := settled(j, r, o); err != nil {
			return err
		}
	}
	return nil
}

// broken: a step of the group was not done, and does not wait to be.
func (r *Run) broken(group string) bool {
	if group == "" {
		return false
	}
	for _, s := range r.Plan.Steps {
		switch r.Outcome(s.ID).State {
		case Done, Nothing, Waiting:
		default:
			if s.Group == group {
				return true
			}
		}
	}
	return false
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

func hasIntended(r Run) bool {
	for _, o := range r.Outcomes {
		if o.State == Intended {
			return true
		}
	}
	return false
}

const cutOffInGroup = "outcome.cut-off-group"

// resolve: if the host is still as the plan expected, the step was not done;
// otherwise it counts as done, and its undo is right in both cases. In a group
// it must be surely done, or all of them are put back.
func resolve(ctx context.Context, w *Writer, s *Step) Outcome {
	a := byName[s.Do]
	if a == nil {
		return Outcome{State: Failed, Error: "no action " + s.Do}
	}
	now, err := a.Look(ctx, w.Host, s)
	if err == nil && !a.Unsure && len(s.Expect) > 0 && same(s.Expect, now) {
		if s.OnConfirm {
			return Outcome{State: Waiting}
		}
		return Outcome{State: Skipped, Detail: i18n.M("outcome.cut-off-before")}
	}
	if s.Group != "" && !errors.Is(err, ErrNothing) {
		return Outcome{State: Failed, Detail: i18n.M(cutOffInGroup)}
	}
	o := Outcome{State: Done, Detail: i18n.M("outcome.cut-off-after")}
	if s.Revert > 0 {
		o.Until = w.Host.Now() // overdue: nobody confirmed it
	}
	return o
}
