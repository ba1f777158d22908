package report

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"time"

	"demine/internal/i18n"
	"demine/internal/lease"
	"demine/internal/respond"
)

// LeaseOpened writes a lease that was just opened, and how it is proved.
func LeaseOpened(w io.Writer, p *lease.Plan, l *lease.Lease, left time.Duration, o Options) error {
	pr := newChangePrinter(o)
	pr.hangPainted(pr.fold("● "), green, pr.say("lease.open", "id", l.ID, "port", l.Port, "proto", l.Proto,
		"from", sources(l.From), "until", l.Until, "left", left), 0)
	pr.bullet("-", pr.say("lease.open.proved"), 0)
	pr.bullet("-", pr.say("lease.open.through", "through", l.Through), 0)
	pr.leaseNotes(p)
	pr.hang("  ", pr.say("lease.open.early", "id", l.ID), 0)
	if left+time.Hour <= lease.MaxFor || l.Long && left+time.Hour <= lease.MaxLong { // else that line would be refused
		pr.hang("  ", pr.say("lease.open.more", "id", l.ID), 0)
	}
	return pr.flush(w)
}

// LeasePlanned writes what a lease would do.
func LeasePlanned(w io.Writer, p *lease.Plan, o Options) error {
	pr := newChangePrinter(o)
	pr.hangPainted(pr.fold("● "), yellow, pr.say("lease.open.planned", "port", p.Port, "proto", p.Proto,
		"from", sources(p.From), "for", p.For), 0)
	for _, d := range p.Doorways {
		pr.bullet("-", pr.say("lease.open.place", "chain", d.At.Family+" "+d.At.Table+" "+d.At.Chain, "n", d.At.N), 0)
	}
	if len(p.Doorways) == 0 {
		pr.bullet("-", pr.say("lease.open.no-place"), 0)
	}
	pr.leaseNotes(p)
	return pr.flush(w)
}

// leaseNotes are what one has to know of an opening.
func (p *printer) leaseNotes(plan *lease.Plan) {
	if plan.Container != "" {
		p.bullet("-", p.say("lease.open.container", "name", plan.Container), 0)
	}
	for _, m := range plan.Notes {
		p.bullet("-", p.text(m), 0)
	}
	end := "lease.open.stay"
	if plan.Cut {
		end = "lease.open.cut"
	}
	p.bullet("-", p.say(end), 0)
	p.bullet("-", p.say("lease.open.cloud", "port", plan.Port), 0)
}

func sources(from []netip.Prefix) []string {
	var out []string
	for _, p := range from {
		if s := p.String(); p.IsSingleIP() {
			out = append(out, p.Addr().String())
		} else {
			out = append(out, s)
		}
	}
	return out
}

// LeaseLine writes sentences about a lease: requested, extended, closed … used is how
// many connections it has, where a sentence says so.
func LeaseLine(w io.Writer, l *lease.Lease, left time.Duration, used *int, o Options, ids ...string) error {
	p := newChangePrinter(o)
	for _, id := range ids {
		p.hang("", p.leaseSay(id, l, left, used), 0)
	}
	return p.flush(w)
}

func (p *printer) leaseSay(id string, l *lease.Lease, left time.Duration, used *int) string {
	n := 0
	if used != nil {
		n = *used
	}
	return p.say(id, "n", n, "id", l.ID, "port", l.Port, "proto", l.Proto, "from", sources(l.From), "for", l.For, "until", l.Until,
		"left", left, "who", l.Who, "why", l.Why, "account", l.By.Account)
}

// LeaseWarning is what people are told before a lease ends.
func LeaseWarning(l *lease.Lease, left time.Duration, c *i18n.Catalogue) string {
	return newChangePrinter(Options{Catalogue: c}).leaseSay("lease.warn", l, left, nil)
}

// LeaseHeld is what people are told of a lease that somebody's rule holds up.
func LeaseHeld(l *lease.Lease, why error, c *i18n.Catalogue) string {
	p := newChangePrinter(Options{Catalogue: c})
	return p.say("lease.held", "id", l.ID, "port", l.Port, "proto", l.Proto, "from", sources(l.From), "who", l.Who, "why", said(why))
}

// LeaseOver, LeaseGone, LeaseBack and LeaseTrouble are the sentences about what
// was found to be other than the records say.
func LeaseOver(l *lease.Lease, why string) i18n.Message {
	return i18n.M("lease.swept.over", "id", l.ID, "who", l.Who, "why", why)
}

// LeaseGone is about an element that no lease explains.
func LeaseGone(a respond.Admission) i18n.Message {
	return i18n.M("lease.swept.gone", "id", a.Lease, "port", a.Port, "proto", a.Proto, "from", a.From.String())
}

// LeaseTrouble is about a lease that could not be put back.
func LeaseTrouble(id string, err error) i18n.Message {
	return i18n.M("lease.swept.trouble", "id", id, "why", said(err))
}

// said is an error in the reader's language, if it has words in both.
func said(err error) any {
	var r *respond.Refusal
	if errors.As(err, &r) {
		return r.Message
	}
	return ErrorText(err)
}

// ErrorText is an error on one line: errors.Join puts each on a line of its own.
func ErrorText(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
