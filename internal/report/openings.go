package report

import (
	"fmt"
	"io"
	"slices"
	"time"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/lease"
	"demine/internal/relate"
)

// OpeningsJSON writes what `demine lease audit` shows.
func OpeningsJSON(w io.Writer, s *explain.Scan) error {
	rules := s.Openings
	if rules == nil {
		rules = []relate.OpenRule{}
	}
	return writeJSON(w, struct {
		Schema   int               `json:"schema"`
		ID       string            `json:"id"`
		Host     fact.HostInfo     `json:"host"`
		Taken    time.Time         `json:"taken"`
		Openings []relate.OpenRule `json:"openings"`
		Coverage []fact.Coverage   `json:"coverage"`
	}{s.Schema, s.ID, s.Host, s.Taken, rules, s.Coverage})
}

// Openings writes the rules that let others in, those that nobody answers for
// first and with what can be done about them, and the leases.
func Openings(w io.Writer, s *explain.Scan, o Options) error {
	p := newPrinter(s, o)
	p.hang("", p.say("openrule.head", "host", s.Host.Name, "time", s.Taken), 0)
	p.blank()
	if len(s.Openings) == 0 {
		p.bullet("-", p.say("openrule.none"), 0)
	} else {
		p.openRules(s.Openings)
	}
	p.blank()
	p.bullet("-", p.say("exposure.cloud"), 0)
	p.row(p.say("label.unseen"), p.unseen(), 4)
	return p.flush(w)
}

// Adoption writes what becomes of a rule that turns into a lease.
func Adoption(w io.Writer, o *relate.OpenRule, q *lease.Ask, opt Options) error {
	p := newChangePrinter(opt)
	p.hang("", p.say("openrule.adopt", "id", o.ID, "rule", o.Text, "chain", o.Chain, "backend", o.Backend), 0)
	for i := range o.Saved {
		p.bullet("-", p.say("openrule.adopt.saved", "where", p.origin(&o.Saved[i])), 0)
	}
	p.bullet("-", p.say("openrule.adopt.lease", "port", q.Port, "proto", q.Proto, "from", sources(q.From), "for", q.For), 0)
	return p.flush(w)
}

func (p *printer) openRules(in []relate.OpenRule) {
	rules := slices.Clone(in)
	slices.SortStableFunc(rules, func(a, b relate.OpenRule) int { return drifts(&b) - drifts(&a) })
	var head []string
	for _, c := range []string{"id", "port", "from", "service", "since", "saved", "lease"} {
		head = append(head, p.say("openrule.col."+c))
	}
	rows := [][]string{head}
	for i := range rules {
		rows = append(rows, p.openRuleRow(&rules[i]))
	}
	p.table(0, []int{10, 14, 18, 9, 12, 6, 0}, rows)
	for i := range rules {
		if rules[i].Drift != "" {
			p.blank()
			p.openRule(&rules[i])
		}
	}
}

func drifts(o *relate.OpenRule) int {
	if o.Drift != "" {
		return 1
	}
	return 0
}

func (p *printer) openRuleRow(o *relate.OpenRule) []string {
	service := o.Service
	if len(o.Listeners) == 0 {
		service = p.say("openrule.no-listener")
	}
	since := "?"
	if o.Known != "" {
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
	if o.Everyone {
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
	p.hang("    ", p.say("openrule.rule", "rule", o.Text, "chain", o.Chain, "n", o.N, "backend", o.Backend, "packets", int(min(o.Packets, 1<<53))), 3)
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
	p.hang("    ", p.say("openrule.next", "id", o.ID), 0)
}
