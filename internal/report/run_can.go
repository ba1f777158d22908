package report

import (
	"fmt"
	"slices"
	"time"

	"demine/internal/respond"
)

// runCan tells the exact commands that keep or undo a run, and what each does.
func (p *printer) runCan(r *respond.Run) {
	b := backOf(r)
	undo := "demine undo " + r.ID
	var rows [][2]string
	add := func(command, id string, steps []int) {
		if len(steps) > 0 {
			rows = append(rows, [2]string{p.host(command), p.say(id, "steps", p.steps(steps))})
		}
	}
	if r.Ended.IsZero() {
		rows = append(rows, [2]string{"demine status", p.say("run.can.status")})
	}
	if s := p.keeping(r); s != "" {
		rows = append(rows, [2]string{p.host("demine keep " + r.ID), s})
	}
	add(undo, "run.can.undo", b.plain)
	add(undo+" --restore-implant", "run.can.implant", b.implant)
	add(undo+" --reopen", "run.can.reopen", b.door)
	switch n, m := len(b.plain), len(b.implant); {
	case n > 1:
		add(fmt.Sprintf("%s %d", undo, b.plain[n-1]), "run.can.one", b.plain[n-1:])
	case n == 0 && m > 1:
		add(fmt.Sprintf("%s %d --restore-implant", undo, b.implant[m-1]), "run.can.one", b.implant[m-1:])
	}
	p.commands(rows)
	p.cannot(r, &b, len(rows))
}

// keeping says what the confirmation of a run does; nothing when it needs
// none.
func (p *printer) keeping(r *respond.Run) string {
	if !r.Confirmed.IsZero() {
		return ""
	}
	var parts []string
	var pending []int
	for _, o := range r.Pending() {
		pending = append(pending, o.Step)
	}
	if len(pending) > 0 {
		parts = append(parts, p.say("run.can.keep", "steps", p.steps(pending)))
	}
	if ids := having(r, respond.Waiting); len(ids) > 0 {
		parts = append(parts, p.say("run.can.do", "steps", p.steps(ids)))
	}
	switch until := nextRevert(r); {
	case len(parts) == 0:
		return ""
	case until.IsZero():
		parts = append(parts, p.say("run.can.login"))
	default:
		parts = append(parts, p.say("run.can.login-before", "until", p.clock(until)))
	}
	return join(p.say("clause.sep"), parts...)
}

// steps names steps by their numbers: "steps 2, 6-8".
func (p *printer) steps(ids []int) string {
	var parts []string
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		if j < i+2 { // a range of two reads worse than two numbers
			j = i
			parts = append(parts, fmt.Sprint(ids[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", ids[i], ids[j]))
		}
		i = j + 1
	}
	return p.say("run.steps", "n", len(ids), "steps", join(p.say("item.sep"), parts...))
}

func nextRevert(r *respond.Run) time.Time {
	var first time.Time
	for _, o := range r.Pending() {
		if first.IsZero() || o.Until.Before(first) {
			first = o.Until
		}
	}
	return first
}

// commands writes commands with what they do beside them, or below where there
// is no room.
func (p *printer) commands(rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	p.heading(p.say("run.can"))
	wide := 0
	for _, r := range rows {
		wide = max(wide, min(columns(r[0]), p.max/2))
	}
	for _, r := range rows {
		head := "  " + pad(r[0], wide) + "  "
		if columns(head) > p.max-20 {
			p.hang("  ", r[0], 0)
			head = "      "
		}
		p.hang(head, r[1], 0)
	}
}

// cannot says of what there is no way back.
func (p *printer) cannot(r *respond.Run, b *back, commands int) {
	switch {
	case len(b.never) > 0:
		p.blank()
		p.hang("  ", p.say("run.can.never", "steps", p.steps(b.never)), 0)
	case commands == 0 && !r.Ended.IsZero():
		p.blank()
		p.hang("  ", p.say("run.can.nothing"), 0)
	}
}

// back sorts the steps that changed something by what brings them back; keeping
// evidence changes nothing.
type back struct{ plain, implant, door, never []int }

func backOf(r *respond.Run) back {
	var b back
	for i := range r.Plan.Steps {
		s := &r.Plan.Steps[i]
		state := r.Outcome(s.ID).State
		changed := []string{respond.Done, respond.Reverting, respond.Intended, respond.Failed, respond.Drifted}
		if s.Phase == respond.Evidence || !slices.Contains(changed, state) || !begun(r, s.ID) {
			continue
		}
		switch {
		case s.NoUndo:
			b.never = append(b.never, s.ID)
		case s.Keeps == respond.KeepsImplant:
			b.implant = append(b.implant, s.ID)
		case s.Keeps == respond.KeepsDoor:
			b.door = append(b.door, s.ID)
		default:
			b.plain = append(b.plain, s.ID)
		}
	}
	return b
}

// begun: the journal knows how to undo the step. A Run that was read from JSON
// does not carry that; there a step counts as begun if it was done.
func begun(r *respond.Run, id int) bool {
	if r.Undo == nil {
		state := r.Outcome(id).State
		return state == respond.Done || state == respond.Reverting || state == respond.Intended
	}
	_, ok := r.Undo[id]
	return ok
}
