package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"demine/internal/lease"
	"demine/internal/respond"
)

// takeStrays takes away what no lease explains: it was loaded from a saved
// ruleset, or left by a demine that was cut off before it could prove it.
func (d *desk) takeStrays(ctx context.Context, in respond.Admitted, s *Swept) error {
	open := byName(d.list)
	var long []respond.Admission
	for _, a := range in.Admissions {
		switch le := open[a.Lease]; {
		case le == nil || le.State != lease.Open || !letsIn(le, a):
			s.Gone = append(s.Gone, a)
		case a.Left > le.Left(d.now.Boot)+endSlack:
			long = append(long, a)
		}
	}
	s.Gone = append(s.Gone, d.shorten(ctx, in, open, long)...)
	if len(s.Gone) == 0 {
		return nil
	}
	if err := d.filter.Dismiss(ctx, s.Gone); err != nil {
		return fmt.Errorf("openings without a lease: %w", err)
	}
	for _, a := range s.Gone {
		if err := d.tell(lease.Event{Kind: lease.DidSweep, ID: a.Lease, Why: strayText(a)}); err != nil {
			return err
		}
	}
	return nil
}

// cutStrays cuts what was to be cut at the end of leases that have no record any
// more: another demine wrote their end down, or one was killed while it cut.
func (d *desk) cutStrays(ctx context.Context, in respond.Admitted, s *Swept) error {
	list := byName(d.list)
	for _, a := range in.Cut {
		taken := func(o respond.Admission) bool { return strayText(o) == strayText(a) }
		if le := list[a.Lease]; le != nil && letsIn(le, a) || slices.ContainsFunc(s.Gone, taken) {
			continue
		}
		if err := d.filter.Dismiss(ctx, []respond.Admission{a}); err != nil {
			s.Trouble = append(s.Trouble, Trouble{a.Lease, lease.DidEnd, err})
		}
	}
	return nil
}

func strayText(a respond.Admission) string {
	return fmt.Sprintf("%d/%s from %s", a.Port, a.Proto, a.From)
}

// endSlack is how much later than its lease an element may end: its time began
// when the kernel got it.
const endSlack = 5 * time.Second

// letsIn reports whether a lease is the reason for an element, whenever that ends.
func letsIn(le *lease.Lease, a respond.Admission) bool {
	return le.Proto == a.Proto && le.Port == a.Port && slices.Contains(le.From, a.From)
}

// shorten gives elements that would end later than their lease the time that the
// lease has left: the kernel's timers stand still in a suspend, leases do not. It
// gives those that cannot have it, which have to go.
func (d *desk) shorten(ctx context.Context, in respond.Admitted, open map[string]*lease.Lease,
	long []respond.Admission) []respond.Admission {
	if len(long) == 0 {
		return nil
	}
	if err := d.tick(); err != nil {
		return long
	}
	var as, gone []respond.Admission
	for _, a := range long {
		le := open[a.Lease]
		if a.Left = le.Left(d.now.Boot); a.Left < leastLeft {
			gone = append(gone, a)
			continue
		}
		a.Cut = le.Cut
		as = append(as, a)
	}
	if len(as) == 0 {
		return gone
	}
	if err := d.filter.Admit(ctx, in.Mark, lease.Latest(d.list), nil, as); err != nil {
		d.log.Warn("shorten leases in the packet filter", "error", err)
		return long
	}
	return gone
}

func byName(ls []lease.Lease) map[string]*lease.Lease {
	out := make(map[string]*lease.Lease, len(ls))
	for i := range ls {
		out[ls[i].ID] = &ls[i]
	}
	return out
}
