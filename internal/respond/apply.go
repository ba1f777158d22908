package respond

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/i18n"
)

// Progress is told while a plan is applied or undone: the step that begins
// (Outcome nil) or what became of it.
type Progress struct {
	Run     string
	Step    Step
	Outcome *Outcome
	N, Of   int
}

// Survey looks at what every step of a plan depends on and puts it into
// Expect. A step that has nothing to do is taken out. One that a guard refuses,
// that cannot be looked at, or that expects something else already (see Carry)
// goes to Left, with those that depend on it. It changes nothing.
func Survey(ctx context.Context, h *host.Host, p *Plan) error {
	left := map[int]bool{}
	for i := range p.Steps {
		s := &p.Steps[i]
		a := byName[s.Do]
		if a == nil {
			return fmt.Errorf("step %d: no action %q", s.ID, s.Do)
		}
		e, err := a.Look(ctx, h, s)
		var refusal *Refusal
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrNothing):
			s.ID = 0
		case errors.As(err, &refusal):
			left[s.ID] = true
			p.Left = append(p.Left, refusal.Message)
		case err != nil:
			left[s.ID] = true
			p.Left = append(p.Left, i18n.M("left.cannot-look", "what", s.What, "error", err.Error()))
		case len(s.Expect) > 0 && !same(s.Expect, e):
			left[s.ID] = true
			p.Left = append(p.Left, i18n.M("left.changed", "what", s.What))
		}
		s.Expect = e
	}
	p.leave(left)
	p.Steps = renumber(slices.DeleteFunc(p.Steps, func(s Step) bool { return s.ID == 0 || left[s.ID] }))
	return nil
}

// renumber counts the steps that are left from one.
func renumber(steps []Step) []Step {
	id := map[int]int{}
	for i := range steps {
		id[steps[i].ID] = i + 1
	}
	for i := range steps {
		s := &steps[i]
		s.ID = i + 1
		var after []int
		for _, a := range s.After {
			if n := id[a]; n != 0 {
				after = append(after, n)
			}
		}
		s.After = after
	}
	return steps
}

// leave adds to those that are left what depends on them or belongs to them,
// until that adds none.
func (p *Plan) leave(left map[int]bool) {
	for {
		more := false
		for _, s := range p.Steps {
			if s.ID == 0 || left[s.ID] {
				continue
			}
			for _, t := range p.Steps {
				if left[t.ID] && (slices.Contains(s.After, t.ID) || s.Group != "" && s.Group == t.Group) {
					left[s.ID], more = true, true
					p.Left = append(p.Left, i18n.M("left.with", "what", s.What, "other", t.What))
					break
				}
			}
		}
		if !more {
			return
		}
	}
}

// Stale reports, as ErrStale in a *Changed, that a plan is not for this host as it runs now:
// too old, of another host or of another boot.
func (p *Plan) Stale(now time.Time, h fact.HostInfo) error {
	age := now.Sub(p.Made)
	switch {
	case p.Host != h.Name:
		return changed(ErrStale, "stale.host", "host", p.Host)
	case p.Boot != h.Boot:
		return changed(ErrStale, "stale.boot")
	case age > MaxAge, age < -MaxAge:
		return changed(ErrStale, "stale.age", "made", p.Made)
	}
	return nil
}

// Apply applies a plan and journals it as a run that Begin has started.
// Outcomes are valid also when the error is not nil: ErrPartly, ErrRolledBack,
// ErrDrifted (nothing at all was done because the host has changed) or that of
// ctx. A step that fails does not stop those that do not depend on it.
func Apply(ctx context.Context, w *Writer, j Journal, run string, p Plan, tell func(Progress)) ([]Outcome, error) {
	e := &engine{w: w, j: j, run: run, plan: p, tell: tell, state: map[int]Outcome{}}
	for i := range p.Steps {
		e.step(ctx, i)
	}
	end := Record{Kind: RecEnd, At: w.Host.Now()}
	if err := j.Append(run, end); err != nil {
		return e.outcomes(), fmt.Errorf("journal: %w", err)
	}
	return e.outcomes(), e.verdict(ctx)
}

type engine struct {
	w     *Writer
	j     Journal
	run   string
	plan  Plan
	tell  func(Progress)
	state map[int]Outcome
	undo  map[int]json.RawMessage
}

func (e *engine) outcomes() []Outcome {
	var out []Outcome
	for _, s := range e.plan.Steps {
		out = append(out, e.state[s.ID])
	}
	return out
}

// step does one step, if nothing stands against it.
func (e *engine) step(ctx context.Context, i int) {
	s := &e.plan.Steps[i]
	if s.OnConfirm {
		e.state[s.ID] = Outcome{Step: s.ID, State: Waiting}
		return
	}
	e.tell(Progress{Run: e.run, Step: *s, N: i + 1, Of: len(e.plan.Steps)})
	begin := e.w.Host.Now()
	o := e.attempt(ctx, s)
	o.Step, o.At, o.TookUS = s.ID, e.w.Host.Now(), e.w.Host.Now().Sub(begin).Microseconds()
	e.record(s, o, i)
	if o.State != Done && o.State != Nothing {
		e.rollBack(ctx, s)
	}
}

func (e *engine) record(s *Step, o Outcome, i int) {
	if err := e.j.Append(e.run, Record{Kind: RecOutcome, At: o.At, Step: s.ID, Outcome: &o}); err != nil && o.Error == "" {
		o.Error = "journal: " + err.Error()
	}
	e.state[s.ID] = o
	e.tell(Progress{Run: e.run, Step: *s, Outcome: &o, N: i + 1, Of: len(e.plan.Steps)})
}

// attempt looks, compares, journals and does.
func (e *engine) attempt(ctx context.Context, s *Step) Outcome {
	if ctx.Err() != nil {
		return Outcome{State: Skipped, Detail: i18n.M("outcome.interrupted")}
	}
	for _, id := range s.After {
		if o, ok := e.state[id]; ok && o.State != Done && o.State != Nothing {
			return Outcome{State: Skipped, Detail: i18n.M("outcome.after", "step", id)}
		}
	}
	a := byName[s.Do]
	if a == nil {
		return Outcome{State: Failed, Error: "no action " + s.Do}
	}
	now, err := a.Look(ctx, e.w.Host, s)
	if err != nil {
		return failure(err)
	}
	if len(s.Expect) > 0 && !same(s.Expect, now) {
		return failure(ErrDrifted)
	}
	if s.Lasting && s.Revert > 0 {
		if err := InstallBootRevert(e.w); err != nil {
			return failure(err)
		}
	}
	undo, err := a.Prepare(ctx, e.w, s)
	if err != nil {
		return failure(err)
	}
	if err := e.j.Append(e.run, Record{Kind: RecIntend, At: e.w.Host.Now(), Step: s.ID, Undo: undo}); err != nil {
		return failure(fmt.Errorf("journal: %w", err)) // without a record nothing is changed
	}
	if e.undo == nil {
		e.undo = map[int]json.RawMessage{}
	}
	e.undo[s.ID] = undo
	detail, err := a.Do(ctx, e.w, s, undo)
	if err != nil {
		return failure(err)
	}
	o := Outcome{State: Done, Detail: detail}
	if s.Revert > 0 {
		o.Until = e.w.Host.Now().Add(time.Duration(s.Revert) * time.Second)
	}
	return o
}

func failure(err error) Outcome {
	o := Outcome{State: Failed, Error: err.Error()}
	var refusal *Refusal
	switch {
	case errors.Is(err, ErrNothing):
		o = Outcome{State: Nothing}
	case errors.Is(err, ErrDrifted):
		o.State = Drifted
	case errors.As(err, &refusal):
		o = Outcome{State: Refused, Detail: refusal.Message}
	}
	return o
}

// same compares two JSON values.
func same(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// rollBack undoes, after a step of a group failed, the steps of the group that
// were done, and what the failed one had begun (but see Action.Onward).
func (e *engine) rollBack(ctx context.Context, failed *Step) {
	ctx = context.WithoutCancel(ctx)
	for i := len(e.plan.Steps) - 1; i >= 0; i-- {
		s := &e.plan.Steps[i]
		own := s.ID == failed.ID
		if !own && (failed.Group == "" || s.Group != failed.Group) {
			continue
		}
		if a := byName[s.Do]; own && a != nil && a.Onward {
			continue
		}
		undo, begun := e.undo[s.ID]
		if !begun || !own && e.state[s.ID].State != Done {
			continue
		}
		o := e.state[s.ID]
		if err := undoWith(ctx, e.w, s, undo); err != nil {
			o.Error = join(o.Error, "undo: "+err.Error())
			o.State = Failed
		} else if !own {
			o = Outcome{Step: s.ID, State: Undone, At: e.w.Host.Now(), Detail: i18n.M("outcome.rolled-back", "step", failed.ID)}
		}
		delete(e.undo, s.ID)
		e.record(s, o, i)
	}
}

// verdict says how the whole went.
func (e *engine) verdict(ctx context.Context) error {
	count := map[string]int{}
	for _, o := range e.state {
		count[o.State]++
	}
	bad := count[Failed] + count[Refused] + count[Drifted] + count[Skipped]
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case bad == 0:
		return nil
	case count[Done] > 0:
		return ErrPartly
	case count[Undone] > 0:
		return ErrRolledBack
	case count[Drifted] > 0 && count[Failed]+count[Refused] == 0:
		return ErrDrifted
	}
	return ErrPartly
}
