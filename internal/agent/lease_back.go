package agent

import (
	"context"
	"slices"

	"demine/internal/lease"
	"demine/internal/respond"
)

// putBack puts back what a reload of the host's packet filter threw out: the
// remaining time of the leases whose table or doorway is gone. All leases of one
// port are one plan and one proof.
func (d *desk) putBack(ctx context.Context, in respond.Admitted, s *Swept) error {
	if d.later {
		return nil
	}
	lost := slices.DeleteFunc(d.opened(), func(le lease.Lease) bool { return in.Mark != 0 && stands(&le, in.Doorways) })
	for len(lost) > 0 {
		var same, rest []lease.Lease
		for _, le := range lost {
			if le.Proto == lost[0].Proto && le.Port == lost[0].Port {
				same = append(same, le)
			} else {
				rest = append(rest, le)
			}
		}
		lost = rest
		through, err := d.putPort(ctx, same)
		for _, le := range same {
			if err != nil {
				s.Trouble = append(s.Trouble, Trouble{le.ID, err})
				continue
			}
			s.Back = append(s.Back, le.ID)
			if at, err := d.find(le.ID); err == nil {
				at.Through = through
			}
			if err := d.tell(lease.Event{Kind: lease.DidPut, ID: le.ID}); err != nil {
				return err
			}
		}
	}
	return nil
}

// stands reports whether the doorways of a lease are where they were.
func stands(le *lease.Lease, at []respond.RuleAt) bool {
	there := lease.Chains(at)
	return !slices.ContainsFunc(le.Through, func(c string) bool { return !slices.Contains(there, c) })
}

// putPort puts the leases of one port back. That the service asks for no
// password was decided when they were opened.
func (d *desk) putPort(ctx context.Context, ls []lease.Lease) ([]string, error) {
	ask := ls[0].Ask
	ask.From, ask.Bare = nil, true
	for i := range ls {
		ask.From = append(ask.From, ls[i].From...)
	}
	others := slices.DeleteFunc(slices.Clone(d.list), func(o lease.Lease) bool {
		return slices.ContainsFunc(ls, func(l lease.Lease) bool { return l.ID == o.ID })
	})
	s := d.see(ctx, ask.Proto, ask.Port, true)
	in, err := d.filter.Admitted(ctx)
	if err != nil {
		return nil, err
	}
	if held(ls, in.Admissions) && lease.InForce(ask, s.x) { // the doorway of another port, that was put back just now, does
		return lease.Chains(in.Doorways), nil
	}
	p, err := lease.Make(ask, s.x, in, others)
	if err != nil {
		return nil, err
	}
	return d.admit(ctx, &p, ls, s.snap)
}

// held reports whether all elements of leases are in the packet filter.
func held(ls []lease.Lease, in []respond.Admission) bool {
	there := sourcesOf(in)
	return !slices.ContainsFunc(ls, func(le lease.Lease) bool { return there[le.ID] < len(le.From) })
}

// sourcesOf counts the sources that are in force, by lease.
func sourcesOf(in []respond.Admission) map[string]int {
	out := map[string]int{}
	for _, a := range in {
		out[a.Lease]++
	}
	return out
}
