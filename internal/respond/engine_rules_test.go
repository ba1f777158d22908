package respond_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"testing"
	"time"

	"demine/internal/fact"
	. "demine/internal/respond"
)

func encoded(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDrift(t *testing.T) {
	m := newMachine(t, "a", "b")
	p := m.plan(step(t, 1, writes{Cells: []string{"a"}, Value: "1"}), step(t, 2, writes{Cells: []string{"b"}, Value: "2"}))
	m.cells["a"] = "somebody's"
	r, err := m.apply(p)
	if err != ErrPartly {
		t.Errorf("error %v", err)
	}
	wantStates(t, r, RunPartly, Drifted, Done)
	m.is("drifted", map[string]string{"a": "somebody's", "b": "2"})

	m.cells["b"] = "somebody's"
	outcomes, err := m.undoRun(r.ID, all)
	if err != ErrPartly || outcomes[0].State != Drifted {
		t.Errorf("undo: %v, error %v", outcomes, err)
	}
	m.is("undone", map[string]string{"a": "somebody's", "b": "somebody's"})

	m.cells["b"] = "2" // put right by hand: now it can be undone
	if _, err := m.undoRun(r.ID, all); err != nil {
		t.Error(err)
	}
	m.is("undone", map[string]string{"a": "somebody's", "b": "old"})
}

func TestOnlyDrift(t *testing.T) {
	m := newMachine(t, "a")
	p := m.plan(step(t, 1, writes{Cells: []string{"a"}, Value: "1"}))
	m.cells["a"] = "somebody's"
	if _, err := m.apply(p); err != ErrDrifted {
		t.Errorf("error %v", err)
	}
}

func TestRefusalAndNothing(t *testing.T) {
	m := newMachine(t, "a", "b")
	p := m.plan(step(t, 1, writes{Cells: []string{"a"}, Value: "1", Guard: "guard"}), step(t, 2, writes{Cells: []string{"b"}, Value: "2"}))
	m.cells["guard"], m.cells["b"] = "on", "2"
	r, err := m.apply(p)
	if err != ErrPartly || r.Outcome(1).Detail.ID != "refuse.same-login" {
		t.Errorf("error %v, outcome %+v", err, r.Outcome(1))
	}
	wantStates(t, r, RunPartly, Refused, Nothing)
}

// What a guard refuses or cannot be looked at is left, with what depends on it
// or belongs to it; what is so already is only taken out.
func TestSurvey(t *testing.T) {
	m := newMachine(t, "a", "b", "c", "d", "e", "f", "g")
	m.cells["guard"], m.cells["broken"], m.cells["g"] = "on", "on", "7"
	p := m.plan(
		step(t, 1, writes{Cells: []string{"a"}, Value: "1", Guard: "guard"}),
		step(t, 2, writes{Cells: []string{"b"}, Value: "2"}, after(1)),
		step(t, 3, writes{Cells: []string{"c"}, Value: "3"}, group("g")),
		step(t, 4, writes{Cells: []string{"d"}, Value: "4", Broken: "broken"}, group("g")),
		step(t, 5, writes{Cells: []string{"e"}, Value: "5"}, after(3)),
		step(t, 6, writes{Cells: []string{"f"}, Value: "6"}, after(7)),
		step(t, 7, writes{Cells: []string{"g"}, Value: "7"}),
	)
	if len(p.Steps) != 1 || p.Steps[0].Target != "6" || p.Steps[0].ID != 1 || len(p.Steps[0].After) != 0 {
		t.Errorf("steps %+v", p.Steps)
	}
	var left []string
	for _, l := range p.Left {
		left = append(left, l.ID)
	}
	if len(left) != 5 || left[0] != "refuse.same-login" || left[1] != "left.cannot-look" || left[2] != "left.with" {
		t.Errorf("left %v", left)
	}
}

func TestAfter(t *testing.T) {
	m := newMachine(t, "a", "b", "c", "d")
	r, err := m.apply(m.plan(
		step(t, 1, writes{Cells: []string{"a", "b"}, Value: "1", Fail: 2}),
		step(t, 2, writes{Cells: []string{"c"}, Value: "2"}, after(1)),
		step(t, 3, writes{Cells: []string{"d"}, Value: "3"}),
	))
	if err != ErrPartly {
		t.Errorf("error %v", err)
	}
	wantStates(t, r, RunPartly, Failed, Skipped, Done)
	m.is("the failed step is put back, the one after it not begun", map[string]string{"a": "old", "b": "old", "c": "old", "d": "3"})
}

func TestGroup(t *testing.T) {
	m := newMachine(t, "a", "b", "c")
	before := maps.Clone(m.cells)
	r, err := m.apply(m.plan(
		step(t, 1, writes{Cells: []string{"a"}, Value: "1"}, group("g"), keeps(KeepsDoor)),
		step(t, 2, writes{Cells: []string{"b", "c"}, Value: "2", Fail: 2}, group("g"), after(1)),
		step(t, 3, writes{Cells: []string{"c"}, Value: "3"}, group("g"), after(1, 2)),
	))
	if err != ErrRolledBack {
		t.Errorf("error %v", err)
	}
	wantStates(t, r, RunRolledBack, Undone, Failed, Skipped)
	m.is("rolled back", before)
}

// A step that cannot be rolled back says so, and the run's undo tries again.
func TestStuckRollBack(t *testing.T) {
	m := newMachine(t, "a", "b")
	m.cells["stuck"] = "on"
	r, err := m.apply(m.plan(
		step(t, 1, writes{Cells: []string{"a"}, Value: "1", Stuck: "stuck"}, group("g"), reverts(300)),
		step(t, 2, writes{Cells: []string{"b"}, Value: "2", Fail: 1}, group("g")),
	))
	if err != ErrPartly || r.Outcome(1).Error != "undo: stuck" {
		t.Errorf("error %v, outcome %+v", err, r.Outcome(1))
	}
	if r.State != RunUnconfirmed || len(r.Pending()) != 1 {
		t.Errorf("run is %s, pending %v", r.State, r.Pending())
	}
	delete(m.cells, "stuck")
	if _, err := m.undoRun(r.ID, UndoOptions{}); err != nil || m.cells["a"] != "old" {
		t.Errorf("cell %s, error %v", m.cells["a"], err)
	}
}

// By default the implant stays away and the door shut, whatever is undone
// around them.
func TestDefaultUndo(t *testing.T) {
	m := newMachine(t, "implant", "door", "line", "process")
	r, err := m.apply(m.plan(
		step(t, 1, writes{Cells: []string{"door"}, Value: "shut"}, keeps(KeepsDoor)),
		step(t, 2, writes{Cells: []string{"implant"}, Value: "gone"}, keeps(KeepsImplant)),
		step(t, 3, writes{Cells: []string{"process"}, Value: "ended"}, forGood),
		step(t, 4, writes{Cells: []string{"line"}, Value: "removed"}),
	))
	if err != nil || r.State != RunDone {
		t.Fatalf("run is %s, error %v", r.State, err)
	}
	for _, next := range []struct {
		opt   UndoOptions
		state string
		want  map[string]string
	}{
		{UndoOptions{}, RunUndone, map[string]string{"door": "shut", "implant": "gone", "process": "ended", "line": "old"}},
		{UndoOptions{Reopen: true}, RunUndone, map[string]string{"door": "old", "implant": "gone", "process": "ended", "line": "old"}},
		{UndoOptions{RestoreImplant: true}, RunUndone, map[string]string{"door": "old", "implant": "old", "process": "ended", "line": "old"}},
	} {
		if _, err := m.undoRun(r.ID, next.opt); err != nil {
			t.Fatal(err)
		}
		m.is("undone", next.want)
		if r := m.run(r.ID); r.State != next.state {
			t.Errorf("run is %s", r.State)
		}
	}
}

func TestUndoOfSteps(t *testing.T) {
	m := newMachine(t, "a", "b")
	r, _ := m.apply(m.plan(step(t, 1, writes{Cells: []string{"a"}, Value: "1"}), step(t, 2, writes{Cells: []string{"b"}, Value: "2"}),
		step(t, 3, writes{Cells: []string{"c"}, Value: "3"}, waits)))
	if _, err := m.undoRun(r.ID, UndoOptions{Steps: []int{9}}); err == nil {
		t.Error("a step that there is not was undone")
	}
	if _, err := m.undoRun(r.ID, UndoOptions{Steps: []int{1}}); err != nil {
		t.Error(err)
	}
	m.is("undone", map[string]string{"a": "old", "b": "2"})
	wantStates(t, m.run(r.ID), RunDone, Undone, Done, Waiting)
}

func TestInterrupted(t *testing.T) {
	m := newMachine(t, "a", "b")
	p := m.plan(step(t, 1, writes{Cells: []string{"a"}, Value: "1"}, group("g")), step(t, 2, writes{Cells: []string{"b"}, Value: "2"}, group("g")))
	run := m.begin(p)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Apply(ctx, m.writer(), m, run, p, func(pr Progress) {
		if pr.Step.ID == 1 && pr.Outcome != nil {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	wantStates(t, m.run(run), RunRolledBack, Undone, Skipped)
	m.is("a group that was interrupted", map[string]string{"a": "old", "b": "old"})
}

func (m *machine) riskyRun(t *testing.T) Run {
	t.Helper()
	r, err := m.apply(m.plan(
		step(t, 1, writes{Cells: []string{"door"}, Value: "shut"}, keeps(KeepsDoor), reverts(300)),
		step(t, 2, writes{Cells: []string{"file"}, Value: "saved"}, waits),
		step(t, 3, writes{Cells: []string{"other"}, Value: "done"}),
	))
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, r, RunUnconfirmed, Done, Waiting, Done)
	return r
}

func TestConfirm(t *testing.T) {
	m := newMachine(t, "door", "file", "other")
	r := m.riskyRun(t)
	later := r.Began.Add(time.Minute)
	for name, by := range map[string]Operator{
		"same login":    {Session: "process:1", Peer: "192.0.2.7", Since: later},
		"older login":   {Session: "process:2", Peer: "192.0.2.7", Since: r.Began.Add(-time.Hour)},
		"from the host": {Session: "process:3", Since: later},
	} {
		var refusal *Refusal
		if _, err := Confirm(t.Context(), m.writer(), m, r, by, quiet); !errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantStates(t, m.run(r.ID), RunUnconfirmed, Done, Waiting, Done)
	if _, err := Confirm(t.Context(), m.writer(), m, r, Operator{Session: "process:4", Peer: "192.0.2.7", Since: later}, quiet); err != nil {
		t.Fatal(err)
	}
	r = m.run(r.ID)
	wantStates(t, r, RunDone, Done, Done, Done)
	m.is("confirmed", map[string]string{"door": "shut", "file": "saved", "other": "done"})
	m.now = m.now.Add(time.Hour)
	if ids := r.Overdue(m.now, ""); len(ids) > 0 {
		t.Errorf("overdue after the confirmation: %v", ids)
	}
	if _, err := Confirm(t.Context(), m.writer(), m, r, Operator{}, quiet); err != ErrNothing {
		t.Errorf("second time: %v", err)
	}
	if _, err := m.undoRun(r.ID, all); err != nil {
		t.Error(err)
	}
	m.is("undone", map[string]string{"door": "old", "file": "old", "other": "old"})
}

func TestUnconfirmedReverts(t *testing.T) {
	m := newMachine(t, "door", "file", "other")
	r := m.riskyRun(t)
	m.now = m.now.Add(299 * time.Second)
	if ids := r.Overdue(m.now, ""); len(ids) > 0 {
		t.Errorf("too early: %v", ids)
	}
	if ids := r.Overdue(m.now, "another boot"); len(ids) != 1 {
		t.Errorf("after a boot: %v", ids)
	}
	m.now = m.now.Add(time.Second)
	if _, err := m.undoRun(r.ID, UndoOptions{Steps: r.Overdue(m.now, ""), Unconfirmed: true}); err != nil {
		t.Fatal(err)
	}
	wantStates(t, m.run(r.ID), RunPartly, Undone, Skipped, Done)
	m.is("reverted", map[string]string{"door": "old", "file": "old", "other": "done"})
	if _, err := Confirm(t.Context(), m.writer(), m, m.run(r.ID), Operator{}, quiet); err != ErrNothing {
		t.Errorf("confirmed too late: %v", err)
	}
	m.is("a late confirmation changes nothing", map[string]string{"door": "old", "file": "old", "other": "done"})
}

// A revert that fails is tried again; one that somebody else has overtaken is
// not.
func TestRevertAgain(t *testing.T) {
	m := newMachine(t, "door")
	r, err := m.apply(m.plan(step(t, 1, writes{Cells: []string{"door"}, Value: "shut", Stuck: "stuck"}, reverts(300))))
	if err != nil {
		t.Fatal(err)
	}
	m.now = m.now.Add(time.Hour)
	m.cells["stuck"] = "on"
	revert := func() ([]Outcome, error) {
		return m.undoRun(r.ID, UndoOptions{Steps: m.due(r.ID), Unconfirmed: true})
	}
	if _, err := revert(); err != ErrPartly || len(m.due(r.ID)) != 1 {
		t.Errorf("error %v, due %v", err, m.due(r.ID))
	}
	delete(m.cells, "stuck")
	m.cells["door"] = "somebody's"
	if _, err := revert(); err != ErrPartly || len(m.due(r.ID)) != 0 {
		t.Errorf("error %v, due %v", err, m.due(r.ID))
	}
}

func (m *machine) due(run string) []int {
	r := m.run(run)
	return r.Overdue(m.now, "")
}

func TestStale(t *testing.T) {
	now := time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC)
	h := fact.HostInfo{Name: "shop01", Boot: "b1"}
	for _, tt := range []struct {
		name string
		p    Plan
		want error
	}{
		{"fresh", Plan{Host: "shop01", Boot: "b1", Made: now.Add(-9 * time.Minute)}, nil},
		{"old", Plan{Host: "shop01", Boot: "b1", Made: now.Add(-11 * time.Minute)}, ErrStale},
		{"from the future", Plan{Host: "shop01", Boot: "b1", Made: now.Add(11 * time.Minute)}, ErrStale},
		{"another host", Plan{Host: "shop02", Boot: "b1", Made: now}, ErrStale},
		{"another boot", Plan{Host: "shop01", Boot: "b0", Made: now}, ErrStale},
	} {
		if err := tt.p.Stale(now, h); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A journal that cannot be written stops the change, not only its record.
func TestJournalFails(t *testing.T) {
	m := newMachine(t, "a")
	p := m.plan(step(t, 1, writes{Cells: []string{"a"}, Value: "1"}))
	outcomes, err := Apply(t.Context(), m.writer(), m, "R99", p, quiet)
	if err == nil || outcomes[0].State != Failed {
		t.Errorf("%v, error %v", outcomes, err)
	}
	m.is("nothing is changed", map[string]string{"a": "old"})
}
