package respond

import (
	"context"
	"fmt"

	"demine/internal/i18n"
)

// Settle resolves what a crash left behind: for each step that was begun and
// has no outcome it looks whether the host is still as before. The caller
// holds the lock. The run is ended; what was not begun stays undone.
func Settle(ctx context.Context, w *Writer, j Journal, r Run) (Run, error) {
	if !r.Ended.IsZero() && !hasIntended(r) {
		return r, nil
	}
	for _, o := range r.Outcomes {
		s := r.Step(o.Step)
		if o.State != Intended || s == nil {
			continue
		}
		n := resolve(ctx, w, s)
		n.Step, n.At = s.ID, w.Host.Now()
		if err := j.Append(r.ID, Record{Kind: RecOutcome, At: n.At, Step: s.ID, Outcome: &n}); err != nil {
			return r, fmt.Errorf("journal: %w", err)
		}
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

func hasIntended(r Run) bool {
	for _, o := range r.Outcomes {
		if o.State == Intended {
			return true
		}
	}
	return false
}

// resolve: if the host is still as the plan expected, the step was not done;
// otherwise it counts as done, and its undo is right in both cases.
func resolve(ctx context.Context, w *Writer, s *Step) Outcome {
	a := byName[s.Do]
	if a == nil {
		return Outcome{State: Failed, Error: "no action " + s.Do}
	}
	now, err := a.Look(ctx, w.Host, s)
	if err == nil && len(s.Expect) > 0 && same(s.Expect, now) {
		return Outcome{State: Skipped, Detail: i18n.M("outcome.cut-off-before")}
	}
	o := Outcome{State: Done, Detail: i18n.M("outcome.cut-off-after")}
	if s.Revert > 0 {
		o.Until = w.Host.Now() // overdue: nobody confirmed it
	}
	return o
}
