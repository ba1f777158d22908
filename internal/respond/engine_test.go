package respond_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/host"
	"demine/internal/i18n"
	. "demine/internal/respond"
	"demine/internal/store"
)

// machine is a host of named cells, with a power switch: it goes off at a
// tick, and every change of a cell and every write of the journal is two.
type machine struct {
	t     *testing.T
	cells map[string]string
	now   time.Time
	left  int // ticks until the power goes; negative: it stays on
	*store.Store
}

type powerCut struct{}

func (m *machine) tick() {
	if m.left == 0 {
		panic(powerCut{})
	}
	m.left--
}

func (m *machine) set(cell, value string) {
	m.tick()
	m.cells[cell] = value
	m.tick()
}

// Append is the journal's, with the power that may go before or after it.
func (m *machine) Append(run string, r Record) error {
	m.tick()
	err := m.Store.Append(run, r)
	m.tick()
	return err
}

// writes is what the action of the tests does: it sets cells, one by one.
type writes struct {
	Cells  []string
	Value  string
	Fail   int    // fails before the cell with this number, counted from 1
	Guard  string // refuses while this cell is set
	Broken string // cannot be looked at while this cell is set
	Stuck  string // cannot be undone while this cell is set
}

func newMachine(t *testing.T, cells ...string) *machine {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(filepath.Join(dir, "state"), store.Options{Run: filepath.Join(dir, "run")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	m := &machine{t: t, cells: map[string]string{}, now: time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC), left: -1, Store: s}
	for _, c := range cells {
		m.cells[c] = "old"
	}
	Define(t, Spec[writes, map[string]string, map[string]string]{
		Name: "test.write", Phase: Harden, Look: m.look, Prepare: m.prepare, Do: m.do, Undo: m.undo,
	})
	return m
}

func (m *machine) look(_ context.Context, _ *host.Host, w writes) (map[string]string, error) {
	switch {
	case m.cells[w.Guard] != "":
		return nil, Refuse("refuse.same-login", "run", "R0")
	case m.cells[w.Broken] != "":
		return nil, errors.New("broken")
	}
	seen, done := map[string]string{}, true
	for _, c := range w.Cells {
		seen[c] = m.cells[c]
		done = done && m.cells[c] == w.Value
	}
	if done {
		return nil, ErrNothing
	}
	return seen, nil
}

func (m *machine) prepare(_ context.Context, _ *Writer, w writes) (map[string]string, error) {
	was := map[string]string{}
	for _, c := range w.Cells {
		was[c] = m.cells[c]
	}
	return was, nil
}

func (m *machine) do(_ context.Context, _ *Writer, w writes, _ map[string]string) (i18n.Message, error) {
	for i, c := range w.Cells {
		if w.Fail == i+1 {
			return i18n.Message{}, errors.New("failed")
		}
		m.set(c, w.Value)
	}
	return i18n.M("test.done"), nil
}

func (m *machine) undo(_ context.Context, _ *Writer, w writes, was map[string]string) error {
	if m.cells[w.Stuck] != "" {
		return errors.New("stuck")
	}
	for _, c := range w.Cells {
		if m.cells[c] != w.Value && m.cells[c] != was[c] {
			return ErrDrifted
		}
	}
	for _, c := range w.Cells {
		if m.cells[c] != was[c] {
			m.set(c, was[c])
		}
	}
	return nil
}

func (m *machine) writer() *Writer {
	return &Writer{Host: &host.Host{Now: func() time.Time { return m.now }}, Vault: m.Store}
}

// plan makes a plan and looks at what it expects.
func (m *machine) plan(steps ...Step) Plan {
	m.t.Helper()
	p := Plan{ID: "P-1", Made: m.now, Steps: slices.Clone(steps)}
	for i := range p.Steps {
		p.Steps[i].What = i18n.M("test.what", "n", p.Steps[i].ID)
	}
	if err := Survey(m.t.Context(), m.writer().Host, &p); err != nil {
		m.t.Fatal(err)
	}
	return p
}

func step(t *testing.T, id int, w writes, set ...func(*Step)) Step {
	t.Helper()
	s := Step{ID: id, Do: "test.write", Phase: Harden, Target: fmt.Sprint(id), With: encoded(t, w)}
	for _, f := range set {
		f(&s)
	}
	return s
}

func group(g string) func(*Step)   { return func(s *Step) { s.Group = g } }
func after(ids ...int) func(*Step) { return func(s *Step) { s.After = ids } }
func keeps(k string) func(*Step)   { return func(s *Step) { s.Keeps = k } }
func reverts(sec int) func(*Step)  { return func(s *Step) { s.Revert = sec } }
func waits(s *Step)                { s.OnConfirm = true }
func forGood(s *Step)              { s.NoUndo = true }

func (m *machine) begin(p Plan) string {
	m.t.Helper()
	run, err := m.Begin(p, Operator{Session: "process:1"})
	if err != nil {
		m.t.Fatal(err)
	}
	return run
}

func (m *machine) apply(p Plan) (Run, error) {
	m.t.Helper()
	run := m.begin(p)
	outcomes, err := Apply(m.t.Context(), m.writer(), m, run, p, quiet)
	r := m.run(run)
	if diff := cmp.Diff(states(outcomes), states(r.Outcomes)); diff != "" {
		m.t.Errorf("outcomes (-told +journalled):\n%s", diff)
	}
	return r, err
}

func quiet(Progress) {}

func (m *machine) run(id string) Run {
	m.t.Helper()
	rs, err := m.Records(id)
	if err != nil {
		m.t.Fatal(err)
	}
	return Fold(id, rs)
}

func (m *machine) undoRun(id string, opt UndoOptions) ([]Outcome, error) {
	m.t.Helper()
	return Undo(m.t.Context(), m.writer(), m, m.run(id), opt, quiet)
}

func states(os []Outcome) []string {
	var out []string
	for _, o := range os {
		out = append(out, o.State)
	}
	return out
}

func (m *machine) is(what string, want map[string]string) {
	m.t.Helper()
	if diff := cmp.Diff(want, m.cells); diff != "" {
		m.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantStates(t *testing.T, r Run, state string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, states(r.Outcomes)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if r.State != state {
		t.Errorf("run is %s, want %s", r.State, state)
	}
}

var all = UndoOptions{RestoreImplant: true, Reopen: true}

// powered runs f until it ends or the power goes at the given tick.
func (m *machine) powered(ticks int, f func()) (cut bool) {
	defer func() {
		m.left = -1
		if r := recover(); r != nil {
			if r != any(powerCut{}) {
				panic(r)
			}
			cut = true
		}
	}()
	m.left = ticks
	f()
	return false
}
