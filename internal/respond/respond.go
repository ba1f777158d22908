// Package respond changes hosts, and is the only package that does: it makes a
// Plan of what a Scan found, applies it step by step, and undoes it. Every
// step is looked at again before it is done, journalled before it begins with
// all that its undo needs, and journalled again when it is done: a crash in
// between is resolved by looking.
package respond

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/i18n"
)

// Phase orders the steps of a plan: the door before the freeze, so that worms
// do not plant again; evidence before anything is destroyed; Redis disarmed
// before its files go, or it writes them back. Of what is removed, that which
// starts the implant again goes before the kill.
type Phase string

// The phases, in their order.
const (
	Door     Phase = "door"
	Freeze   Phase = "freeze"
	Evidence Phase = "evidence"
	Disarm   Phase = "disarm"
	Kill     Phase = "kill"
	Remove   Phase = "remove"
	Repair   Phase = "repair"
	Harden   Phase = "harden"
)

// Phases in the order in which they are applied.
var Phases = []Phase{Door, Freeze, Evidence, Disarm, Kill, Remove, Repair, Harden}

func (p Phase) rank() int { return slices.Index(Phases, p) }

// What a default undo leaves as it is; see UndoOptions.
const (
	KeepsImplant = "implant" // undoing it would put the implant back
	KeepsDoor    = "door"    // undoing it would open the door again
)

// Step is one thing to change. With is what its action needs to know, Expect
// what the action saw of the host when the plan was made; it is applied only
// if it still sees that.
type Step struct {
	ID      int             `json:"id"`
	Do      string          `json:"do"` // name of an Action
	Phase   Phase           `json:"phase"`
	On      []fact.Ref      `json:"on"`
	Target  string          `json:"target,omitempty"` // the one thing that is changed, as text: a path, a listener
	With    json.RawMessage `json:"with,omitempty"`
	Expect  json.RawMessage `json:"expect,omitempty"`
	Because []string        `json:"because,omitempty"` // ids of findings
	After   []int           `json:"after,omitempty"`   // not done if one of these failed
	Dump    bool            `json:"dump,omitempty"`    // it is about a file that Redis wrote, and would write again
	Group   string          `json:"group,omitempty"`   // steps that stand or fall together: if one fails, those before it are undone
	// Revert is the number of seconds after which the step undoes itself, unless
	// the run was confirmed. Lasting says that a reboot alone does not undo it: a
	// unit that does is made first.
	Revert    int    `json:"revert_s,omitempty"`
	Lasting   bool   `json:"lasting,omitempty"`
	OnConfirm bool   `json:"on_confirm,omitempty"` // not done by Apply but by Confirm
	Keeps     string `json:"keeps,omitempty"`
	NoUndo    bool   `json:"no_undo,omitempty"` // it cannot be undone (a process that was ended)

	What   i18n.Message   `json:"what"`             // what is changed
	Breaks []i18n.Message `json:"breaks,omitempty"` // what it may break, who depends on it
	Notes  []i18n.Message `json:"notes,omitempty"`  // what else one should know before it is done
	Back   i18n.Message   `json:"back,omitzero"`    // how it is undone, where that needs saying
}

// Plan is what will be changed on one host, and what will not.
type Plan struct {
	Schema  int            `json:"schema"`
	ID      string         `json:"id"`
	Kind    string         `json:"kind"`              // contain, clean, harden
	Command string         `json:"command,omitempty"` // that it is of, where that has another name: lease close O-1a2b3c4d
	Host    string         `json:"host"`
	Boot    string         `json:"boot"`
	Scan    string         `json:"scan"` // id of the scan that it is made of
	Made    time.Time      `json:"made"`
	Steps   []Step         `json:"steps"`
	Left    []i18n.Message `json:"left,omitempty"`   // what is not touched although one could expect it, and why
	Spared  []i18n.Message `json:"spared,omitempty"` // what keeps running: the business, the operator's session
}

// Name is the command that the plan is of.
func (p *Plan) Name() string { return cmp.Or(p.Command, p.Kind) }

// Kinds of plans.
const (
	KindContain = "contain"
	KindClean   = "clean"
	KindHarden  = "harden"
)

// MaxAge is how old a plan may be when it is applied.
const MaxAge = 10 * time.Minute

// States of an Outcome.
const (
	Done      = "done"
	Nothing   = "nothing" // it was so already, or the thing is gone
	Drifted   = "drifted" // the host is not as the plan expects: nothing was done
	Refused   = "refused" // a guard did not let it
	Failed    = "failed"
	Skipped   = "skipped" // a step before it failed, or the run was interrupted
	Waiting   = "waiting" // for the confirmation
	Undone    = "undone"
	Left      = "left"      // a default undo leaves it
	Intended  = "intended"  // begun; a crash came between
	Reverting = "reverting" // done, and will undo itself at Until
)

// Outcome is what became of a step.
type Outcome struct {
	Step   int          `json:"step"`
	State  string       `json:"state"`
	Detail i18n.Message `json:"detail,omitzero"`
	Error  string       `json:"error,omitempty"` // the system's own words
	Until  time.Time    `json:"until,omitzero"`
	At     time.Time    `json:"at,omitzero"`
	TookUS int64        `json:"took_us,omitempty"`
}

// Errors that callers branch on.
var (
	// ErrDrifted: the host is not as the plan expects.
	ErrDrifted = errors.New("the host has changed since the plan was made")
	// ErrNothing: there is nothing (left) to do.
	ErrNothing = errors.New("nothing to do")
	// ErrGone: the process or file is not there any more.
	ErrGone = errors.New("gone")
	// ErrUnavailable: this host has no means to do it.
	ErrUnavailable = errors.New("not available on this host")
	// ErrPartly: some steps were done and others not.
	ErrPartly = errors.New("not all steps were done")
	// ErrRolledBack: a step failed and what was done before it was undone.
	ErrRolledBack = errors.New("rolled back")
	// ErrStale: the plan is too old, of another host, or of another boot.
	ErrStale = errors.New("the plan is stale")
)

// Refusal is a guard that did not let a step be done. It is an error with a
// sentence in both languages.
type Refusal struct{ i18n.Message }

func (r *Refusal) Error() string { return fmt.Sprintf("refused: %s %v", r.ID, r.Args) }

// Refuse makes a Refusal of a message id and pairs of name and value.
func Refuse(id string, pairs ...any) error { return &Refusal{i18n.M(id, pairs...)} }
