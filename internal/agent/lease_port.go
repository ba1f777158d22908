package agent

import (
	"fmt"
	"time"

	"demine/internal/lease"
	"demine/internal/respond"
)

// back is what is put back together at one port.
type back struct {
	port
	leases []lease.Lease
	plan   lease.Plan
	err    error // why it is not
	out    bool  // it was taken out again
}

// inTable are the leases of ports that were let in without an error.
func inTable(ports []*back) (out []lease.Lease) {
	for _, b := range ports {
		if b.err == nil {
			out = append(out, b.leases...)
		}
	}
	return out
}

func (b *back) failed() bool { return b.err != nil }

// ask is what all leases of the port let in together. That the service asks for
// no password, and that it is for everybody, was decided when they were opened.
func (b *back) ask() lease.Ask {
	ask := b.leases[0].Ask
	ask.From, ask.Bare, ask.Anyone = nil, true, true
	for i := range b.leases {
		ask.From = append(ask.From, b.leases[i].From...)
	}
	return ask
}

// container is that in which they end, if one of them does.
func (b *back) container() string {
	for i := range b.leases {
		if c := b.leases[i].Container; c != "" {
			return c
		}
	}
	return ""
}

// inForce reports whether the leases let in whom they shall, to where they led.
func (b *back) inForce(seen sight) bool {
	in, container := lease.InForce(b.ask(), seen.x)
	return in && (container != "") == (b.container() != "")
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

// planBack plans each port anew. Where that cannot be for all leases of one, it is
// for those for which it can.
func planBack(ports []*back, seen sight, in respond.Admitted) (out []*back) {
	for _, b := range ports {
		if b.make(seen, in); b.err == nil || len(b.leases) == 1 {
			out = append(out, b)
			continue
		}
		rest := &back{port: b.port}
		for _, le := range b.leases {
			one := &back{port: b.port, leases: []lease.Lease{le}}
			if one.make(seen, in); one.err == nil {
				rest.leases = append(rest.leases, le)
			} else {
				out = append(out, one)
			}
		}
		if len(rest.leases) > 0 {
			rest.make(seen, in)
			out = append(out, rest)
		}
	}
	return out
}

// make plans it. A container that is not there yet is waited for: what leads to
// the host now would lead to it by another way later.
func (b *back) make(seen sight, in respond.Admitted) {
	b.plan, b.err = lease.Make(b.ask(), seen.x, in, nil)
	if c := b.container(); b.err == nil && c != "" && b.plan.Container == "" {
		b.err = respond.Refuse("refuse.lease.no-container", "container", c, "port", b.n)
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
