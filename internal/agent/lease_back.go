package agent

import (
	"context"
	"errors"
	"slices"
	"strings"

	"demine/internal/lease"
	"demine/internal/respond"
)

// putBack puts back what a reload of the host's packet filter threw out: the
// remaining time of the leases whose table or doorway is gone. It is one look,
// one change, and a proof for each port.
func (d *desk) putBack(ctx context.Context, in respond.Admitted, s *Swept) error {
	if d.later {
		return nil
	}
	lost := slices.DeleteFunc(d.opened(), func(le lease.Lease) bool { return in.Mark != 0 && stands(&le, in.Doorways) })
	if len(lost) == 0 {
		return nil
	}
	in, err := d.filter.Admitted(ctx) // what is over was taken out since
	if err != nil {
		return unavailable(err)
	}
	ports := byPort(lost)
	wanted := map[port]bool{}
	for _, b := range ports {
		wanted[b.port] = true
	}
	seen := d.see(ctx, wanted, true)
	d.planBack(ports, seen, in)
	d.admitBack(ctx, ports, seen, in)
	return d.tellBack(ports, in, s)
}

// stands reports whether the doorways of a lease are where they were.
func stands(le *lease.Lease, at []respond.RuleAt) bool {
	there := lease.Chains(at)
	return !slices.ContainsFunc(le.Through, func(c string) bool { return !slices.Contains(there, c) })
}

// back is what is put back at one port.
type back struct {
	port
	leases []lease.Lease
	plan   lease.Plan
	err    error // why it is not
}

func byPort(ls []lease.Lease) (out []*back) {
	at := map[port]*back{}
	for _, le := range ls {
		p := port{le.Proto, le.Port}
		if at[p] == nil {
			at[p] = &back{port: p}
			out = append(out, at[p])
		}
		at[p].leases = append(at[p].leases, le)
	}
	return out
}

// planBack plans each port anew. That the service asks for no password was
// decided when its leases were opened.
func (d *desk) planBack(ports []*back, seen sight, in respond.Admitted) {
	for _, b := range ports {
		ask := b.leases[0].Ask
		ask.From, ask.Bare = nil, true
		for i := range b.leases {
			ask.From = append(ask.From, b.leases[i].From...)
		}
		b.plan, b.err = lease.Make(ask, seen.x, in, nil)
	}
}

// admitBack lets in again what was planned; what cannot be proved is taken back.
func (d *desk) admitBack(ctx context.Context, ports []*back, seen sight, in respond.Admitted) {
	var doors []respond.Doorway
	var as []respond.Admission
	mark := in.Mark
	for _, b := range ports {
		if b.err != nil {
			continue
		}
		doors, mark = append(doors, b.plan.Doorways...), b.plan.Mark
		for i := range b.leases {
			as = append(as, b.leases[i].Admissions(b.leases[i].Left(d.now.Boot))...)
		}
	}
	if len(as) == 0 {
		return
	}
	err := d.filter.Admit(ctx, mark, lease.Latest(d.opened()), doors, as)
	after := d.filterAgain(ctx, seen.snap)
	for _, b := range ports {
		if b.err != nil {
			continue
		}
		if b.err = unavailable(err); err == nil {
			b.err = b.plan.Prove(seen.snap, after)
		}
		if b.err != nil {
			b.err = errors.Join(b.err, d.takeBack(ctx, b.leases))
		}
	}
}

// tellBack writes down what was put back, in one line however much it is.
func (d *desk) tellBack(ports []*back, in respond.Admitted, s *Swept) error {
	for _, b := range ports {
		for _, le := range b.leases {
			if b.err != nil {
				s.Trouble = append(s.Trouble, Trouble{le.ID, b.err})
				continue
			}
			s.Back = append(s.Back, le.ID)
			if at, err := d.find(le.ID); err == nil {
				at.Through = b.plan.Through(in)
			}
		}
	}
	if len(s.Back) == 0 {
		return nil
	}
	return d.tell(lease.Event{Kind: lease.DidPut, ID: s.Back[0], Why: strings.Join(s.Back, " ")})
}

// sourcesOf counts the sources that are in force, by lease.
func sourcesOf(in []respond.Admission) map[string]int {
	out := map[string]int{}
	for _, a := range in {
		out[a.Lease]++
	}
	return out
}
