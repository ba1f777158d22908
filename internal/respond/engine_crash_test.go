package respond_test

import (
	"context"
	"fmt"
	"maps"
	"testing"

	. "demine/internal/respond"
)

// crashPlan has of everything: a plain step, one that depends on it, a group,
// a group that fails in the middle, one that reverts, one that waits.
func crashPlan(t *testing.T) []Step {
	return []Step{
		step(t, 1, writes{Cells: []string{"a", "b"}, Value: "1"}),
		step(t, 2, writes{Cells: []string{"c"}, Value: "2"}, after(1), keeps(KeepsImplant)),
		step(t, 3, writes{Cells: []string{"d", "e"}, Value: "3"}, group("g")),
		step(t, 4, writes{Cells: []string{"f", "n"}, Value: "4"}, group("g"), after(3)),
		step(t, 5, writes{Cells: []string{"g", "h"}, Value: "5"}, group("bad")),
		step(t, 6, writes{Cells: []string{"i", "j"}, Value: "6", Fail: 2}, group("bad"), after(5)),
		step(t, 7, writes{Cells: []string{"k", "l"}, Value: "7"}, reverts(300), keeps(KeepsDoor)),
		step(t, 8, writes{Cells: []string{"m"}, Value: "8"}, waits),
	}
}

var crashCells = []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"}

// The power goes at every tick of an apply: before and after each write of the
// journal and each change. What is settled then can be undone to the last
// cell, and the rest of the plan can be applied.
func TestPowerCutInApply(t *testing.T) {
	for tick, cut := 0, true; cut; tick++ {
		for _, rest := range []bool{false, true} {
			t.Run(fmt.Sprint(tick, rest), func(t *testing.T) {
				m := newMachine(t, crashCells...)
				before := maps.Clone(m.cells)
				p := m.plan(crashPlan(t)...)
				run := m.begin(p)
				cut = m.powered(tick, func() { _, _ = Apply(t.Context(), m.writer(), m, run, p, quiet) })
				m.settle(run)
				m.noHalfGroups("settled")
				if rest {
					m.applyRest(run, before)
					return
				}
				if _, err := m.undoRun(run, all); err != nil {
					t.Fatal(err)
				}
				m.is("undone", before)
			})
		}
	}
}

func (m *machine) settle(run string) Run {
	m.t.Helper()
	r, err := Settle(m.t.Context(), m.writer(), m, m.run(run))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, o := range r.Outcomes {
		if o.State == Intended || o.State == "" {
			m.t.Errorf("step %d is %q after settling", o.Step, o.State)
		}
	}
	if r.State == RunRunning {
		m.t.Error("still running after settling")
	}
	return r
}

// noHalfGroups: a group is done whole or not at all.
func (m *machine) noHalfGroups(when string) {
	m.t.Helper()
	for _, g := range []string{"defn", "gh"} {
		var done int
		for _, c := range g {
			if m.cells[string(c)] != "old" {
				done++
			}
		}
		if done != 0 && done != len(g) || done != 0 && g == "gh" {
			m.t.Errorf("%s: group of %q is done in part: %v", when, g, m.cells)
		}
	}
}

// applyRest makes the plan anew, applies it, and undoes both runs.
func (m *machine) applyRest(first string, before map[string]string) {
	m.t.Helper()
	rest := m.plan(crashPlan(m.t)...)
	second := m.begin(rest)
	_, _ = Apply(m.t.Context(), m.writer(), m, second, rest, quiet)
	want := maps.Clone(before)
	for cell, v := range map[string]string{"a": "1", "b": "1", "c": "2", "d": "3", "e": "3", "f": "4", "n": "4", "k": "7", "l": "7"} {
		want[cell] = v
	}
	m.is("the rest applied", want)
	for _, run := range []string{second, first} {
		if _, err := m.undoRun(run, all); err != nil {
			m.t.Fatal(err)
		}
	}
	m.is("both undone", before)
}

// The power goes at every tick of an undo, of a confirmation and of settling
// itself; done again, each ends where it would have ended.
func TestPowerCutInUndo(t *testing.T) {
	m := newMachine(t, crashCells...)
	before := maps.Clone(m.cells)
	for tick, cut := 0, true; cut; tick++ {
		r, err := m.apply(m.plan(crashPlan(t)...))
		if err != ErrPartly {
			t.Fatalf("tick %d: %v", tick, err)
		}
		cut = m.powered(tick, func() { _, _ = m.undoRun(r.ID, all) })
		m.settle(r.ID)
		if _, err := m.undoRun(r.ID, all); err != nil {
			t.Fatalf("tick %d: %v", tick, err)
		}
		m.is(fmt.Sprint("tick ", tick), before)
		if r = m.run(r.ID); r.State != RunUndone {
			t.Errorf("tick %d: run is %s", tick, r.State)
		}
	}
}

func TestPowerCutInSettle(t *testing.T) {
	m := newMachine(t, crashCells...)
	before := maps.Clone(m.cells)
	for first := 0; first < 32; first++ {
		for tick, cut := 0, true; cut; tick++ {
			p := m.plan(crashPlan(t)[2:6]...)
			run := m.begin(p)
			m.powered(first, func() { _, _ = Apply(t.Context(), m.writer(), m, run, p, quiet) })
			cut = m.powered(tick, func() { _, _ = Settle(context.Background(), m.writer(), m, m.run(run)) })
			m.settle(run)
			m.noHalfGroups(fmt.Sprintf("cut at %d and %d", first, tick))
			if _, err := m.undoRun(run, all); err != nil {
				t.Fatalf("cut at %d and %d: %v", first, tick, err)
			}
			m.is(fmt.Sprintf("cut at %d and %d", first, tick), before)
		}
	}
}

func TestPowerCutInConfirm(t *testing.T) {
	m := newMachine(t, crashCells...)
	before := maps.Clone(m.cells)
	for tick, cut := 0, true; cut; tick++ {
		r, _ := m.apply(m.plan(crashPlan(t)...))
		cut = m.powered(tick, func() { _, _ = Confirm(t.Context(), m.writer(), m, m.run(r.ID), Operator{}, quiet) })
		m.settle(r.ID)
		if _, err := Confirm(t.Context(), m.writer(), m, m.run(r.ID), Operator{}, quiet); err != nil && err != ErrNothing {
			t.Fatalf("tick %d: %v", tick, err)
		}
		r = m.run(r.ID)
		if m.cells["m"] != "8" || r.Outcome(8).State != Done || len(r.Pending()) > 0 {
			t.Errorf("tick %d: cell %s, outcome %v, pending %v", tick, m.cells["m"], r.Outcome(8), r.Pending())
		}
		if _, err := m.undoRun(r.ID, all); err != nil {
			t.Fatalf("tick %d: %v", tick, err)
		}
		m.is(fmt.Sprint("tick ", tick), before)
	}
}
