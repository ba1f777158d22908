package report

import (
	"io"

	"demine/internal/fact"
	"demine/internal/judge"
)

// allowed tells the miners that somebody decided to let be: an exception that
// is not shown could hide an intruder.
func (p *printer) allowed() {
	if len(p.s.Allowed) == 0 {
		return
	}
	p.heading(p.say("head.allowed", "n", len(p.s.Allowed)))
	for i := range p.s.Allowed {
		a := &p.s.Allowed[i]
		p.bullet("-", p.text(a.Finding.Message)+p.sep()+p.allowance(&a.Allowance), 3)
	}
}

// allowance is who let it be, until when, and why.
func (p *printer) allowance(a *judge.Allowance) string {
	if a.By == "" {
		return p.say("allowance.line", "id", a.ID, "until", a.Until, "why", a.Why)
	}
	return p.say("allowance.line.from", "id", a.ID, "until", a.Until, "from", a.By, "why", a.Why)
}

// Allowances writes what is allowed, one a paragraph, and how to end it.
func Allowances(w io.Writer, as []judge.Allowance, o Options) error {
	p := newChangePrinter(o)
	if len(as) == 0 {
		p.hang("", p.say("allowance.none"), 0)
		return p.flush(w)
	}
	for i := range as {
		a := &as[i]
		state := p.allowance(a)
		if !o.Now.Before(a.Until) {
			state = p.say("allowance.ended") + p.sep() + state
		}
		p.hang(p.host(a.ID)+"  ", p.say("allowance.program", "path", a.Path, "user", a.User, "uid", a.UID, "sha256", a.SHA256), 0)
		p.hang("    ", state, 0)
	}
	p.blank()
	p.hang("", p.say("allowance.next"), 0)
	return p.flush(w)
}

// AllowancesJSON writes them for scripts.
func AllowancesJSON(w io.Writer, as []judge.Allowance) error {
	if as == nil {
		as = []judge.Allowance{}
	}
	return writeJSON(w, struct {
		Schema     int               `json:"schema"`
		Allowances []judge.Allowance `json:"allowances"`
	}{fact.SchemaVersion, as})
}
