package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/lease"
	"demine/internal/relate"
)

// openingView is a rule as scripts get it.
type openingView struct {
	relate.OpenRule
	Finding string `json:"finding,omitempty"` // id of the finding: nobody answers for it
}

// OpeningsJSON writes what `demine lease audit` shows.
func OpeningsJSON(w io.Writer, s *explain.Scan) error {
	rules := []openingView{}
	for _, o := range s.Openings {
		v := openingView{OpenRule: o}
		if f := s.Found(&o); f != nil {
			v.Finding = f.ID
		}
		rules = append(rules, v)
	}
	saved := []judge.Finding{}
	for _, f := range s.SavedLeases() {
		saved = append(saved, *f)
	}
	return writeJSON(w, struct {
		Schema   int             `json:"schema"`
		ID       string          `json:"id"`
		Host     fact.HostInfo   `json:"host"`
		Taken    time.Time       `json:"taken"`
		Openings []openingView   `json:"openings"`
		Saved    []judge.Finding `json:"saved"` // files that let leases in after a boot
		Coverage []fact.Coverage `json:"coverage"`
	}{s.Schema, s.ID, s.Host, s.Taken, rules, saved, s.Coverage})
}

// Openings writes the rules that let others in, those that nobody answers for
// first and with what can be done about them, and the leases.
func Openings(w io.Writer, s *explain.Scan, o Options) error {
	p := newPrinter(s, o)
	p.hang("", p.say("openrule.head", "host", s.Host.Name, "time", s.Taken), 0)
	p.blank()
	filter := s.Covers("firewall")
	switch {
	case len(s.Openings) > 0:
		p.openRules(s)
		if !filter.Complete() {
			p.blank()
			p.bullet("-", p.say("openrule.unread.more", "gaps", p.gapsOf(filter)), 0)
		}
	case filter.Complete():
		p.bullet("-", p.say("openrule.none"), 0)
	default:
		p.bullet("-", p.say("openrule.unread", "gaps", p.gapsOf(filter)), 0)
	}
	for _, f := range s.SavedLeases() {
		p.blank()
		p.hangPainted(p.fold("● "), yellow, p.text(f.Message)+p.sep()+p.say("openrule.saved"), 0)
	}
	p.blank()
	p.bullet("-", p.say("exposure.cloud"), 0)
	p.row(p.say("label.unseen"), p.unseen(), 4)
	return p.flush(w)
}

// Adoption writes what becomes of a rule that turns into a lease. The twins stay.
func Adoption(w io.Writer, o *relate.OpenRule, twins []string, plan *lease.Plan, opt Options) error {
	p := newChangePrinter(opt)
	p.hang("", p.say("openrule.adopt", "id", o.ID, "rule", o.Text, "chain", o.Chain, "backend", o.Backend), 0)
	for i := range o.Saved {
		p.bullet("-", p.say("openrule.adopt.saved", "where", p.origin(&o.Saved[i])), 0)
	}
	p.bullet("-", p.say("openrule.adopt.lease", "port", plan.Port, "proto", plan.Proto, "from", sources(plan.From), "for", plan.For), 0)
	if twins != nil {
		p.bullet("-", p.say("openrule.twins", "rules", twins), 0)
	}
	p.leaseNotes(plan)
	return p.flush(w)
}

func (p *printer) openRules(s *explain.Scan) {
	rules := slices.Clone(s.Openings)
	slices.SortStableFunc(rules, func(a, b relate.OpenRule) int { return p.doubt(s, &b) - p.doubt(s, &a) })
	var head []string
	for _, c := range []string{"id", "port", "from", "service", "since", "saved", "lease"} {
		head = append(head, p.say("openrule.col."+c))
	}
	rows := [][]string{head}
	for i := range rules {
		rows = append(rows, p.openRuleRow(s, &rules[i]))
	}
	below := p.openBelow(rules, rows)
	limits := openLimits(rows, p.max)
	for _, cells := range rows[1:] {
		cells[openPort] = p.fitPorts(cells[openPort], limits[openPort])
	}
	p.tableBelow(0, limits, rows, func(n int) {
		if below[n] != "" {
			p.hang("    ", below[n], 0)
		}
	})
	for i := range rules {
		switch p.doubt(s, &rules[i]) {
		case 2:
			p.blank()
			p.openRule(&rules[i])
		case 1:
			p.blank()
			how := rules[i].Drift
			if how == "typed" && rules[i].Kept == "runtime" {
				how = "runtime"
			}
			p.hang(rules[i].ID+"  ", p.say("openrule.ask."+how, "id", rules[i].ID, "next", ruleNext(&rules[i])), 0)
		}
	}
}

// doubt is 2 for a rule that a finding is about, 1 for one that somebody made past
// what keeps the configuration and that may be meant to be there.
func (p *printer) doubt(s *explain.Scan, o *relate.OpenRule) int {
	switch {
	case o.Drift == "":
		return 0
	case s.Found(o) != nil:
		return 2
	}
	return 1
}

const openPort, openFrom, openService = 1, 2, 3 // columns

// openBelow takes out of the rows what must not be cut and has no room, and gives it for
// below them: of two addresses with the same beginning nobody could tell who is let in.
func (p *printer) openBelow(rules []relate.OpenRule, rows [][]string) []string {
	below, limits := make([]string, len(rows)), openLimits(rows, p.max)
	for n := range rules {
		cells := rows[n+1]
		switch o := &rules[n]; {
		case o.Inverted:
			below[n+1] = p.say("openrule.inverted", "rule", o.Text)
		case columns(cells[openFrom]) > limits[openFrom]:
			below[n+1] = p.say("openrule.from", "from", cells[openFrom])
			cells[openFrom] = p.say("openrule.below")
		}
	}
	return below
}

// fitPorts cuts ports, and never their protocol.
func (p *printer) fitPorts(ports string, n int) string {
	list, proto, has := strings.Cut(ports, "/")
	if !has {
		return ports
	}
	proto = "/" + proto
	return fit(list, n-columns(proto), p.dots()) + proto
}

// openLimits are those of the columns: when a rule began or ends is never cut, and of
// the others as much as the line has no room for, where it hurts least first.
func openLimits(rows [][]string, line int) []int {
	need := needed(rows)
	over := 2*(len(need)-1) - line
	for _, n := range need {
		over += n
	}
	for _, c := range []struct{ col, least int }{{openService, 9}, {openFrom, 18}, {openPort, 11}, {openService, 6}, {openFrom, 15}, {openPort, 8}} {
		cut := max(0, min(over, need[c.col]-c.least))
		need[c.col] -= cut
		over -= cut
	}
	return need
}

func (p *printer) openRuleRow(s *explain.Scan, o *relate.OpenRule) []string {
	service := o.Service
	switch {
	case len(o.Listeners) == 0 && s.Covers("socket").Complete():
		service = p.say("openrule.no-listener")
	case service == "":
		service = "?"
	}
	since := "?"
	switch {
	case o.Lease != "":
		since = p.say("openrule.since.lease", "left", time.Duration(o.Left)*time.Second)
	case o.Known != "":
		since = p.say("openrule.since."+o.Known, "at", p.day(o.Since))
	}
	answers := o.Lease
	switch {
	case answers != "":
	case o.Drift == "":
		answers = p.host(o.Keeper)
	default:
		answers = p.say("openrule.no-lease")
	}
	return []string{o.ID, p.openPorts(o), p.openSources(o), p.host(service), since, p.say("openrule.kept." + o.Kept), answers}
}

// day is short enough for a table.
func (p *printer) day(t time.Time) string {
	if !p.o.Now.IsZero() {
		t = t.In(p.o.Now.Location())
	}
	return t.Format(time.DateOnly)
}

func (p *printer) openPorts(o *relate.OpenRule) string {
	text := p.say("openrule.all-ports")
	if len(o.Ports) > 0 {
		var list []string
		for _, r := range o.Ports {
			one := fmt.Sprint(r.From)
			if r.To != r.From {
				one += fmt.Sprintf("-%d", r.To)
			}
			list = append(list, one)
		}
		text = join(",", list...)
	}
	if o.Proto != "" {
		text += "/" + o.Proto
	}
	return text
}

func (p *printer) openSources(o *relate.OpenRule) string {
	switch {
	case o.Inverted:
		return p.say("openrule.below")
	case o.Everyone:
		return p.say("openrule.everyone")
	}
	list := sources(o.Sources)
	if len(list) > 1 {
		return p.say("openrule.sources", "first", list[0], "n", len(list)-1)
	}
	return join("", list...)
}

// openRule says of a rule that nobody answers for what it is, how it came to be
// there, and what to do.
func (p *printer) openRule(o *relate.OpenRule) {
	p.hangPainted(o.ID+"  ", yellow, p.say("openrule.drift."+o.Drift), 0)
	p.hang("    ", p.say("openrule.rule", "rule", o.Text, "chain", o.Chain, "n", o.N, "backend", o.Backend, "packets", packets(o)), 3)
	for i := range o.Saved {
		p.hang("    ", p.say("exposure.saved", "where", p.origin(&o.Saved[i])), 2)
	}
	for i := range o.By[max(0, len(o.By)-3):] {
		c := &o.By[max(0, len(o.By)-3)+i]
		id := "exposure.opened"
		if c.Time.IsZero() {
			id += ".undated"
		}
		p.hang("    ", p.say(id, "at", p.clock(c.Time), "user", c.User, "command", c.Text, "where", p.origin(&c.Origin)), 2)
	}
	p.hang("    ", p.text(ruleNext(o)), 0)
}

// ruleNext is what can be done about a rule: a lease takes over one port, for those
// who are named.
func ruleNext(o *relate.OpenRule) i18n.Message {
	id := "openrule.next"
	switch _, _, one := o.OnePort(); {
	case !one || o.Inverted:
		id = "openrule.next.close"
	case o.Narrow || len(o.Sources) == 0:
		id = "openrule.next.from"
	}
	return i18n.M(id, "id", o.ID)
}

// packets is how many a rule has let in, or that it does not count them.
func packets(o *relate.OpenRule) i18n.Message {
	if o.Packets == nil {
		return i18n.M("openrule.uncounted")
	}
	return i18n.M("openrule.packets", "n", int(min(*o.Packets, 1<<53)))
}
