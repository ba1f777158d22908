package respond_test

import (
	"context"
	"errors"
	"testing"

	. "demine/internal/respond"
)

// cleanUp plans a clean-up of some steps, with what earlier ones left to do.
func (m *machine) cleanUp(steps ...Step) Plan {
	m.t.Helper()
	p := m.plan(steps...)
	p.Kind = KindClean
	ids, err := m.Runs()
	if err != nil {
		m.t.Fatal(err)
	}
	var runs []Run
	for _, id := range ids {
		runs = append(runs, m.run(id))
	}
	Carry(&p, runs)
	if err := Survey(m.t.Context(), m.writer().Host, &p); err != nil {
		m.t.Fatal(err)
	}
	return p
}

func (m *machine) wantTargets(p Plan, want ...string) {
	m.t.Helper()
	var got []string
	for _, s := range p.Steps {
		got = append(got, s.Target)
	}
	if len(got) != len(want) {
		m.t.Fatalf("steps for %v, want %v; left %v", got, want, p.Left)
	}
	for i := range got {
		if got[i] != want[i] {
			m.t.Fatalf("steps for %v, want %v", got, want)
		}
	}
}

// failed is a clean-up of which step 2 was not done.
func (m *machine) failed(set ...func(*Step)) Run {
	m.t.Helper()
	r, err := m.apply(m.cleanUp(
		step(m.t, 1, writes{Cells: []string{"a"}, Value: "1"}, set...),
		step(m.t, 2, writes{Cells: []string{"b"}, Value: "2", Fail: 1}, set...),
	))
	if err == nil {
		m.t.Fatal("no step failed")
	}
	return r
}

func TestCarry(t *testing.T) {
	m := newMachine(t, "a", "b")
	m.failed()
	m.wantTargets(m.cleanUp(), "2")
	harden := m.cleanUp()
	harden.Kind, harden.Steps = KindHarden, nil
	Carry(&harden, []Run{m.run("R1")})
	m.wantTargets(harden)
}

// Something else has taken the place of what the step was about.
func TestCarryChanged(t *testing.T) {
	m := newMachine(t, "a", "b")
	m.failed()
	m.cells["b"] = "somebody's"
	p := m.cleanUp()
	m.wantTargets(p)
	if len(p.Left) != 1 || p.Left[0].ID != "left.changed" {
		t.Errorf("left %v", p.Left)
	}
}

func TestCarryNotWhatWasUndone(t *testing.T) {
	m := newMachine(t, "a", "b")
	r := m.failed()
	if _, err := m.undoRun(r.ID, UndoOptions{}); err != nil {
		t.Fatal(err)
	}
	m.wantTargets(m.cleanUp())
}

func TestCarryNotHalfAGroup(t *testing.T) {
	m := newMachine(t, "a", "b")
	wantStates(t, m.failed(group("g")), RunRolledBack, Undone, Failed)
	m.wantTargets(m.cleanUp())
}

// A settling that is interrupted claims nothing.
func TestSettleInterrupted(t *testing.T) {
	m := newMachine(t, "a")
	p := m.plan(step(t, 1, writes{Cells: []string{"a"}, Value: "1"}))
	run := m.begin(p)
	if !m.powered(4, func() { _, _ = Apply(t.Context(), m.writer(), m, run, p, quiet) }) {
		t.Fatal("it was not cut off")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Settle(ctx, m.writer(), m, m.run(run)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	wantStates(t, m.run(run), RunRunning, Intended)
}
