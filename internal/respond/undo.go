package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"demine/internal/i18n"
)

// UndoOptions say what an undo puts back. By default it puts back all that was
// changed around the implant, never the implant itself nor the open door.
type UndoOptions struct {
	Steps          []int // only these; empty: all
	RestoreImplant bool
	Reopen         bool
	Unconfirmed    bool // the steps revert because nobody confirmed them: nothing is left as it is
}

// Undo undoes a run, last step first, and journals it. Outcomes are of the
// steps that it was about; ErrPartly when one could not be undone.
func Undo(ctx context.Context, w *Writer, j Journal, r Run, opt UndoOptions, tell func(Progress)) ([]Outcome, error) {
	if err := checkSteps(r, opt.Steps); err != nil {
		return nil, err
	}
	if err := j.Append(r.ID, Record{Kind: RecUndo, At: w.Host.Now()}); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var out []Outcome
	var bad bool
	order := slices.Clone(r.order)
	slices.Reverse(order)
	for n, id := range order {
		s := r.Step(id)
		if s == nil || !wanted(r, s, opt) {
			continue
		}
		tell(Progress{Run: r.ID, Step: *s, N: n + 1, Of: len(order)})
		o := undoStep(ctx, w, r, s, opt)
		if o.State == Failed || o.State == Drifted {
			bad = true
		}
		if o.State != Left {
			if err := j.Append(r.ID, Record{Kind: RecOutcome, At: o.At, Step: id, Outcome: &o}); err != nil {
				return out, fmt.Errorf("journal: %w", err)
			}
		}
		out = append(out, o)
		tell(Progress{Run: r.ID, Step: *s, Outcome: &o, N: n + 1, Of: len(order)})
	}
	if err := dropWaiting(ctx, w, j, r, opt); err != nil {
		return out, err
	}
	if err := j.Append(r.ID, Record{Kind: RecEnd, At: w.Host.Now()}); err != nil {
		return out, fmt.Errorf("journal: %w", err)
	}
	switch {
	case ctx.Err() != nil:
		return out, ctx.Err()
	case bad:
		return out, ErrPartly
	}
	return out, nil
}

// dropWaiting: what waited for a confirmation is not done any more once the
// run was undone; a confirmation that comes too late finds nothing.
func dropWaiting(ctx context.Context, w *Writer, j Journal, r Run, opt UndoOptions) error {
	if ctx.Err() != nil || len(opt.Steps) > 0 && !opt.Unconfirmed {
		return nil
	}
	for _, o := range r.Outcomes {
		if o.State != Waiting {
			continue
		}
		n := Outcome{Step: o.Step, State: Skipped, At: w.Host.Now(), Detail: i18n.M("outcome.not-confirmed")}
		if err := j.Append(r.ID, Record{Kind: RecOutcome, At: n.At, Step: o.Step, Outcome: &n}); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return nil
}

func checkSteps(r Run, ids []int) error {
	for _, id := range ids {
		if r.Step(id) == nil {
			return fmt.Errorf("run %s has no step %d", r.ID, id)
		}
	}
	return nil
}

// wanted: the step was done (or begun) and the options ask for it.
func wanted(r Run, s *Step, opt UndoOptions) bool {
	o := r.Outcome(s.ID)
	if o.State != Done && o.State != Intended && o.State != Failed && o.State != Drifted {
		return false
	}
	if _, ok := r.Undo[s.ID]; !ok {
		return false
	}
	return len(opt.Steps) == 0 || slices.Contains(opt.Steps, s.ID)
}

func undoStep(ctx context.Context, w *Writer, r Run, s *Step, opt UndoOptions) Outcome {
	o := Outcome{Step: s.ID, State: Undone}
	was := r.Outcome(s.ID)
	var err error
	switch {
	case ctx.Err() != nil:
		o.State, o.Detail = Left, i18n.M("outcome.interrupted")
	case s.NoUndo:
		o.State, o.Detail = Left, i18n.M("outcome.no-undo")
	case opt.Unconfirmed:
		err = undoWith(ctx, w, s, r.Undo[s.ID])
	case s.Keeps == KeepsImplant && !opt.RestoreImplant:
		o.State, o.Detail = Left, i18n.M("outcome.keeps-implant")
	case s.Keeps == KeepsDoor && !opt.Reopen:
		o.State, o.Detail = Left, i18n.M("outcome.keeps-door")
	default:
		err = undoWith(ctx, w, s, r.Undo[s.ID])
	}
	if err != nil {
		o = failure(err)
		o.Step = s.ID
	}
	if o.State == Failed {
		o.Until = was.Until // still to be tried
	}
	o.At = w.Host.Now()
	return o
}

// undoWith undoes a step; what is not there any more is undone.
func undoWith(ctx context.Context, w *Writer, s *Step, undo json.RawMessage) error {
	a := byName[s.Do]
	if a == nil {
		return fmt.Errorf("no action %q", s.Do)
	}
	err := a.Undo(ctx, w, s, undo)
	if errors.Is(err, ErrNothing) || errors.Is(err, ErrGone) {
		return nil
	}
	return err
}
