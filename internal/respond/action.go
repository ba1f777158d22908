package respond

import (
	"context"
	"encoding/json"
	"fmt"

	"demine/internal/explain"
	"demine/internal/host"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/relate"
)

// Action is one kind of change: a value, not an interface to implement. Use
// define to make one of typed functions.
type Action struct {
	Name  string
	Phase Phase

	// Plan makes steps of a finding that names the action as a remedy. It is
	// pure. Nil: other actions' plans and Make use it.
	Plan func(m *Making, f *judge.Finding)
	// Look tells what the step depends on, for Expect. ErrNothing: the step has
	// nothing to do.
	Look func(ctx context.Context, h *host.Host, s *Step) (json.RawMessage, error)
	// Prepare gathers all that the undo needs (before-images go to the Vault)
	// and changes nothing.
	Prepare func(ctx context.Context, w *Writer, s *Step) (json.RawMessage, error)
	// Do changes the host; its message says what was done. After an error the
	// host is as before, or undo puts it back.
	Do func(ctx context.Context, w *Writer, s *Step, undo json.RawMessage) (i18n.Message, error)
	// Undo puts back what Do changed, and is right also when Do was cut off in
	// the middle or never began. ErrDrifted: somebody has changed it since.
	Undo func(ctx context.Context, w *Writer, s *Step, undo json.RawMessage) error
	// Unsure: Look sees the same before, and after Do was cut off in the middle.
	// A step that was begun then counts as done, so that an undo reaches it.
	Unsure bool
	// Onward: a Do that stopped half-way stays as it is. What it did is nearer to
	// safety than what was before; an undo reaches it, when asked for by name.
	Onward bool
}

// spec is an Action of typed functions: W is what the step carries (With), E
// what is seen of the host (Expect), U what the undo needs.
type spec[W, E, U any] struct {
	Name    string
	Phase   Phase
	Plan    func(m *Making, f *judge.Finding)
	Look    func(ctx context.Context, h *host.Host, with W) (E, error)
	Prepare func(ctx context.Context, w *Writer, with W) (U, error)
	Do      func(ctx context.Context, w *Writer, with W, undo U) (i18n.Message, error)
	Undo    func(ctx context.Context, w *Writer, with W, undo U) error
	Unsure  bool
	Onward  bool
}

func define[W, E, U any](sp spec[W, E, U]) *Action {
	return &Action{
		Name: sp.Name, Phase: sp.Phase, Plan: sp.Plan, Unsure: sp.Unsure, Onward: sp.Onward,
		Look: func(ctx context.Context, h *host.Host, s *Step) (json.RawMessage, error) {
			with, err := decode[W](s.With)
			if err != nil {
				return nil, err
			}
			e, err := sp.Look(ctx, h, with)
			if err != nil {
				return nil, err
			}
			return json.Marshal(e)
		},
		Prepare: func(ctx context.Context, w *Writer, s *Step) (json.RawMessage, error) {
			with, err := decode[W](s.With)
			if err != nil {
				return nil, err
			}
			u, err := sp.Prepare(ctx, w, with)
			if err != nil {
				return nil, err
			}
			return json.Marshal(u)
		},
		Do: func(ctx context.Context, w *Writer, s *Step, undo json.RawMessage) (i18n.Message, error) {
			with, u, err := both[W, U](s, undo)
			if err != nil {
				return i18n.Message{}, err
			}
			return sp.Do(ctx, w, with, u)
		},
		Undo: func(ctx context.Context, w *Writer, s *Step, undo json.RawMessage) error {
			with, u, err := both[W, U](s, undo)
			if err != nil {
				return err
			}
			return sp.Undo(ctx, w, with, u)
		},
	}
}

func decode[T any](b json.RawMessage) (T, error) {
	var v T
	if len(b) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("step's data: %w", err)
	}
	return v, nil
}

func both[W, U any](s *Step, undo json.RawMessage) (W, U, error) {
	with, err := decode[W](s.With)
	if err != nil {
		var u U
		return with, u, err
	}
	u, err := decode[U](undo)
	return with, u, err
}

// Making is a plan in the making: what planners read and where they put steps.
type Making struct {
	X    *relate.Index
	Scan *explain.Scan
	Req  Request

	steps []Step
	left  []i18n.Message
}

// Add puts a step into the plan. With is what its action needs. A step for the
// same action and Target that is there already takes the findings and gives
// its index: merging With is the planner's business.
func (m *Making) Add(s Step, with any) *Step {
	s.With = encode(with)
	if old := m.Find(s.Do, s.Target); old != nil {
		old.Because = union(old.Because, s.Because)
		old.On = union(old.On, s.On)
		return old
	}
	m.steps = append(m.steps, s)
	return &m.steps[len(m.steps)-1]
}

// encode is JSON of a type of ours.
func encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("respond: " + err.Error()) // a type that JSON cannot hold
	}
	return raw
}

// Find gives the step of an action for a target, or nil. The pointer is good
// until the next Add.
func (m *Making) Find(do, target string) *Step {
	for i := range m.steps {
		if m.steps[i].Do == do && m.steps[i].Target == target {
			return &m.steps[i]
		}
	}
	return nil
}

// Leave says that something is not touched, and why.
func (m *Making) Leave(id string, pairs ...any) { m.left = append(m.left, i18n.M(id, pairs...)) }
