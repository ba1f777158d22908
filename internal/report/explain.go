package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
)

// ErrNoSuch means that nothing in the Scan has the id that was asked for.
var ErrNoSuch = errors.New("no such incident, finding or rule in this look")

// Explain writes the whole story: each incident with its timeline, causes,
// evidence, graph and findings, then the other findings and what is not known.
// With an id (of an incident, a finding or a rule, or the beginning of one) it
// writes only that.
func Explain(w io.Writer, s *explain.Scan, o Options, id string) error {
	p := newPrinter(s, o)
	p.ids = storyLabels
	if id != "" {
		if !p.explainOne(id) {
			return fmt.Errorf("%s: %w", i18n.Clean(id), ErrNoSuch)
		}
		return p.flush(w)
	}
	p.ids = screenLabels
	p.screen()
	p.ids = storyLabels
	said := map[string]bool{}
	for i := range s.Incidents {
		p.incident(&s.Incidents[i])
		for _, f := range s.Incidents[i].Findings {
			said[f] = true
		}
	}
	p.others(said)
	p.excused("")
	p.blank()
	p.ids = screenLabels
	p.lookedAt()
	return p.flush(w)
}

// explainOne writes what the id names; false when it names nothing.
func (p *printer) explainOne(id string) bool {
	begins := func(name string) bool { return strings.HasPrefix(strings.ToLower(name), strings.ToLower(id)) }
	for i := range p.s.Incidents {
		if begins(p.s.Incidents[i].ID) {
			p.incident(&p.s.Incidents[i])
			return true
		}
	}
	found := false
	for i := range p.s.Findings {
		if f := &p.s.Findings[i]; begins(f.ID) || f.Rule == id {
			p.finding(f)
			found = true
		}
	}
	return found || p.rule(id)
}

// rule tells of a rule that did not fire.
func (p *printer) rule(id string) bool {
	if !p.c.Has("rule."+id+".why") || strings.Contains(id, ".") {
		return false
	}
	p.heading(p.host(id))
	p.bullet("-", p.say("explain.not-fired"), 2)
	p.reasoning(id)
	for _, u := range p.s.Unknown {
		if u.Rule == id {
			p.row(p.say("label.unknown"), p.unknownRule(id), 3)
			break
		}
	}
	p.excused(id)
	return true
}

func (p *printer) incident(in *explain.Incident) {
	p.heading(p.say("head.incident", "id", in.ID, "certainty", in.Certainty))
	p.hang("  ", p.title(in), 0)
	for i := range in.Implants {
		p.row(p.say("label."+implantLabel(in.Implants[i].Kind)), p.implant(&in.Implants[i]), 0)
		for _, r := range p.surroundings(&in.Implants[i]) {
			p.row(p.say("label."+r.label), r.text, 0)
		}
		if at := in.Implants[i].HostPath; at != "" {
			p.row(p.say("label.where"), p.host(at.String()), 0)
		}
	}
	p.timeline(in)
	p.causes(in)
	p.graph(in)
	p.impactTable(in)
	for i := range p.s.Findings {
		if f := &p.s.Findings[i]; slices.Contains(in.Findings, f.ID) {
			p.finding(f)
		}
	}
	p.advice(in)
}

func implantLabel(kind string) string {
	switch kind {
	case "process", "autostart", "key", "file":
		return kind
	}
	return "file"
}

// timeline writes the events, each with where its time is from.
func (p *printer) timeline(in *explain.Incident) {
	if len(in.Timeline) == 0 {
		return
	}
	p.heading(p.say("head.timeline", "zone", p.zone()))
	wide := 0
	for i := range in.Timeline {
		wide = max(wide, columns(p.say("fmt.time", "t", in.Timeline[i].Time)))
	}
	for i := range in.Timeline {
		e := &in.Timeline[i]
		text := p.text(e.Message)
		cite := p.sourceWord(e.Source)
		if o := p.origin(e.Origin); o != "" && !strings.Contains(text, o) {
			cite = join(p.sep(), cite, o)
		}
		if e.Future {
			cite = join(p.sep(), p.say("event.future"), cite)
		}
		p.hang("  "+pad(p.say("fmt.time", "t", e.Time), wide)+"  ", text+p.fold(" ["+cite+"]"), 0)
	}
}

func (p *printer) zone() string {
	h := p.s.Host
	sign, off := "+", h.Offset
	if off < 0 {
		sign, off = "-", -off
	}
	utc := fmt.Sprintf("UTC%s%02d:%02d", sign, off/3600, off%3600/60)
	if h.Zone == "" || h.Zone == "Local" {
		return utc
	}
	return p.host(h.Zone) + ", " + utc
}

func (p *printer) sourceWord(source string) string {
	if id := "source." + source; p.c.Has(id) {
		return p.say(id)
	}
	return p.host(source)
}

// causes writes every hypothesis with what speaks for and against it.
func (p *printer) causes(in *explain.Incident) {
	p.howTheyGotIn(in, 0)
	for i := range in.Causes {
		c := &in.Causes[i]
		if i > 0 {
			p.heading(p.say("head.cause-other", "certainty", c.Certainty))
			p.bullet(p.fold("→"), p.text(c.Title), 0)
			p.evidence("+", c.For, 0)
			p.evidence("-", c.Against, 0)
		}
		p.evidence("?", c.Missing, 0)
		if p.c.Has(c.Fix.ID) {
			p.row(p.say("label.fix"), p.text(c.Fix), 0)
		}
	}
}

// graph writes what belongs together as a table.
func (p *printer) graph(in *explain.Incident) {
	if len(in.Graph.Edges) == 0 {
		return
	}
	p.heading(p.say("head.graph"))
	label := map[string]string{}
	for _, n := range in.Graph.Nodes {
		label[string(n.Ref)] = p.host(n.Label)
	}
	name := func(ref string) string {
		if label[ref] != "" {
			return label[ref]
		}
		return p.host(ref)
	}
	var rows [][]string
	for _, e := range in.Graph.Edges {
		rows = append(rows, []string{name(string(e.From)), p.edgeWord(e.Kind), name(string(e.To))})
	}
	head := [][]string{{p.say("col.what"), "", p.say("col.what")}}
	p.table(2, []int{(p.max - 20) / 2, 16, p.max}, append(head, rows...))
}

func (p *printer) edgeWord(kind string) string {
	if id := "edge." + kind; p.c.Has(id) {
		return p.say(id)
	}
	return p.host(kind)
}

func (p *printer) impactTable(in *explain.Incident) {
	if len(in.Impact) == 0 {
		return
	}
	p.heading(p.say("head.impact"))
	rows := [][]string{{p.say("col.process"), p.say("col.waits"), p.say("col.cpu"), p.say("col.peers")}}
	for _, m := range in.Impact {
		rows = append(rows, []string{p.host(fmt.Sprintf("%s (%d)", m.Name, m.PID)),
			p.say("fmt.percent", "n", m.Waits), p.say("fmt.cpu", "n", m.CPU), fmt.Sprint(m.Peers)})
	}
	p.table(2, []int{30, 16, 16, 8}, rows)
}

func (p *printer) advice(in *explain.Incident) {
	p.heading(p.say("head.advice"))
	if p.c.Has(in.AdviceWhy.ID) {
		p.hang("  ", p.text(in.AdviceWhy), 0)
	} else if id := "advice." + in.Advice; p.c.Has(id) {
		p.hang("  ", p.say(id), 0)
	}
	if len(in.Rotate) == 0 {
		return
	}
	p.hang("  ", p.say("advice.rotate", "n", len(in.Rotate)), 0)
	for _, m := range in.Rotate {
		p.bullet("-", p.text(m), 0)
	}
}

// finding tells one finding: what, where, why it matters, what the rule does
// not see and what innocent explanation there could be.
func (p *printer) finding(f *judge.Finding) {
	p.heading(p.host(f.ID) + "  " + p.host(f.Rule) + p.say("in.brackets", "s",
		join(p.say("item.sep"), p.say("class."+className(f.Class)), p.word(f.Certainty), p.say("severity", "n", f.Severity))))
	p.hang("  ", p.text(f.Message), 0)
	if o := p.origin(f.Origin); o != "" {
		p.row(p.say("label.where"), o, 0)
	}
	p.row(p.say("label.subject"), p.host(string(f.Subject)), 2)
	p.reasoning(f.Rule)
	if kind := f.Subject.Kind(); judge.OfMiner(f.Rule) && (kind == fact.KindProcess || kind == fact.KindFile) {
		p.row(p.say("label.yours"), p.say("allowance.how", "finding", f.ID), 0)
	}
	if len(f.Attack) > 0 {
		p.row(p.say("label.attack"), p.host(strings.Join(f.Attack, ", ")), 0)
	}
	if f.Trial {
		p.row(p.say("label.note"), p.say("note.trial"), 0)
	}
}

func className(c string) string {
	if c == judge.Attack {
		return c
	}
	return judge.Posture
}

// reasoning writes what a rule says of itself.
func (p *printer) reasoning(rule string) {
	for _, part := range []string{"why", "blind"} {
		if id := "rule." + rule + "." + part; p.c.Has(id) {
			p.row(p.say("label."+part), p.say(id), 0)
		}
	}
	for i, id := range p.c.Under("rule." + rule + ".unless.") {
		label := ""
		if i == 0 {
			label = p.say("label.unless")
		}
		p.row(label, p.say(id), 0)
	}
}

// others are the findings outside incidents: posture mostly.
func (p *printer) others(said map[string]bool) {
	for i := range p.s.Findings {
		if f := &p.s.Findings[i]; !said[f.ID] {
			p.finding(f)
		}
	}
}

// excused says what a rule would have said but for a named reason: an
// exception that is not shown could hide an intruder.
func (p *printer) excused(rule string) {
	first := true
	for _, e := range p.s.Excused {
		if rule != "" && e.Rule != rule {
			continue
		}
		if first {
			p.heading(p.say("head.excused"))
			first = false
		}
		why := p.host(e.Reason)
		if id := "rule." + e.Rule + ".unless." + e.Reason; p.c.Has(id) {
			why = p.say(id)
		}
		p.bullet("-", p.host(e.Rule)+p.sep()+p.host(string(e.Subject))+p.sep()+why, 4)
	}
}
