package report

import (
	"slices"
	"strings"

	"demine/internal/fact"
)

// Kinds in the order in which people ask for them.
var kindOrder = []string{fact.KindProcess, fact.KindSocket, fact.KindAutostart, fact.KindFile, "image",
	fact.KindKey, fact.KindAccount, fact.KindService, "rule", fact.KindLog}

// lookedAt says what was examined and what was not: a verdict is worth no more
// than this.
func (p *printer) lookedAt() {
	p.row(p.say("label.looked"), p.examined(), 3)
	p.row(p.say("label.unseen"), p.unseen(), 4)
}

func (p *printer) examined() string {
	var parts []string
	for _, k := range kindOrder {
		if n := p.s.Counts[k]; n > 0 {
			parts = append(parts, p.say("count."+k, "n", n))
		}
	}
	if len(parts) == 0 {
		return p.say("count.nothing")
	}
	return join(p.say("item.sep"), parts...)
}

// unseen folds the gaps to one item a kind of thing and reason.
func (p *printer) unseen() string {
	var items []string
	for i := range p.s.Coverage {
		c := &p.s.Coverage[i]
		if c.Complete() {
			continue
		}
		items = append(items, p.unseenBy(c)...)
	}
	if len(items) == 0 {
		return p.say("unseen.nothing")
	}
	return join(p.say("item.sep"), items...)
}

// unseenBy is what one observer did not see, one item a reason.
func (p *printer) unseenBy(c *fact.Coverage) []string {
	var codes []string
	n := map[string]int{}
	for _, g := range c.Gaps {
		if n[g.Code] == 0 {
			codes = append(codes, g.Code)
		}
		n[g.Code] += max(1, g.Count)
	}
	if len(codes) == 0 {
		return []string{p.what(c) + p.say("in.brackets", "s", p.say("state."+string(c.State)))}
	}
	var items []string
	for _, code := range codes {
		s := p.gapWord(code)
		if c.State == fact.Partial {
			s = p.say("unseen.some", "why", s)
		}
		if n[code] > 1 {
			s += p.say("gap.times", "n", n[code])
		}
		items = append(items, p.what(c)+p.say("in.brackets", "s", s))
	}
	return items
}

// gapsOf is what an observer did not see, in one line.
func (p *printer) gapsOf(c fact.Coverage) string { return join(p.say("item.sep"), p.unseenBy(&c)...) }

// what names the thing that an observer looks at.
func (p *printer) what(c *fact.Coverage) string {
	if id := "observer." + c.Observer; p.c.Has(id) {
		return p.say(id)
	}
	return p.host(c.Observer)
}

func (p *printer) gapWord(code string) string {
	if id := "gap." + code; p.c.Has(id) {
		return p.say(id)
	}
	return p.host(code)
}

// unseenKinds names the observers that did not see all.
func (p *printer) unseenKinds() string {
	var names []string
	for i := range p.s.Coverage {
		if c := &p.s.Coverage[i]; !c.Complete() && !slices.Contains(names, p.what(c)) {
			names = append(names, p.what(c))
		}
	}
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], p.say("item.sep")) + p.sep() + p.say("list.more", "n", len(names)-most)
	}
	if len(names) == 0 {
		return p.say("unseen.rules")
	}
	return strings.Join(names, p.say("item.sep"))
}
