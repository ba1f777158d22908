package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"demine/internal/i18n"
	"demine/internal/lease"
)

// Lease writes one lease or request of a list, whole.
func Lease(w io.Writer, l *LeaseList, le *lease.Lease, o Options) error {
	p := newChangePrinter(o)
	code := yellow
	if l.inForce(le) {
		code = green
	}
	p.hangPainted(p.fold("● "), code, fmt.Sprintf("%s  %d/%s  %s", le.ID, le.Port, le.Proto, p.leaseState(l, le)), 0)
	p.leaseRows(p.leaseFacts(l, le))
	return p.flush(w)
}

func (l *LeaseList) inForce(le *lease.Lease) bool {
	return le.State == lease.Open && le.Over(l.Clock) == "" && !l.Shut[le.ID]
}

// leaseState says whether somebody comes in by it, and if not, why.
func (p *printer) leaseState(l *LeaseList, le *lease.Lease) string {
	switch {
	case le.State == lease.Requested:
		return p.say("lease.show.waits", "id", le.ID)
	case le.Over(l.Clock) != "":
		return p.say("lease.show.closing", "why", le.Over(l.Clock))
	case l.Shut[le.ID] && le.HeldBy != "":
		return p.say("lease.show.held", "by", barrier(le.HeldBy))
	case l.Shut[le.ID]:
		return p.say("lease.show.shut")
	}
	return p.say("lease.show.open")
}

// leaseFact is what is known of a lease, and the id of its label.
type leaseFact struct{ label, text string }

func (p *printer) leaseFacts(l *LeaseList, le *lease.Lease) []leaseFact {
	out := []leaseFact{{"from", p.say("lease.from", "l", sources(le.From))}}
	if le.State == lease.Open {
		out = append(out, leaseFact{"ends", p.say("lease.show.ends", "until", le.Until, "left", leftOf(le, l.Clock))})
	} else {
		out = append(out, leaseFact{"for", p.say("lease.left", "d", le.For)})
	}
	out = append(out, leaseFact{"who", p.host(le.Who)}, leaseFact{"why", p.host(le.Why)})
	out = append(out, p.leasePeople(le)...)
	if len(le.Through) > 0 {
		out = append(out, leaseFact{"through", p.say("lease.from", "l", le.Through)})
	}
	for _, name := range le.Passes {
		out = append(out, leaseFact{"passes", p.text(barrier(name))})
	}
	return append(out, leaseFact{"service", p.host(le.Service)}, leaseFact{"container", p.host(le.Container)},
		leaseFact{"flags", strings.Join(leaseFlags(le), " ")}, leaseFact{"used", p.leaseUsed(l, le)})
}

// leasePeople are who asked for it, approved and opened it.
func (p *printer) leasePeople(le *lease.Lease) []leaseFact {
	switch {
	case le.State == lease.Requested:
		return []leaseFact{{"requested", p.leasePerson(&le.By, le.Opened)}}
	case le.RequestedBy != nil:
		return []leaseFact{{"requested", p.leasePerson(le.RequestedBy, time.Time{})}, {"approved", p.leasePerson(&le.By, le.Opened)}}
	}
	return []leaseFact{{"opened", p.leasePerson(&le.By, le.Opened)}}
}

func (p *printer) leasePerson(who *lease.Person, at time.Time) string {
	by := p.say("lease.show.by", "account", who.Account)
	if who.Peer != "" {
		by = p.say("lease.show.by.from", "account", who.Account, "peer", who.Peer)
	}
	if at.IsZero() {
		return by
	}
	return p.clock(at) + p.sep() + by
}

// leaseFlags are those that it was opened with, beside what has a row of its own.
func leaseFlags(le *lease.Lease) (out []string) {
	for _, f := range []struct {
		given bool
		name  string
	}{{le.Cut, "--drop-established"}, {le.Anyone, "--anyone"}, {le.Long, "--long"}, {le.Bare, "--without-password"}} {
		if f.given {
			out = append(out, f.name)
		}
	}
	return out
}

// leaseUsed is how many connections it lets in now.
func (p *printer) leaseUsed(l *LeaseList, le *lease.Lease) string {
	switch {
	case le.State != lease.Open:
		return ""
	case l.Used == nil:
		return p.say("lease.show.unused", "why", unusedWhy(l.Unused))
	}
	return fmt.Sprint(l.Used[le.ID])
}

// leaseRows write what is known with aligned texts; of labels that follow each
// other only the first is written.
func (p *printer) leaseRows(rows []leaseFact) {
	width, before := 0, ""
	for _, r := range rows {
		width = max(width, columns(p.say("lease.show.label."+r.label)))
	}
	for _, r := range rows {
		if r.text == "" {
			continue
		}
		label := ""
		if r.label != before {
			label, before = p.say("lease.show.label."+r.label), r.label
		}
		p.hang("  "+pad(label, width)+"  ", r.text, 0)
	}
}

// barrier says what a record names: see relate.Barrier.
func barrier(name string) i18n.Message {
	chain, rule, _ := strings.Cut(name, ": ")
	switch {
	case chain == "":
		return i18n.M("lease.barrier.many")
	case rule == "policy":
		return i18n.M("lease.barrier.policy", "chain", chain)
	}
	return i18n.M("lease.barrier.rule", "chain", chain, "rule", rule)
}

// LeaseShownJSON writes one lease or request of a list for scripts, whole.
func LeaseShownJSON(w io.Writer, l *LeaseList, le *lease.Lease) error {
	v := l.view(le)
	v.Passes = le.Passes
	if le.State == lease.Open && l.Unused != nil {
		v.Unused = l.Unused.Error()
	}
	return LeaseJSON(w, v, nil, nil, l.Swept)
}
