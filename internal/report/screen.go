package report

import (
	"strings"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/judge"
	"demine/internal/relate"
)

// screenLines is the most that the first screen takes: a console without
// scrollback shows it whole, with room for the prompt.
const screenLines = 12

// Longest names and lines of the host on the first screen, in columns.
const (
	longName = 60
	longLine = 90
)

// screen writes the verdict and what matters at once.
func (p *printer) screen() {
	left := screenLines - p.headline()
	rows := p.rows()
	for i, r := range rows {
		// Each row keeps a line: a long name must not push the door out.
		free := left - (len(rows) - 1 - i)
		if free <= 0 {
			return
		}
		left -= p.row(p.say("label."+r.label), r.text, min(r.lines, free))
	}
}

// headline writes the verdict and gives the number of its lines.
func (p *printer) headline() int {
	return p.hangPainted(p.fold("● "), p.verdictColour(), p.verdict(), 4)
}

func (p *printer) verdictColour() string {
	switch p.s.Verdict {
	case explain.Mining, explain.Compromised:
		return red
	case explain.NothingFound:
		return green
	}
	return yellow
}

// verdict is the first sentence of all: what it is, who suffers, and that
// nothing was changed.
func (p *printer) verdict() string {
	s := p.s
	parts := []string{p.say("verdict."+known(s.Verdict), "story", p.story())}
	if len(s.Incidents) > 1 {
		parts = append(parts, p.say("verdict.more", "n", len(s.Incidents)-1))
	}
	if s.Verdict == explain.Incomplete {
		parts = append(parts, p.say("verdict.unseen", "what", p.unseenKinds()))
	}
	return strings.Join(append(parts, p.say("verdict.unchanged")), p.say("sentence.sep"))
}

func known(verdict string) string {
	switch verdict {
	case explain.Mining, explain.Compromised, explain.Suspicious, explain.NothingFound, explain.Incomplete:
		return verdict
	}
	return "unknown"
}

// story is the incident in half a sentence, with the one who suffers most.
func (p *printer) story() string {
	if len(p.s.Incidents) == 0 {
		return ""
	}
	in := &p.s.Incidents[0]
	story := p.mining(in)
	if story == "" {
		story = p.title(in)
	}
	if hurt := suffering(in.Impact); len(hurt) > 0 {
		story += p.say("verdict.hurts", "name", hurt[0].Name, "waits", hurt[0].Waits)
	}
	return story
}

// mining tells what a miner has used since when; empty when that is not known.
func (p *printer) mining(in *explain.Incident) string {
	args := in.Title.Args
	if p.s.Verdict != explain.Mining || args["cpu"] == nil || len(in.Implants) == 0 {
		return ""
	}
	im := &in.Implants[0]
	for i := range in.Timeline {
		if e := &in.Timeline[i]; e.About == im.Ref && e.Message.ID == "event.process-started" {
			return p.say("story.mining", "path", fit(im.Name, longName, "…"), "cpu", args["cpu"], "cpus", max(1, p.s.Load.CPUs),
				"since", e.Time, "for", p.s.Taken.Sub(e.Time))
		}
	}
	return ""
}

// title is the incident's own sentence; without one, what was planted.
func (p *printer) title(in *explain.Incident) string {
	if p.c.Has(in.Title.ID) {
		return strings.TrimRight(p.text(in.Title), ".。")
	}
	for _, f := range p.s.Findings {
		if len(in.Findings) > 0 && f.ID == in.Findings[0] {
			return strings.TrimRight(p.text(f.Message), ".。")
		}
	}
	return p.host(in.Title.ID)
}

type row struct {
	label, text string
	lines       int
}

// rows are the lines below the verdict, most important first.
func (p *printer) rows() []row {
	var rs []row
	if len(p.s.Incidents) > 0 {
		in := &p.s.Incidents[0]
		rs = append(rs, p.implantRows(in)...)
		rs = append(rs, p.impactRow(in.Impact)...)
		rs = append(rs, p.doorRows(in)...)
	} else {
		rs = append(rs, p.impactRow(p.s.Impact)...)
	}
	if p.s.Load.Cause != "" {
		rs = append(rs, row{"load", p.load(), 2})
	}
	if p.s.Host.UID != 0 {
		rs = append(rs, row{"note", p.say("note.not-root"), 2})
	}
	if p.s.Host.Container != "" {
		rs = append(rs, row{"note", p.say("note.container", "what", p.s.Host.Container), 2})
	}
	return rs
}

// implantRows say what runs and what brings it back: the first of each kind,
// with the number of the others.
func (p *printer) implantRows(in *explain.Incident) []row {
	var rs []row
	for _, kind := range []string{"process", "autostart", "key", "file"} {
		var first *explain.Implant
		n := 0
		for i := range in.Implants {
			if in.Implants[i].Kind == kind {
				if first == nil {
					first = &in.Implants[i]
				}
				n++
			}
		}
		// A file is only told when nothing that runs or starts it is known.
		if first == nil || kind == "file" && len(rs) > 0 {
			continue
		}
		text := p.implant(first)
		if n > 1 {
			text += p.sep() + p.say("list.more", "n", n-1)
		}
		rs = append(append(rs, row{kind, text, implantLines[kind]}), p.surroundings(first)...)
	}
	return rs
}

// implantLines leave room for the door and the load: a fingerprint may be cut,
// demine explain has it whole.
var implantLines = map[string]int{"process": 2, "autostart": 3, "key": 1, "file": 1}

func (p *printer) implant(im *explain.Implant) string {
	switch im.Kind {
	case "process":
		return p.implantProcess(im)
	case "autostart":
		return p.implantAutostart(im)
	}
	return join("  ", p.origin(im.Origin), p.host(im.Name))
}

func (p *printer) implantProcess(im *explain.Implant) string {
	parts := []string{join(" ", p.pid(im.Ref), fit(p.host(im.Name), longName, p.dots())), p.owner(im.Ref)}
	if n := len(im.Members); n > 0 { // those beside it
		parts = append(parts, p.say("implant.members", "n", n+1))
	}
	for _, by := range p.s.Load.By {
		if by.Process == im.Ref && by.Percent > 0 {
			parts = append(parts, p.say("implant.cpu", "cpu", by.Percent, "cpus", p.s.Load.CPUs))
			break
		}
	}
	return join(p.sep(), parts...)
}

// owner is the user that a finding about the process names.
func (p *printer) owner(ref fact.Ref) string {
	for _, f := range p.s.Findings {
		if u, ok := f.Message.Args["user"].(string); ok && f.Subject == ref {
			return p.host(u)
		}
	}
	return ""
}

func (p *printer) implantAutostart(im *explain.Implant) string {
	parts := []string{join("  ", p.origin(im.Origin), fit(p.host(im.Name), longLine, p.dots()))}
	if im.Dormant {
		parts = append(parts, p.say("implant.dormant"))
	} else if sc := p.schedule(im.Ref); sc != nil {
		parts = append(parts, p.when(sc))
	}
	return join(p.sep(), parts...)
}

func (p *printer) schedule(ref fact.Ref) *relate.Schedule {
	for i := range p.s.Schedule {
		if p.s.Schedule[i].Ref == ref {
			return &p.s.Schedule[i]
		}
	}
	return nil
}

// when says how often a job runs, in which part of the day, and when next.
func (p *printer) when(sc *relate.Schedule) string {
	var parts []string
	if sc.Every > 0 {
		parts = append(parts, p.say("schedule.every", "every", sc.Every))
	}
	if sc.Window != "" {
		parts = append(parts, p.say("schedule.window", "window", sc.Window))
	}
	if !sc.Next.IsZero() {
		parts = append(parts, p.say("schedule.next", "next", sc.Next))
	}
	return join(p.sep(), parts...)
}

// suffering gives the business processes that wait for a CPU: those with
// clients first, who feel it.
func suffering(all []explain.Impact) []explain.Impact {
	const felt = 5 // percent
	var with, without []explain.Impact
	for _, m := range all {
		switch {
		case m.Waits < felt:
		case m.Peers > 0:
			with = append(with, m)
		default:
			without = append(without, m)
		}
	}
	return append(with, without...)
}

func (p *printer) impactRow(all []explain.Impact) []row {
	all = suffering(all)
	var parts []string
	for i, m := range all {
		if i == 3 {
			parts = append(parts, p.say("list.more", "n", len(all)-i))
			break
		}
		id := "impact.waits"
		if len(parts) > 0 {
			id = "impact.also"
		}
		s := p.say(id, "name", m.Name, "pid", m.PID, "waits", m.Waits)
		if m.Peers > 0 && len(parts) == 0 {
			s += p.say("impact.peers", "n", m.Peers)
		}
		parts = append(parts, s)
	}
	if len(parts) == 0 {
		return nil
	}
	return []row{{"hurts", join(p.say("clause.sep"), parts...), 2}}
}

// doorRows name the listeners that the incident speaks of; without any, those
// that let everyone in without a password.
func (p *printer) doorRows(in *explain.Incident) []row {
	about := p.about(in)
	var linked, open []*relate.Exposure
	for i := range p.s.Exposure {
		e := &p.s.Exposure[i]
		switch {
		case about[e.Ref] && (e.From == "anywhere" || e.From == "some" || e.From == "cannot-tell"):
			linked = append(linked, e)
		case e.From == "anywhere" && e.Auth == "none":
			open = append(open, e)
		}
	}
	if len(linked) == 0 {
		linked = open
	}
	if len(linked) == 0 {
		return nil
	}
	text := p.door(linked[0])
	if n := len(linked); n > 1 {
		text += p.sep() + p.say("list.more", "n", n-1)
	}
	return []row{{"door", text, 2}}
}

// about collects the facts that an incident's evidence and graph name.
func (p *printer) about(in *explain.Incident) map[fact.Ref]bool {
	m := map[fact.Ref]bool{}
	if len(in.Causes) > 0 {
		for _, e := range in.Causes[0].For {
			m[e.About] = true
		}
	}
	for _, n := range in.Graph.Nodes {
		m[n.Ref] = true
	}
	for _, f := range p.s.Findings {
		if f.Class == judge.Posture && f.Severity >= 5 {
			m[f.Subject] = true
		}
	}
	return m
}

func (p *printer) door(e *relate.Exposure) string {
	return p.say("door", "service", e.Service, "listener", e.Listener) + p.sep() +
		join(p.sep(), p.auth(e), p.from(e)+p.why(e)) // a row may be cut at its end
}

// from says who can reach a listener.
func (p *printer) from(e *relate.Exposure) string {
	if e.From == "some" && len(e.Sources) > 0 {
		return p.say("from.sources", "from", e.Sources)
	}
	return p.say("open." + fromWord(e.From))
}

// why says, in brackets, by which rule or for which reason.
func (p *printer) why(e *relate.Exposure) string {
	id := "why." + e.Why
	if !p.c.Has(id) {
		return ""
	}
	return p.say("in.brackets", "s", p.c.Say(id, "chain", e.Chain, "n", e.RuleN, "rule", e.Because, "backend", e.Backend))
}

// auth says how the listener lets in; nothing when that is not known.
func (p *printer) auth(e *relate.Exposure) string {
	if authWord(e.Auth) == "unknown" {
		return ""
	}
	return p.say("auth." + e.Auth)
}

func authWord(auth string) string {
	switch auth {
	case "none", "password", "key", "acl":
		return auth
	}
	return "unknown"
}

// pid takes the pid out of "process:<boot>/812@4711".
func (p *printer) pid(r fact.Ref) string {
	_, rest, ok := strings.Cut(r.Key(), "/")
	if !ok || r.Kind() != fact.KindProcess {
		return ""
	}
	pid, _, _ := strings.Cut(rest, "@")
	return p.host(pid)
}
