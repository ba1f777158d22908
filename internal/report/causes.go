package report

import (
	"strings"

	"demine/internal/explain"
)

// howTheyGotIn tells the likeliest cause with at most n pieces of evidence (0:
// all), each with its place and time.
func (p *printer) howTheyGotIn(in *explain.Incident, n int) {
	if len(in.Causes) == 0 {
		p.heading(p.say("head.cause-none"))
		return
	}
	c := &in.Causes[0]
	if c.ID == "unknown" {
		p.heading(p.say("head.cause-unknown"))
		if p.c.Has(c.Title.ID) {
			p.bullet("-", p.text(c.Title), 2)
		}
		if n > 0 { // else they follow
			p.evidence("?", c.Missing, n)
		}
	} else {
		p.heading(p.say("head.cause", "certainty", c.Certainty))
		p.bullet(p.fold("→"), p.text(c.Title), 3)
	}
	p.evidence("+", c.For, n)
	p.evidence("-", c.Against, 2)
	if len(in.Causes) > 1 && n > 0 {
		p.bullet(" ", p.say("cause.others", "n", len(in.Causes)-1), 1)
	}
}

// evidence lists pieces of evidence, with "+" for, "-" against, "?" missing.
func (p *printer) evidence(mark string, es []explain.Evidence, n int) {
	for i := range es {
		if n > 0 && i == n {
			p.bullet(mark, p.say("list.more", "n", len(es)-i), 1)
			return
		}
		p.bullet(mark, p.cited(&es[i]), 3)
	}
}

// cited is a piece of evidence with its place and time.
func (p *printer) cited(e *explain.Evidence) string {
	s := p.text(e.Message)
	var at string
	if e.Time != nil && !e.Time.IsZero() {
		at = p.say("fmt.time", "t", *e.Time)
	}
	place := p.origin(e.Origin)
	if place != "" && strings.Contains(s, place) { // the sentence has it
		place = ""
	}
	if at != "" && strings.Contains(s, at) {
		at = ""
	}
	if cite := join(p.sep(), place, at); cite != "" {
		return s + p.fold(" ["+cite+"]")
	}
	return s
}
