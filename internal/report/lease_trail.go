package report

import (
	"io"

	"demine/internal/lease"
)

// LeaseTrail writes the events of the audit trail, oldest first, and how far its
// chain holds.
func LeaseTrail(w io.Writer, events []lease.Event, c *lease.TrailCheck, o Options) error {
	p := newChangePrinter(o)
	if len(c.Trails) == 0 && len(c.Gaps) == 0 {
		p.hang("", p.say("lease.trail.none"), 0)
		return p.flush(w)
	}
	for i := range events {
		e := &events[i]
		p.hang(p.clock(e.At)+"  "+pad(p.host(e.ID), 8)+"  ", p.event(e), 0)
		if e.Torn > 0 {
			p.hang("    ", p.say("lease.trail.torn", "n", e.Torn), 0)
		}
	}
	p.blank()
	for _, t := range c.Trails {
		if t.Broken > 0 {
			p.hangPainted(p.fold("● "), red, p.say("lease.trail.broken", "line", t.Broken, "lines", t.Lines), 0)
		} else {
			p.hang("", p.say("lease.trail.whole", "lines", t.Lines, "head", t.Head), 0)
		}
		if t.Torn > 0 {
			p.hang("", p.say("lease.trail.torn", "n", t.Torn), 0)
		}
	}
	for _, g := range c.Gaps {
		p.hangPainted(p.fold("● "), red, p.say("lease.gap."+g.Kind, "id", g.ID, "lines", g.Lines, "where", g.Where), 0)
	}
	if c.Good() {
		p.hang("", p.say(comparedWith(c)), 0)
	}
	for _, g := range c.Unread {
		p.hang("", p.say("lease.trail.unread", "what", g.What), 0)
	}
	return p.flush(w)
}

// comparedWith is what a trail that nothing speaks against was compared with.
func comparedWith(c *lease.TrailCheck) string {
	switch {
	case c.Blind:
		return "lease.trail.no-filter"
	case c.InLog:
		return "lease.trail.in-log"
	case c.Logged > 0:
		return "lease.trail.older-in-log"
	}
	return "lease.trail.no-log"
}

// event says one of the trail. Its words were checked by the chain, not by
// anybody for what they are: a kind that is not known is shown as it is.
func (p *printer) event(e *lease.Event) string {
	id := "lease.event." + e.Kind
	if !p.c.Has(id) {
		return p.host(e.Kind)
	}
	l := e.Lease
	if l == nil {
		l = &lease.Lease{}
	}
	var why any = e.Why
	switch {
	case e.Said.ID != "":
		why = e.Said
	case e.Why == "":
		why = l.Why
	}
	s := p.say(id, "doing", e.Doing, "port", l.Port, "proto", l.Proto, "from", sources(l.From), "for", l.For,
		"until", l.Until, "who", l.Who, "why", why)
	switch {
	case e.By == nil:
		return s
	case e.By.Peer == "":
		return s + p.sep() + p.say("lease.event.by", "account", e.By.Account)
	}
	return s + p.sep() + p.say("lease.event.by.from", "account", e.By.Account, "peer", e.By.Peer)
}
