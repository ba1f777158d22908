package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"demine/internal/explain"
	"demine/internal/relate"
)

// Exposure writes who can reach what: one listener that others can reach a
// row, with the rule that lets them in and where it is saved; those that only
// this host can reach are named in short. owners are those of leases, by their
// names, as far as they are known.
func Exposure(w io.Writer, s *explain.Scan, owners map[string]string, o Options) error {
	p := newPrinter(s, o)
	p.hang("", p.say("exposure.head", "host", s.Host.Name, "time", s.Taken), 0)
	p.blank()
	var shut, apart []*relate.Exposure
	rows := [][]string{p.exposureHead()}
	var open []*relate.Exposure
	all := widest(s.Exposure)
	for i := range all {
		switch e := &all[i]; {
		case e.From == "local" || e.From == "nobody":
			shut = append(shut, e)
		case e.Why == "namespace":
			apart = append(apart, e)
		default:
			open, rows = append(open, e), append(rows, p.exposureRow(e))
		}
	}
	p.exposureRows(open, rows, owners)
	p.inShort("exposure.apart", apart)
	p.inShort("exposure.shut", shut)
	p.blank()
	p.bullet("-", p.say("exposure.cloud"), 0)
	p.row(p.say("label.unseen"), p.unseen(), 4)
	return p.flush(w)
}

func (p *printer) exposureHead() []string {
	return []string{p.say("col.listener"), p.say("col.process"), p.say("col.from"), p.say("col.auth"), p.say("col.peers")}
}

func (p *printer) exposureRow(e *relate.Exposure) []string {
	name := e.Service
	if name == "" {
		name = "?"
	}
	if e.PID > 0 {
		name = fmt.Sprintf("%s (%d)", name, e.PID)
	}
	if e.User != "" {
		name += " " + e.User
	}
	return []string{p.host(e.Listener), p.host(name), p.word(fromWord(e.From)),
		p.say("auth." + authWord(e.Auth)), fmt.Sprint(e.Peers)}
}

func fromWord(from string) string {
	switch from {
	case "anywhere", "some", "local", "nobody":
		return from
	}
	return "cannot-tell"
}

// exposureRows writes the table with the reason below each row.
func (p *printer) exposureRows(open []*relate.Exposure, rows [][]string, owners map[string]string) {
	if len(open) == 0 {
		p.bullet("-", p.say("exposure.none"), 0)
		return
	}
	p.tableBelow(0, []int{22, 18, 14, 11, 7}, rows, func(n int) {
		if n > 0 {
			p.leased(open[n-1], owners)
			p.because(open[n-1])
		}
	})
}

// because says by which rule a listener can be reached and where that rule is
// saved.
func (p *printer) because(e *relate.Exposure) {
	if id := "why." + e.Why; p.c.Has(id) {
		s := p.say(id, "chain", e.Chain, "n", e.RuleN)
		if e.Because != "" {
			s += p.say("exposure.rule", "rule", e.Because)
		}
		if e.Backend != "" {
			s += p.say("in.brackets", "s", e.Backend)
		}
		p.hang("    ", s, 3)
	}
	if len(e.Sources) > 0 {
		p.hang("    ", p.say("from.sources", "from", e.Sources), 2)
	}
	if e.V4 != e.V6 && e.V4 != "" && e.V6 != "" {
		p.hang("    ", p.say("exposure.families", "v4", e.V4, "v6", e.V6), 2)
	}
	for i := range e.Saved {
		p.hang("    ", p.say("exposure.saved", "where", p.origin(&e.Saved[i])), 2)
	}
	if !e.SavedBy.IsZero() {
		p.hang("    ", p.say("exposure.saved.by", "at", p.clock(e.SavedBy)), 2)
	}
	p.contained(e)
	p.opened(e)
}

// leased says by which leases a listener can be reached, whose they are and for how
// long: the rule below is the same one for all of them.
func (p *printer) leased(e *relate.Exposure, owners map[string]string) {
	if e.Lease == "" {
		return
	}
	for _, id := range strings.Split(e.Lease, ", ") {
		line := p.say("exposure.lease", "lease", id)
		if who := owners[id]; who != "" {
			line += p.say("in.brackets", "s", who)
		}
		if left := leftOfOpening(p.s, id); left > 0 {
			line += p.sep() + p.say("exposure.lease.left", "left", left)
		}
		p.hang("    ", line, 0)
		p.command("demine lease show " + id)
	}
}

// leftOfOpening is the time that the packet filter leaves to a lease, of its sources
// the last; 0: it is not known.
func leftOfOpening(s *explain.Scan, id string) (left time.Duration) {
	for i := range s.Openings {
		if o := &s.Openings[i]; o.Lease == id {
			left = max(left, time.Duration(o.Left)*time.Second)
		}
	}
	return left
}

// contained says in which container a listener is and by which ports of the host
// it is reached.
func (p *printer) contained(e *relate.Exposure) {
	if e.Container != "" {
		s := p.say("exposure.container", "name", e.Container)
		if e.Image != "" {
			s += p.say("exposure.container.image", "image", e.Image)
		}
		p.hang("    ", s, 2)
	}
	if len(e.Published) > 0 {
		s := p.say("exposure.published", "at", e.Published)
		if e.By != "" {
			s += p.say("exposure.published.by", "rule", e.By)
		}
		p.hang("    ", s, 2)
	}
}

// opened says since when, by whom and how a listener can be reached, as far as
// shell histories, sudo and auditd tell.
func (p *printer) opened(e *relate.Exposure) {
	const most = 3
	for i := range e.Opened[max(0, len(e.Opened)-most):] {
		o := &e.Opened[max(0, len(e.Opened)-most)+i]
		id := "exposure.opened"
		if o.Time.IsZero() {
			id += ".undated"
		}
		p.hang("    ", p.say(id, "at", p.clock(o.Time), "user", o.User, "command", o.Text, "where", p.origin(&o.Origin)), 2)
	}
}

// inShort names listeners of which there is nothing more to say.
func (p *printer) inShort(head string, es []*relate.Exposure) {
	if len(es) == 0 {
		return
	}
	const most = 12
	var names []string
	for _, e := range es {
		if name := p.host(e.Listener + " " + e.Service); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if n := len(names); n > most {
		names = append(names[:most], p.say("list.more", "n", n-most))
	}
	p.heading(p.say(head))
	p.hang("  ", join(p.say("item.sep"), names...), 0)
}
