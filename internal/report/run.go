package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"demine/internal/respond"
)

// Run writes what became of a run: each step with its outcome, what is still
// to come, and what to type to keep or undo it.
func Run(w io.Writer, r *respond.Run, o Options) error {
	p := newChangePrinter(o)
	p.runHead(r)
	p.runSteps(r)
	if left := p.different(r.Plan.Left); r.Plan.Kind == respond.KindContain && len(left) > 0 { // nobody has seen its plan
		p.heading(p.say("plan.left"))
		p.leftOut(left)
	}
	p.runCan(r)
	return p.flush(w)
}

func (p *printer) runHead(r *respond.Run) {
	done, undone := tally(r)
	id := "run.head." + runState(r, undone)
	n, until := len(r.Pending()), nextRevert(r)
	if id == "run.head.waiting" {
		n = len(having(r, respond.Waiting))
	}
	head := p.say(id, "run", r.ID, "kind", r.Plan.Name(), "host", r.Plan.Host, "done", done, "undone", undone,
		"of", len(r.Plan.Steps), "n", n, "until", p.clock(until), "left", p.left(until),
		"steps", p.steps(having(r, respond.Done)))
	p.hangPainted(p.fold("● "), runColour(r.State), head, 0)
	p.hang("  ", p.origins(r), 0)
}

// origins says when a run began, who did it and from where, and when it was
// confirmed.
func (p *printer) origins(r *respond.Run) string {
	s := p.say("run.began", "at", p.clock(r.Began), "who", p.who(&r.By), "from", p.whence(&r.By))
	if !r.Confirmed.IsZero() {
		s += p.sep() + p.say("run.confirmed", "at", p.clock(r.Confirmed))
	}
	return s
}

func (p *printer) who(by *respond.Operator) string {
	if by.UID == 0 {
		return p.say("run.who.root")
	}
	return p.say("run.who.user", "uid", by.UID)
}

func (p *printer) whence(by *respond.Operator) string {
	if by.Peer == "" {
		return p.say("run.from.none")
	}
	return p.say("run.from.peer", "peer", by.Peer)
}

// runState is the state to tell of: an undo of some steps leaves a run "done",
// and a run that waits for its confirmation is not.
func runState(r *respond.Run, undone int) string {
	switch r.State {
	case respond.RunDone:
		switch {
		case undone > 0:
			return "undone-partly"
		case len(having(r, respond.Waiting)) > 0 && r.Confirmed.IsZero():
			return "waiting"
		}
		return r.State
	case respond.RunUndone:
		if len(having(r, respond.Done)) > 0 {
			return "undone-left"
		}
		return r.State
	case respond.RunPartly, respond.RunRolledBack, respond.RunUnconfirmed:
		return r.State
	}
	return respond.RunRunning
}

func runColour(state string) string {
	switch state {
	case respond.RunDone:
		return green
	case respond.RunRolledBack:
		return red
	case respond.RunUndone:
		return bold
	}
	return yellow
}

// tally counts the steps that are as the plan wants them, and those that were
// undone.
func tally(r *respond.Run) (done, undone int) {
	for _, o := range r.Outcomes {
		switch o.State {
		case respond.Done, respond.Nothing, respond.Reverting:
			done++
		case respond.Undone:
			undone++
		}
	}
	return done, undone
}

// having gives the ids of the steps in one of the states.
func having(r *respond.Run, states ...string) []int {
	var ids []int
	for _, o := range r.Outcomes {
		if slices.Contains(states, o.State) {
			ids = append(ids, o.Step)
		}
	}
	return ids
}

func (p *printer) runSteps(r *respond.Run) {
	if len(r.Plan.Steps) > 0 {
		p.blank()
	}
	digits := len(fmt.Sprint(len(r.Plan.Steps)))
	for i := range r.Plan.Steps {
		s := &r.Plan.Steps[i]
		o := r.Outcome(s.ID)
		f := p.fate(r, o)
		head := fmt.Sprintf("  %s %*d  ", pad(f.mark, p.markWidth()), digits, s.ID)
		line := p.text(s.What)
		if f.state != respond.Done {
			line += p.sep() + f.text
		}
		p.hangPainted(head, f.colour, line, 0)
		if r.Plan.Kind == respond.KindContain { // nobody was shown its plan
			for _, m := range s.Breaks {
				p.hang(strings.Repeat(" ", columns(head))+p.say("plan.breaks"), p.text(m), 0)
			}
		}
		p.aftermath(strings.Repeat(" ", columns(head)), &o)
	}
}

// aftermath writes what an outcome says of itself below its step.
func (p *printer) aftermath(indent string, o *respond.Outcome) {
	if o.Detail.ID != "" {
		p.hang(indent, p.text(o.Detail), 0)
	}
	if e := strings.TrimPrefix(o.Error, "; "); e != "" && e != respond.ErrDrifted.Error() {
		p.hang(indent, p.say("run.error", "error", e), 4)
	}
}
