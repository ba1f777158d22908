package report

import (
	"io"
	"slices"

	"demine/internal/lease"
)

// LeaseTrail writes the events of the audit trail, oldest first, marks those that
// are not proved, and says how far its chain holds.
func LeaseTrail(w io.Writer, events []lease.Event, c *lease.TrailCheck, o Options) error {
	p := newChangePrinter(o)
	if len(c.Trails) == 0 && len(c.Gaps) == 0 {
		p.hang("", p.say("lease.trail.none"), 0)
		return p.flush(w)
	}
	for i := range events {
		e := &events[i]
		head, mark, code := p.clock(e.At)+"  "+pad(p.host(e.ID), 8)+"  ", "", ""
		if e.Unproved {
			mark, code = p.say("lease.trail.unproved"), yellow
		}
		p.hangPainted(head, code, mark+p.event(e), 0)
		if e.Torn > 0 {
			p.hang("    ", p.say("lease.trail.torn", "n", e.Torn), 0)
		}
	}
	p.blank()
	for i := range c.Trails {
		p.trail(&c.Trails[i], c)
	}
	for _, g := range c.Gaps {
		p.hangPainted(p.fold("● "), red, p.say("lease.gap."+g.Kind, "id", g.ID, "lines", g.Lines, "where", g.Where), 0)
	}
	if id := comparedWith(c); id != "" {
		p.hang("", p.say(id), 0)
	}
	for _, g := range c.Unread {
		p.hang("", p.say("lease.trail.unread", "what", g.What), 0)
	}
	return p.flush(w)
}

// trail says how far one holds, and where the break is. That nothing is missing at
// its end only the rest of the check can tell.
func (p *printer) trail(t *lease.Trail, c *lease.TrailCheck) {
	var notes []string
	note := func(id string, n int) { notes = append(notes, p.say(id, "n", n)) }
	whole := func(id string) { p.hang("", p.say(id, "path", t.Path, "lines", t.Lines, "head", t.Head), 0) }
	switch {
	case t.Broken == 0 && t.Lines == 0: // what there is to say of it is said as a gap
	case t.Broken == 0 && len(c.Gaps) > 0:
		whole("lease.trail.unbroken")
	case t.Broken == 0:
		whole("lease.trail.whole")
	default:
		p.hangPainted(p.fold("● "), red, p.say("lease.trail.broken", "path", t.Path, "line", t.Broken), 0)
		note(orNone("lease.trail.holds", t.Lines), t.Lines)
		note(orNone("lease.trail.logged", c.Logged), c.Logged)
	}
	if t.Rest {
		note("lease.trail.rest", 0)
	}
	if t.Unread > 0 {
		note("lease.trail.no-events", t.Unread)
	}
	if t.Torn > 0 {
		note("lease.trail.torn", t.Torn)
	}
	if t.Memory {
		note("lease.trail.memory", 0)
	}
	for _, s := range notes {
		p.bullet("-", s, 0)
	}
}

// orNone is the message about a number, or the one about none.
func orNone(id string, n int) string {
	if n == 0 {
		return id + ".none"
	}
	return id
}

// comparedWith is what a trail was compared with that lacks nothing of it; empty:
// it does, or was compared with nothing.
func comparedWith(c *lease.TrailCheck) string {
	switch {
	case len(c.Gaps) > 0 || c.Blind && !c.Good() || slices.ContainsFunc(c.Trails, func(t lease.Trail) bool { return t.Rest }):
		return ""
	case !c.Good():
		return "lease.trail.compared"
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
