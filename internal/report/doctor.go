package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"demine/internal/explain"
	"demine/internal/fact"
)

// Doctor writes what demine can see on this host, what it cannot and why, and
// what to do about it.
func Doctor(w io.Writer, s *explain.Scan, o Options) error {
	p := newPrinter(s, o)
	p.ids = doctorLabels
	p.hostLines()
	p.heading(p.say("doctor.observers"))
	rows := [][]string{{p.say("col.observer"), p.say("col.state"), p.say("col.facts"), p.say("col.took"), p.say("col.sees")}}
	for i := range s.Coverage {
		rows = append(rows, p.observerRow(&s.Coverage[i]))
	}
	p.table(2, []int{14, 20, 7, 9, 60}, rows)
	p.gaps()
	p.undecided()
	p.blank()
	p.row(p.say("label.took"), p.say("doctor.cost", "wall", float64(s.Took.WallMS)/1000, "cpu", float64(s.Took.CPUMS)/1000,
		"peak", s.Took.PeakKiB*1024), 1)
	return p.flush(w)
}

func (p *printer) hostLines() {
	h := &p.s.Host
	p.row(p.say("label.host"), p.say("doctor.host", "name", h.Name, "os", h.OS, "kernel", h.Kernel, "arch", h.Arch, "cpus", h.CPUs), 2)
	who := "doctor.root"
	if h.UID != 0 {
		who = "doctor.user"
	}
	p.row(p.say("label.as"), p.say(who, "uid", h.UID), 2)
	if h.Container != "" {
		p.row(p.say("label.note"), p.say("note.container", "what", h.Container), 3)
	}
	if h.PIDSpace == "nested" {
		p.row(p.say("label.note"), p.say("note.nested"), 3)
	}
	p.row(p.say("label.filter"), p.backends(), 2)
	if p.s.Operator.Peer != "" {
		p.row(p.say("label.you"), p.say("doctor.peer", "peer", p.s.Operator.Peer, "sshd", p.s.Operator.SSHD), 1)
	}
	if len(h.Conflict) > 0 {
		p.row(p.say("label.note"), p.say("note.conflict", "what", h.Conflict), 3)
	}
}

// backends names the packet filters in force.
func (p *printer) backends() string {
	var names []string
	add := func(s string) {
		if s != "" && !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	for i := range p.s.Exposure {
		add(p.s.Exposure[i].Backend)
	}
	if p.s.Snapshot != nil {
		for i := range p.s.Snapshot.Firewall {
			if r := &p.s.Snapshot.Firewall[i]; r.Persisted == "" {
				add(r.Backend)
			}
		}
	}
	if len(names) == 0 {
		return p.say("doctor.no-filter")
	}
	return p.host(strings.Join(names, ", "))
}

func (p *printer) observerRow(c *fact.Coverage) []string {
	return []string{p.host(c.Observer), p.say("state." + stateWord(c.State)), fmt.Sprint(c.Count),
		fmt.Sprintf("%.1f ms", float64(c.TookUS)/1000), p.what(c)}
}

func stateWord(s fact.State) string {
	switch s {
	case fact.Seen, fact.Absent, fact.Partial, fact.Unavailable, fact.Failed:
		return string(s)
	}
	return "failed"
}

// gaps lists what was not seen, and what to do about each reason once.
func (p *printer) gaps() {
	var todo []string
	first := true
	for i := range p.s.Coverage {
		c := &p.s.Coverage[i]
		if c.Complete() {
			continue
		}
		if first {
			p.heading(p.say("doctor.gaps"))
			first = false
		}
		if len(c.Gaps) == 0 {
			p.bullet("-", p.host(c.Observer)+p.sep()+p.say("state."+stateWord(c.State)), 2)
		}
		for _, g := range c.Gaps {
			p.bullet("-", p.gap(c.Observer, &g), 3)
			if !slices.Contains(todo, g.Code) {
				todo = append(todo, g.Code)
			}
		}
	}
	if first {
		p.heading(p.say("doctor.no-gaps"))
		return
	}
	p.todo(todo)
}

func (p *printer) gap(observer string, g *fact.Gap) string {
	s := p.host(observer) + p.sep() + p.gapWord(g.Code)
	if g.Count > 1 {
		s += p.say("gap.times", "n", g.Count)
	}
	return join(p.sep(), s, p.host(g.What), p.host(g.Detail))
}

func (p *printer) todo(codes []string) {
	p.heading(p.say("doctor.todo"))
	for _, code := range codes {
		id := "todo." + code
		switch {
		case code == "no-permission" && p.s.Host.UID == 0:
			id = "todo.no-permission-root"
		case !p.c.Has(id):
			id = "todo.other"
		}
		p.bullet("-", p.say(id, "code", code), 3)
	}
}

// undecided names the rules that could not be decided.
func (p *printer) undecided() {
	if len(p.s.Unknown) == 0 {
		return
	}
	var rules []string
	for _, u := range p.s.Unknown {
		if !slices.Contains(rules, u.Rule) {
			rules = append(rules, u.Rule)
		}
	}
	p.heading(p.say("doctor.unknown", "n", len(rules)))
	for i, r := range rules {
		if i == 12 {
			p.bullet("-", p.say("list.more", "n", len(rules)-i), 1)
			return
		}
		p.bullet("-", p.unknownRule(r), 2)
	}
}

// unknownRule says why a rule could not be decided and for how many subjects.
func (p *printer) unknownRule(rule string) string {
	n := 0
	var why []string
	for _, u := range p.s.Unknown {
		if u.Rule != rule {
			continue
		}
		n += max(1, u.Count)
		if w := p.gapWord(u.Why); !slices.Contains(why, w) {
			why = append(why, w)
		}
	}
	s := p.host(rule) + p.say("in.brackets", "s", join(p.say("item.sep"), why...))
	if n > 1 {
		s += p.say("gap.times", "n", n)
	}
	return s
}
