package report

import (
	"encoding/json"
	"io"
	"slices"

	"demine/internal/fact"
	"demine/internal/respond"
)

// PlanJSON writes a plan for scripts, as JSON writes a Scan.
func PlanJSON(w io.Writer, plan *respond.Plan) error {
	p := filled(*plan)
	return writeJSON(w, &p)
}

// RunJSON writes a run for scripts: its own names, and the schema.
func RunJSON(w io.Writer, r *respond.Run) error {
	return writeJSON(w, runView(*r))
}

// RunsJSON writes runs for scripts, newest first.
func RunsJSON(w io.Writer, rs []respond.Run) error {
	views := []view{}
	for _, r := range newest(rs) {
		views = append(views, runView(r))
	}
	return writeJSON(w, struct {
		Schema int    `json:"schema"`
		Runs   []view `json:"runs"`
	}{fact.SchemaVersion, views})
}

// view is a run with the schema that its names belong to.
type view struct {
	Schema int `json:"schema"`
	respond.Run
}

func runView(r respond.Run) view {
	r.Plan = filled(r.Plan)
	r.Outcomes = list(r.Outcomes)
	return view{fact.SchemaVersion, r}
}

// filled makes the lists of a plan lists, and drops data of steps that is not
// JSON: a torn journal must not keep a run from being shown.
func filled(p respond.Plan) respond.Plan {
	p.Steps = slices.Clone(list(p.Steps))
	for i := range p.Steps {
		s := &p.Steps[i]
		s.On = list(s.On)
		s.With, s.Expect = valid(s.With), valid(s.Expect)
	}
	return p
}

func valid(b json.RawMessage) json.RawMessage {
	if json.Valid(b) {
		return b
	}
	return nil
}
