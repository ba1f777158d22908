package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"demine/internal/fact"
	"demine/internal/lease"
)

// hold takes those leases out of the packet filter that are barred: somebody
// shut their port since a person opened it, and neither the keeper nor the
// doorway of another lease may undo that. They stay on the list, and come back
// when the barrier is gone. Connections that they let in go on.
func (d *desk) hold(ctx context.Context, ls []lease.Lease, seen sight, s *Swept) error {
	var errs []error
	for _, le := range ls {
		at, err := d.find(le.ID)
		if err != nil || at.Over(d.now) != "" { // it ends, and what it blocks until then stays blocked
			continue
		}
		b, barred := at.Barred(seen.x)
		if !barred {
			d.changed = d.changed || at.HeldBy != ""
			at.HeldBy = ""
			continue
		}
		why := at.Held(b)
		s.Trouble = append(s.Trouble, Trouble{le.ID, lease.DidPut, why})
		if at.Lost && at.HeldBy == b.String() {
			continue
		}
		out := *at
		out.Cut = false
		if err := d.filter.Dismiss(ctx, out.Admissions(0)); err != nil {
			errs = append(errs, fmt.Errorf("hold lease %s: %w", le.ID, err))
			continue
		}
		at.Lost, at.HeldBy, d.changed = true, b.String(), true
	}
	return errors.Join(errs...)
}

// letIn are the open leases that are in force.
func (d *desk) letIn() (out []lease.Lease) {
	for _, le := range d.opened() {
		if !le.Lost {
			out = append(out, le)
		}
	}
	return out
}

// neighbours are the leases that a doorway of another one lets in as well, and
// the host as it was before that.
type neighbours struct {
	leases []lease.Lease
	seen   sight
}

// neighbours finds those of a plan, once the barred ones are held. A plan without
// doorways changes nothing for others.
func (d *desk) neighbours(ctx context.Context, p *lease.Plan, s *Swept) (n neighbours, err error) {
	if len(p.Doorways) == 0 {
		return n, nil
	}
	if n.leases = d.letIn(); len(n.leases) == 0 {
		return n, nil
	}
	n.seen = d.see(ctx, portsOf(n.leases), true)
	err = d.hold(ctx, n.leases, n.seen, s)
	n.leases = d.letIn()
	if d.changed {
		err = errors.Join(err, d.save())
	}
	return n, err
}

// untouched proves that a doorway lets nobody in by them who could not before, but
// for those whom other leases of their ports were just made to let in.
func (n *neighbours) untouched(after *fact.Snapshot, made ...lease.Lease) error {
	ports, all := portsOf(n.leases), slices.Clone(n.leases)
	for i := range made {
		if ports[port{made[i].Proto, made[i].Port}] {
			all = append(all, made[i])
		}
	}
	return lease.Untouched(all, n.seen.x, after)
}

func portsOf(ls []lease.Lease) map[port]bool {
	out := map[port]bool{}
	for i := range ls {
		out[port{ls[i].Proto, ls[i].Port}] = true
	}
	return out
}

// free are those that are not held, as the list has them now.
func (d *desk) free(ls []lease.Lease) (out []lease.Lease) {
	for _, le := range ls {
		if at, err := d.find(le.ID); err == nil && at.HeldBy == "" {
			out = append(out, *at)
		}
	}
	return out
}
