package respond

import (
	"encoding/json"
	"slices"
	"time"
)

// Journal is the durable record of runs. Package store has one.
type Journal interface {
	// Begin starts the record of a run and gives its name ("R7").
	Begin(p Plan, by Operator) (run string, err error)
	// Append returns when the record is durable.
	Append(run string, r Record) error
	Records(run string) ([]Record, error)
	// Runs names all runs, oldest first.
	Runs() ([]string, error)
}

// Operator is who did it, from where, as the host sees them.
type Operator struct {
	UID     int       `json:"uid"`
	Peer    string    `json:"peer,omitempty"`    // address of the SSH client
	Session string    `json:"session,omitempty"` // Ref of the sshd process that holds the connection; empty on a console
	Since   time.Time `json:"since,omitzero"`    // when that process began
	PID     int       `json:"pid"`
	Version string    `json:"version,omitempty"`
}

// Kinds of Record.
const (
	RecBegin   = "begin"
	RecIntend  = "intend" // a step is about to be done; Undo holds all that undoing needs
	RecOutcome = "outcome"
	RecConfirm = "confirm"
	RecEnd     = "end"
	RecUndo    = "undo" // an undo begins
)

// Record is one line of a run's journal.
type Record struct {
	Kind    string          `json:"kind"`
	At      time.Time       `json:"at"`
	Plan    *Plan           `json:"plan,omitempty"`
	By      *Operator       `json:"by,omitempty"`
	Step    int             `json:"step,omitempty"`
	Undo    json.RawMessage `json:"undo,omitempty"`
	Outcome *Outcome        `json:"outcome,omitempty"`
	Text    string          `json:"text,omitempty"`
}

// States of a Run.
const (
	RunRunning     = "running" // or cut off: see who holds the lock
	RunDone        = "done"
	RunPartly      = "partly"
	RunRolledBack  = "rolled-back"
	RunUnconfirmed = "unconfirmed" // done, and reverts unless confirmed
	RunUndone      = "undone"
)

// Run is one application of a plan, as its journal tells it.
type Run struct {
	ID        string                  `json:"id"`
	State     string                  `json:"state"`
	Plan      Plan                    `json:"plan"`
	By        Operator                `json:"by"`
	Began     time.Time               `json:"began"`
	Ended     time.Time               `json:"ended,omitzero"`
	Confirmed time.Time               `json:"confirmed,omitzero"`
	Outcomes  []Outcome               `json:"outcomes"` // one a step, in the order of the plan
	Undo      map[int]json.RawMessage `json:"-"`
	order     []int                   // steps in the order in which they were begun
	undoing   bool                    // an undo was begun
}

// Fold makes a Run of its records.
func Fold(id string, rs []Record) Run {
	r := Run{ID: id, State: RunRunning, Undo: map[int]json.RawMessage{}}
	for _, rec := range rs {
		r.add(rec)
	}
	r.settleState()
	return r
}

func (r *Run) add(rec Record) {
	switch rec.Kind {
	case RecBegin:
		if rec.Plan != nil {
			r.Plan = *rec.Plan
		}
		if rec.By != nil {
			r.By = *rec.By
		}
		r.Began = rec.At
		for _, s := range r.Plan.Steps {
			o := Outcome{Step: s.ID, State: Skipped}
			if s.OnConfirm {
				o.State = Waiting
			}
			r.Outcomes = append(r.Outcomes, o)
		}
	case RecIntend:
		r.Undo[rec.Step] = rec.Undo
		r.order = append(slices.DeleteFunc(r.order, func(id int) bool { return id == rec.Step }), rec.Step)
		r.set(Outcome{Step: rec.Step, State: Intended, At: rec.At})
	case RecOutcome:
		if rec.Outcome != nil {
			r.set(*rec.Outcome)
		}
	case RecConfirm:
		r.Confirmed = rec.At
	case RecUndo:
		r.undoing = true
	case RecEnd:
		r.Ended = rec.At
	}
}

func (r *Run) set(o Outcome) {
	for i := range r.Outcomes {
		if r.Outcomes[i].Step == o.Step {
			r.Outcomes[i] = o
		}
	}
}

// Outcome gives what became of a step.
func (r *Run) Outcome(step int) Outcome {
	for _, o := range r.Outcomes {
		if o.Step == step {
			return o
		}
	}
	return Outcome{Step: step, State: Skipped}
}

// Step gives a step of the run's plan, or nil.
func (r *Run) Step(id int) *Step {
	for i := range r.Plan.Steps {
		if r.Plan.Steps[i].ID == id {
			return &r.Plan.Steps[i]
		}
	}
	return nil
}

// Pending are the steps that will undo themselves, unless confirmed. One whose
// undo failed is still among them; one that somebody else has changed since is
// not.
func (r *Run) Pending() []Outcome {
	if !r.Confirmed.IsZero() {
		return nil
	}
	var out []Outcome
	for _, o := range r.Outcomes {
		if !o.Until.IsZero() && (o.State == Done || o.State == Intended || o.State == Failed) {
			out = append(out, o)
		}
	}
	return out
}

// Overdue are the steps that must undo themselves now: their time has come, or
// the host was started anew since.
func (r *Run) Overdue(now time.Time, boot string) []int {
	var ids []int
	for _, o := range r.Pending() {
		if !o.Until.After(now) || boot != "" && r.Plan.Boot != boot {
			ids = append(ids, o.Step)
		}
	}
	return ids
}

func (r *Run) settleState() {
	if r.Ended.IsZero() {
		return
	}
	count, stands := map[string]int{}, 0
	for _, o := range r.Outcomes {
		count[o.State]++
		if s := r.Step(o.Step); o.State == Done && s.Keeps == "" && !s.NoUndo {
			stands++
		}
	}
	bad := count[Failed] + count[Drifted] + count[Refused] + count[Skipped] + count[Intended]
	switch {
	case len(r.Pending()) > 0:
		r.State = RunUnconfirmed
	case count[Undone] > 0 && stands == 0 && r.undoing: // what an undo leaves may be left
		r.State = RunUndone
	case count[Undone] > 0 && count[Done] == 0:
		r.State = RunRolledBack
	case bad > 0:
		r.State = RunPartly
	default:
		r.State = RunDone
	}
}
