package report

import (
	"fmt"

	"demine/internal/respond"
)

// Progress is one line, without a newline and no wider than the terminal, of a
// step that begins or of what became of it: the second may overwrite the first.
func Progress(pr respond.Progress, o Options) string {
	p := newChangePrinter(o)
	n := len(fmt.Sprint(pr.Of))
	head := fmt.Sprintf("[%*d/%d] %s  ", n, pr.N, pr.Of, pad(p.phase(pr.Step.Phase), p.widestPhase()))
	head = fit(head, p.max/2, p.dots())
	what := p.text(pr.Step.What)
	if pr.Outcome == nil {
		dots := p.fold(" …")
		return head + fit(what, p.max-columns(head)-columns(dots), p.dots()) + dots
	}
	f := p.fate(&respond.Run{}, *pr.Outcome)
	end := p.ending(&f, pr.Outcome)
	room := max(p.max/3, p.max-columns(head)-columns(f.mark)-columns(end)-2)
	line := head + fit(what, room, p.dots()) + " "
	return line + p.paint(f.mark, f.colour) + " " + fit(end, max(4, p.max-columns(line)-columns(f.mark)-1), p.dots())
}

// ending says in short how it went: the system's own words if it failed.
func (p *printer) ending(f *fate, o *respond.Outcome) string {
	if o.Error != "" && o.Error != respond.ErrDrifted.Error() {
		return f.text + p.say("clause.sep") + p.host(o.Error)
	}
	if o.Detail.ID != "" {
		return f.text + p.say("clause.sep") + p.text(o.Detail)
	}
	return f.text
}
