package agent

import (
	"context"
	"errors"
	"fmt"
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
	there := func(le lease.Lease) bool { return in.Mark != 0 && !le.Lost && stands(&le, in.Doorways) }
	open := slices.DeleteFunc(d.opened(), func(le lease.Lease) bool {
		return le.Left(d.now.Boot) < leastBack || le.Over(d.now) != ""
	})
	if !d.moved && !slices.ContainsFunc(open, func(le lease.Lease) bool { return !there(le) }) {
		return nil
	}
	in, err := d.filter.Admitted(ctx) // what is over was taken out since
	if err != nil {
		return unavailable(err)
	}
	seen := d.see(ctx, portsOf(open), true)
	if err := d.hold(ctx, open, seen, s); err != nil {
		return err
	}
	ports, rest := d.lost(d.free(open), seen, there)
	seen = seen.without(ports)
	d.planBack(ports, seen, in)
	d.admitBack(ctx, ports, neighbours{rest, seen}, in)
	return d.tellBack(ports, in, s)
}

// lost are the ports that are to be put back, and the leases that are in force.
func (d *desk) lost(open []lease.Lease, seen sight, there func(lease.Lease) bool) (ports []*back, rest []lease.Lease) {
	for _, b := range byPort(open) {
		all := !slices.ContainsFunc(b.leases, func(le lease.Lease) bool { return !there(le) })
		if all && (!d.moved || b.inForce(seen)) {
			rest = append(rest, b.leases...)
		} else {
			ports = append(ports, b)
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

// back is what is put back at one port.
type back struct {
	port
	leases []lease.Lease
	plan   lease.Plan
	err    error // why it is not
}

// ask is what all leases of the port let in together. That the service asks for
// no password was decided when they were opened.
func (b *back) ask() lease.Ask {
	ask := b.leases[0].Ask
	ask.From, ask.Bare = nil, true
	for i := range b.leases {
		ask.From = append(ask.From, b.leases[i].From...)
	}
	return ask
}

// inForce reports whether the leases let in whom they shall, to where they led.
func (b *back) inForce(seen sight) bool {
	in, container := lease.InForce(b.ask(), seen.x)
	return in && (container != "") == (b.leases[0].Container != "")
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

// planBack plans each port anew. A container that is not there yet is waited for:
// what leads to the host now would lead to it by another way later.
func (d *desk) planBack(ports []*back, seen sight, in respond.Admitted) {
	for _, b := range ports {
		b.plan, b.err = lease.Make(b.ask(), seen.x, in, nil)
		if c := b.leases[0].Container; b.err == nil && c != "" && b.plan.Container == "" {
			b.err = respond.Refuse("refuse.lease.no-container", "container", c, "port", b.n)
		}
	}
}

// atEnd tells of a lease that ended, or nearly, while its port was planned: that
// is planned anew without it.
func (b *back) atEnd(sinceBoot time.Duration) error {
	for i := range b.leases {
		if b.leases[i].Left(sinceBoot) < leastLeft {
			return fmt.Errorf("lease %s is at its end", b.leases[i].ID)
		}
	}
	return nil
}

// admitBack lets in again what was planned; what cannot be proved is taken back.
func (d *desk) admitBack(ctx context.Context, ports []*back, others neighbours, in respond.Admitted) {
	var doors []respond.Doorway
	var as []respond.Admission
	mark, late := in.Mark, d.tick()
	for _, b := range ports {
		if b.err != nil {
			continue
		}
		if b.err = errors.Join(late, b.atEnd(d.now.Boot)); b.err != nil {
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
	before := others.seen.snap
	after := d.filterAgain(ctx, before)
	touched := others.untouched(after)
	for _, b := range ports {
		if b.err != nil {
			continue
		}
		if b.err = unavailable(err); err == nil {
			b.err = errors.Join(b.plan.Prove(before, after), touched)
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
			if at, err := d.find(le.ID); err == nil {
				d.noteBack(at, b, in)
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

// noteBack notes in the record of a lease whether it is in force again. Once
// another lease is, the table stands without the elements of those that are not.
func (d *desk) noteBack(at *lease.Lease, b *back, in respond.Admitted) {
	lost := b.err != nil
	d.changed = d.changed || !lost || !at.Lost
	if at.Lost = lost; !lost {
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
