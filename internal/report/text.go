package report

import (
	"io"

	"demine/internal/explain"
	"demine/internal/judge"
)

// Text writes what one needs to know first: the verdict with who suffers and
// what brings it back, in at most twelve lines, then how they got in, what
// else was found, what to type next, and what was and was not looked at.
func Text(w io.Writer, s *explain.Scan, o Options) error {
	p := newPrinter(s, o)
	p.screen()
	if len(s.Incidents) > 0 {
		p.howTheyGotIn(&s.Incidents[0], brief)
	}
	p.attacks()
	p.posture()
	p.allowed()
	p.next()
	p.lookedAt()
	return p.flush(w)
}

// Found writes the verdict alone: what is sure while the look goes on.
func Found(w io.Writer, s *explain.Scan, o Options) error {
	p := newPrinter(s, o)
	p.headline()
	return p.flush(w)
}

// How many of a kind a short report names.
const (
	brief      = 6 // pieces of evidence
	briefItems = 5
)

// attacks lists the attack findings that the first screen has not said: those
// of other incidents, or all of them when none is confirmed.
func (p *printer) attacks() {
	said := map[string]bool{}
	if p.s.Verdict == explain.Mining && len(p.s.Incidents) > 0 {
		for _, id := range p.s.Incidents[0].Findings {
			said[id] = true
		}
	}
	var fs []*judge.Finding
	for i := range p.s.Findings {
		if f := &p.s.Findings[i]; f.Class == judge.Attack && !said[f.ID] {
			fs = append(fs, f)
		}
	}
	p.findings("head.attacks", fs)
}

func (p *printer) posture() {
	var fs []*judge.Finding
	for i := range p.s.Findings {
		if f := &p.s.Findings[i]; f.Class == judge.Posture {
			fs = append(fs, f)
		}
	}
	p.findings("head.posture", fs)
}

func (p *printer) findings(head string, fs []*judge.Finding) {
	if len(fs) == 0 {
		return
	}
	p.heading(p.say(head, "n", len(fs)))
	for i, f := range fs {
		if i == briefItems {
			p.bullet("+", p.say("list.more", "n", len(fs)-i), 1)
			return
		}
		p.bullet("-", p.findingLine(f), 2)
	}
}

// findingLine is a finding in a line: id, certainty if it is an attack, what,
// where.
func (p *printer) findingLine(f *judge.Finding) string {
	s := p.host(f.ID) + "  "
	if f.Class == judge.Attack {
		s += p.word(f.Certainty) + p.sep()
	}
	return s + p.text(f.Message)
}

// word is the text of a code.
func (p *printer) word(code string) string { return p.say("fmt.word", "w", code) }

func (p *printer) next() {
	p.blank()
	p.row(p.say("label.next"), p.say(p.nextID()), 3)
}

// nextID says which commands help now; only those that exist.
func (p *printer) nextID() string {
	switch {
	case p.s.Verdict == explain.Mining:
		return "next.mining"
	case p.s.Verdict == explain.Compromised:
		return "next.compromised"
	case p.s.Verdict == explain.Incomplete:
		return "next.incomplete"
	case len(p.s.Findings) == 0:
		return "next.nothing"
	case p.s.Exposed > 0 && p.s.Verdict == explain.NothingFound:
		return "next.exposed"
	}
	return "next.found"
}
