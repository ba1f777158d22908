package agent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"demine/internal/lease"
	"demine/internal/relate"
	"demine/internal/respond"
)

// putBack puts back what a reload of the host's packet filter threw out: the
// remaining time of the leases whose table or doorway is gone, or whose doorway
// is where it lets nobody in any more: Docker puts its rules before all others
// when it starts. It is one look, one change, and a proof for each port.
func (d *desk) putBack(ctx context.Context, in respond.Admitted, s *Swept) error {
	if d.later {
		return nil
	}
	there := func(le *lease.Lease) bool { return in.Mark != 0 && !le.Lost && stands(le, in.Doorways) }
	lasting := func(le *lease.Lease) bool { return le.Left(d.now.Boot) >= leastBack && le.Over(d.now) == "" }
	if !d.moved && !d.any(func(le *lease.Lease) bool { return lasting(le) && !there(le) }) {
		return nil
	}
	open := d.which(lasting)
	in, err := d.filter.Admitted(ctx) // what is over was taken out since
	if err != nil {
		return unavailable(err)
	}
	seen := d.see(ctx, portsOf(open), true)
	if err := d.hold(ctx, open, seen, s); err != nil {
		return err
	}
	ports, rest := d.lost(d.free(open), seen, there)
	ports = planBack(ports, seen.without(ports), in)
	before := seen.without(slices.DeleteFunc(slices.Clone(ports), (*back).failed))
	d.admitBack(ctx, ports, neighbours{rest, before}, in)
	return d.tellBack(ports, in, s)
}

// lost are the ports that are to be put back, and the leases that are in force:
// what became of one is nothing to another of the same port.
func (d *desk) lost(open []lease.Lease, seen sight, there func(*lease.Lease) bool) (ports []*back, rest []lease.Lease) {
	stays := func(b *back) bool {
		all := !slices.ContainsFunc(b.leases, func(le lease.Lease) bool { return !there(&le) })
		return all && (!d.moved || b.inForce(seen))
	}
	for _, b := range byPort(open) {
		if stays(b) {
			rest = append(rest, b.leases...)
			continue
		}
		out := &back{port: b.port}
		for _, le := range b.leases {
			if stays(&back{port: b.port, leases: []lease.Lease{le}}) {
				rest = append(rest, le)
			} else {
				out.leases = append(out.leases, le)
			}
		}
		if len(out.leases) > 0 {
			ports = append(ports, out)
		}
	}
	return ports, rest
}

// leastBack is the shortest time for which a lease is put back: one that ends
// while the packet filter is read again cannot be proved.
const leastBack = time.Second

// leastLeft is less than any element gets: the filter refuses all of them for one
// that is at its end.
const leastLeft = 200 * time.Millisecond

// stands reports whether the doorways of a lease are where they were.
func stands(le *lease.Lease, at []respond.RuleAt) bool {
	there := lease.Chains(at)
	return !slices.ContainsFunc(le.Through, func(c string) bool { return !slices.Contains(there, c) })
}

// without is the host without what is left of leases: part of it may still let
// somebody in, and would be taken for an opening of somebody else's.
func (s sight) without(ports []*back) sight {
	var ids []string
	for _, b := range ports {
		for i := range b.leases {
			ids = append(ids, b.leases[i].ID)
		}
	}
	rest := *s.snap
	rest.Firewall = relate.WithoutLeases(s.snap.Firewall, ids)
	s.snap, s.x = &rest, relate.New(&rest)
	return s
}

// admitBack lets in again what was planned; what cannot be proved is taken back.
func (d *desk) admitBack(ctx context.Context, ports []*back, others neighbours, in respond.Admitted) {
	late := d.tick()
	for _, b := range ports {
		if b.err == nil {
			b.err = errors.Join(late, b.atEnd(d.now.Boot))
		}
	}
	ready := slices.DeleteFunc(slices.Clone(ports), (*back).failed)
	if len(ready) == 0 {
		return
	}
	if err := d.admitAgain(ctx, ready...); err != nil {
		for _, b := range ready { // what the filter refuses of one port is nothing to the others
			if b.err = err; len(ready) > 1 {
				b.err = d.admitAgain(ctx, b)
			}
		}
	}
	before := others.seen.snap
	after := d.filterAgain(ctx, before)
	touched := others.untouched(after, inTable(ready)...)
	for _, b := range ready {
		if b.err == nil {
			b.err = errors.Join(b.plan.Prove(before, after), touched)
		}
		if b.err != nil {
			b.err, b.out = errors.Join(b.err, d.takeBack(ctx, b.leases)), true
		}
	}
}

// admitAgain lets in what was planned for these ports, all or nothing.
func (d *desk) admitAgain(ctx context.Context, ports ...*back) error {
	var doors []respond.Doorway
	var as []respond.Admission
	for _, b := range ports {
		doors = append(doors, b.plan.Doorways...)
		for i := range b.leases {
			as = append(as, b.leases[i].Admissions(b.leases[i].Left(d.now.Boot))...)
		}
	}
	return unavailable(d.filter.Admit(ctx, ports[0].plan.Mark, lease.Latest(d.list), doors, as))
}

// tellBack writes down what was put back, in one line however much it is.
func (d *desk) tellBack(ports []*back, in respond.Admitted, s *Swept) error {
	there := sourcesOf(in.Admissions)
	for _, b := range ports {
		for _, le := range b.leases {
			if at, err := d.find(le.ID); err == nil {
				d.noteBack(at, b, in, there[le.ID] == len(le.From))
			}
			if b.err != nil {
				s.Trouble = append(s.Trouble, Trouble{le.ID, lease.DidPut, b.err})
				continue
			}
			s.Back = append(s.Back, le.ID)
		}
	}
	if len(s.Back) == 0 {
		return nil
	}
	return d.tell(lease.Event{Kind: lease.DidPut, ID: s.Back[0], Why: strings.Join(s.Back, " ")})
}

// noteBack notes in the record of a lease whether it is lost. Once another lease is
// in force, the table stands without the elements of those that are not; one whose
// elements were there before and stayed is not lost, whatever else is the matter.
func (d *desk) noteBack(at *lease.Lease, b *back, in respond.Admitted, there bool) {
	lost := b.err != nil && (at.Lost || b.out || !there)
	d.changed = d.changed || b.err == nil || lost != at.Lost
	if at.Lost = lost; b.err == nil {
		at.Through = b.plan.Through(in)
	}
}

// sourcesOf counts the sources that are in force, by lease.
func sourcesOf(in []respond.Admission) map[string]int {
	out := map[string]int{}
	for _, a := range in {
		out[a.Lease]++
	}
	return out
}
