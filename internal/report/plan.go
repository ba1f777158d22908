package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"demine/internal/explain"
	"demine/internal/i18n"
	"demine/internal/respond"
)

// Plan writes a plan before it is applied: what would be done, phase by phase,
// what that may break, how it is undone, and what is not touched.
func Plan(w io.Writer, plan *respond.Plan, o Options) error {
	p := newChangePrinter(o)
	p.planHead(plan)
	p.planSteps(plan)
	p.untouched(plan)
	p.planNext(plan)
	return p.flush(w)
}

// newChangePrinter is a printer for what carries no Scan.
func newChangePrinter(o Options) *printer {
	p := newPrinter(&explain.Scan{}, o)
	p.c = p.c.At(o.Now)
	p.ids = []string{"next"}
	return p
}

// clock is a moment by the host's clock; without one, by that of UTC.
func (p *printer) clock(t time.Time) string {
	s := p.say("fmt.time", "t", t)
	if p.o.Now.IsZero() && !t.IsZero() {
		s += " UTC"
	}
	return s
}

func (p *printer) planHead(plan *respond.Plan) {
	if len(plan.Steps) == 0 {
		p.hangPainted(p.fold("● "), green, p.say("plan.head-none", "kind", plan.Name(), "host", plan.Host), 0)
		return
	}
	p.hangPainted(p.fold("● "), yellow, p.say("plan.head", "kind", plan.Name(), "host", plan.Host, "n", len(plan.Steps)), 0)
}

// planSteps writes the steps; the first of each phase carries its name.
func (p *printer) planSteps(plan *respond.Plan) {
	wide := 0
	for i := range plan.Steps {
		wide = max(wide, min(columns(p.phase(plan.Steps[i].Phase)), p.widestPhase()))
	}
	digits := len(fmt.Sprint(len(plan.Steps)))
	for i := range plan.Steps {
		s := &plan.Steps[i]
		name := ""
		if i == 0 || plan.Steps[i-1].Phase != s.Phase {
			name = p.phase(s.Phase)
		}
		if i == 0 {
			p.blank()
		}
		head := fmt.Sprintf("  %s  %*d  ", pad(fit(name, wide, p.dots()), wide), digits, s.ID)
		p.hangPainted(head, bold, p.text(s.What), 0)
		p.stepNotes(plan, s, strings.Repeat(" ", columns(head)))
	}
}

func (p *printer) phase(ph respond.Phase) string {
	if id := "phase." + string(ph); p.c.Has(id) {
		return p.say(id)
	}
	return p.host(string(ph))
}

// widestPhase is the width of the longest name of a phase.
func (p *printer) widestPhase() int {
	n := 0
	for _, ph := range respond.Phases {
		n = max(n, columns(p.phase(ph)))
	}
	return n
}

// stepNotes says what a step may break, how it is undone and on what it hangs.
func (p *printer) stepNotes(plan *respond.Plan, s *respond.Step, indent string) {
	for _, m := range s.Breaks {
		p.hangPainted(indent+p.say("plan.breaks"), yellow, p.text(m), 0)
	}
	for _, m := range s.Notes {
		p.hangPainted(indent+p.say("plan.note"), dim, p.text(m), 0)
	}
	if undo := p.undoWay(s); undo != "" {
		p.hangPainted(indent+p.say("plan.undo"), dim, undo, 0)
	}
	if s.Revert > 0 {
		p.hang(indent, p.say("plan.revert", "after", s.Revert), 0)
	}
	if s.OnConfirm {
		p.hang(indent, p.say("plan.on-confirm"), 0)
	}
	if with := companions(plan, s); len(with) > 0 {
		p.hang(indent, p.say("plan.group", "steps", p.steps(with)), 0)
	}
}

// undoWay says how a step is undone; nothing where that goes without saying.
func (p *printer) undoWay(s *respond.Step) string {
	back := ""
	if s.Back.ID != "" {
		back = p.text(s.Back)
	}
	flag, id := "", ""
	switch {
	case s.NoUndo && back == "":
		return p.say("plan.undo.none")
	case s.NoUndo:
		return back
	case s.Keeps == respond.KeepsImplant:
		flag, id = "--restore-implant", "plan.undo.implant"
	case s.Keeps == respond.KeepsDoor:
		flag, id = "--reopen", "plan.undo.door"
	default:
		return back
	}
	if strings.Contains(back, flag) { // its own sentence says it
		return back
	}
	return join(p.say("clause.sep"), back, p.say(id))
}

// companions are the other steps of a step's group; told once a group, at its
// first step.
func companions(plan *respond.Plan, s *respond.Step) []int {
	var ids []int
	for i := range plan.Steps {
		if other := &plan.Steps[i]; s.Group != "" && other.Group == s.Group {
			ids = append(ids, other.ID)
		}
	}
	if len(ids) < 2 || ids[0] != s.ID {
		return nil
	}
	return ids[1:]
}

// How much of what is not touched is named; JSON has all of it.
const (
	mostSpared = 8
	mostLeft   = 20
)

// untouched names what keeps running in one line, and below it what is left
// although one could expect it, with the reason.
func (p *printer) untouched(plan *respond.Plan) {
	left := p.different(plan.Left)
	switch {
	case len(plan.Spared) > 0 && len(plan.Steps) > 0:
		p.blank()
		p.hangPainted(p.say("plan.spared"), bold, p.spared(plan.Spared), 0)
	case len(left) > 0:
		p.heading(p.say("plan.left"))
	}
	p.leftOut(left)
}

func (p *printer) leftOut(left []string) {
	for i, s := range left {
		if i == mostLeft {
			p.bullet("+", p.say("list.more", "n", len(left)-i), 1)
			return
		}
		p.bullet("-", s, 0)
	}
}

// spared names what keeps running in one line. The last, the operator's own
// session, is always named.
func (p *printer) spared(ms []i18n.Message) string {
	names := p.different(ms)
	if n := len(names); n > mostSpared {
		last := names[n-1]
		names = append(names[:mostSpared-2], p.say("list.more", "n", n-mostSpared+1), last)
	}
	return join(p.say("item.sep"), names...)
}

// different makes texts of messages, each once.
func (p *printer) different(ms []i18n.Message) []string {
	var out []string
	for _, m := range ms {
		if s := p.text(m); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// planNext says how the whole is undone and, as the last line, what to type.
func (p *printer) planNext(plan *respond.Plan) {
	p.blank()
	if len(plan.Steps) == 0 {
		p.hang("  ", p.say(whyNone(plan)), 0)
		return
	}
	p.ids = []string{"next", "back"}
	p.row(p.say("label.back"), p.say(wholeUndo(plan)), 0)
	p.row(p.say("label.next"), join(p.say("clause.sep"), p.agreeing(plan), p.keepAfter(plan)), 0)
}

// agreeing says how the plan is let go: contain does not ask.
func (p *printer) agreeing(plan *respond.Plan) string {
	if plan.Kind == respond.KindContain {
		return p.say("plan.next-contain")
	}
	return p.say("plan.next", "until", p.clock(plan.Made.Add(respond.MaxAge)))
}

// keepAfter says that the operator must confirm afterwards, and by when; nothing
// if no step hangs on it.
func (p *printer) keepAfter(plan *respond.Plan) string {
	after, waits := 0, false
	for i := range plan.Steps {
		s := &plan.Steps[i]
		waits = waits || s.OnConfirm
		if s.Revert > 0 && (after == 0 || s.Revert < after) {
			after = s.Revert
		}
	}
	switch {
	case after > 0:
		return p.say("plan.next-revert", "after", after)
	case waits:
		return p.say("plan.next-confirm")
	}
	return ""
}

// wholeUndo says which message tells what a plain undo leaves.
func wholeUndo(plan *respond.Plan) string {
	keeps := func(what string) bool {
		return slices.ContainsFunc(plan.Steps, func(s respond.Step) bool { return s.Keeps == what })
	}
	switch implant, door := keeps(respond.KeepsImplant), keeps(respond.KeepsDoor); {
	case implant && door:
		return "plan.back.both"
	case implant:
		return "plan.back.implant"
	case door:
		return "plan.back.door"
	}
	return "plan.back"
}

// whyNone says why a plan has no steps, where Left does not say it.
func whyNone(plan *respond.Plan) string {
	switch {
	case len(plan.Left) > 0:
		return "plan.none-left"
	case plan.Kind == respond.KindHarden:
		return "plan.none-harden"
	}
	return "plan.none-clean"
}
