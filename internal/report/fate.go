package report

import (
	"time"

	"demine/internal/respond"
)

// fate is what became of a step, as it is shown.
type fate struct {
	state              string
	mark, colour, text string
}

// Marks before the steps of a run.
var marks = map[string]string{
	respond.Done: "✔", respond.Nothing: "–", respond.Left: "–", respond.Failed: "✘", respond.Undone: "↩",
	respond.Refused: "!", respond.Drifted: "!", respond.Skipped: "!", respond.Intended: "!", overdue: "!",
	respond.Waiting: "…", respond.Reverting: "…", notBegun: "…",
}

// What a journal does not call by a name of its own.
const (
	notBegun = "pending" // the run has not come to it
	overdue  = "overdue" // it should have undone itself
)

// fate of a step of a run. What a run that has not ended did not come to is
// not skipped but still to be done.
func (p *printer) fate(r *respond.Run, o respond.Outcome) fate {
	state := o.State
	reverts := !o.Until.IsZero() && r.Confirmed.IsZero()
	switch {
	case state == respond.Skipped && o.At.IsZero() && r.Ended.IsZero():
		state = notBegun
	case (state == respond.Done || state == respond.Reverting) && reverts:
		state = respond.Reverting
		if !p.o.Now.IsZero() && o.Until.Before(p.o.Now) {
			state = overdue
		}
	case state == respond.Reverting:
		state = respond.Done
	}
	return p.fateOf(state, o.Until)
}

func (p *printer) fateOf(state string, until time.Time) fate {
	mark := marks[state]
	if mark == "" {
		mark = "?"
	}
	f := fate{state: state, mark: p.fold(mark), colour: fateColour(state)}
	switch id := "fate." + state; {
	case state == respond.Reverting || state == overdue:
		f.text = p.say("fate.reverting", "until", p.clock(until), "left", p.left(until))
	case mark != "?" && p.c.Has(id):
		f.text = p.say(id)
	default:
		f.text = p.say("fate.unknown", "state", state)
	}
	return f
}

func fateColour(state string) string {
	switch state {
	case respond.Done:
		return green
	case respond.Failed:
		return red
	case respond.Nothing, respond.Left, respond.Undone:
		return dim
	}
	return yellow
}

// left says how long it is until a moment.
func (p *printer) left(until time.Time) string {
	switch {
	case p.o.Now.IsZero() || until.IsZero():
		return "?"
	case until.Before(p.o.Now):
		return p.say("run.overdue")
	}
	return p.say("run.left", "left", until.Sub(p.o.Now))
}

// markWidth is the width of the widest mark: plain forms take more than one
// column.
func (p *printer) markWidth() int {
	n := 0
	for _, m := range marks {
		n = max(n, columns(p.fold(m)))
	}
	return n
}
