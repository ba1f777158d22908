package respond

import (
	"context"
	"errors"
	"fmt"

	"demine/internal/host"
)

// Check looks whether the host still is as a plan expects, before anything is
// changed. ErrDrifted: it is not.
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
		case errors.Is(err, ErrNothing), errors.As(err, &refusal):
		case err != nil:
			return fmt.Errorf("step %d (%s %s): %w", s.ID, s.Do, s.Target, err)
		case len(s.Expect) > 0 && !same(s.Expect, now):
			return fmt.Errorf("step %d (%s %s): %w", s.ID, s.Do, s.Target, ErrDrifted)
		}
	}
	return nil
}
