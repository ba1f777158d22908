package agent

import (
	"context"
	"errors"
	"slices"

	"demine/internal/lease"
	"demine/internal/respond"
)

// leaveMark takes all leases out of the packet filter when somebody else's rule
// has begun to use their bit of the mark: it might let others in by the doorways,
// or do with their packets what it is not for. Then they are as after a reload:
// putBack finds another bit, and without one they stay out, with the reason.
// Connections that they let in go on.
func (d *desk) leaveMark(ctx context.Context, in respond.Admitted, _ *Swept) error {
	if in.Taken == "" {
		return nil
	}
	as := slices.Clone(in.Admissions)
	for i := range as {
		as[i].Cut = false
	}
	if err := errors.Join(d.filter.Dismiss(ctx, as), d.filter.Retire(ctx)); err != nil {
		return err
	}
	for i := range d.list {
		if le := &d.list[i]; le.State == lease.Open {
			le.Lost = true
		}
	}
	d.changed, d.later = true, false
	return d.tell(lease.Event{Kind: lease.DidMark, Why: in.Taken})
}
