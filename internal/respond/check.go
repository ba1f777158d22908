package respond

import (
	"context"
	"errors"
	"fmt"

	"demine/internal/host"
	"demine/internal/i18n"
)

// Changed says what is otherwise than a plan expects. It is ErrStale or
// ErrDrifted.
type Changed struct {
	i18n.Message
	is error
}

func (c *Changed) Error() string { return fmt.Sprintf("%v: %s %v", c.is, c.ID, c.Args) }

// Unwrap gives ErrStale or ErrDrifted.
func (c *Changed) Unwrap() error { return c.is }

func changed(is error, id string, pairs ...any) error { return &Changed{i18n.M(id, pairs...), is} }

// Check looks whether the host still is as a plan expects, before anything is
// changed. ErrDrifted, as a *Changed: it is not. A guard that refuses now did
// not when the plan was made.
func Check(ctx context.Context, h *host.Host, p *Plan) error {
	for i := range p.Steps {
		s := &p.Steps[i]
		a := byName[s.Do]
		if a == nil {
			return fmt.Errorf("step %d: no action %q", s.ID, s.Do)
		}
		now, err := a.Look(ctx, h, s)
		var refusal *Refusal
		switch {
		case errors.Is(err, ErrNothing):
		case errors.As(err, &refusal):
			return changed(ErrDrifted, "drift.refused", "what", s.What, "why", refusal.Message)
		case errors.Is(err, ErrDrifted), err == nil && len(s.Expect) > 0 && !same(s.Expect, now):
			return changed(ErrDrifted, "drift.step", "what", s.What)
		case err != nil:
			return fmt.Errorf("step %d (%s %s): %w", s.ID, s.Do, s.Target, err)
		}
	}
	return nil
}
