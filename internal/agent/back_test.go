package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"demine/internal/fact"
	"demine/internal/respond"
	"demine/internal/store"
)

// A journal that is damaged hides neither the other runs nor what stands
// before the damage: one of them may have to revert.
func TestRunsWithDamage(t *testing.T) {
	a, _, dir := infected(t)
	state := filepath.Join(dir, "state")
	st, err := store.Open(state, store.Options{Run: filepath.Join(dir, "run")})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	plan := respond.Plan{Kind: respond.KindHarden, Steps: []respond.Step{{ID: 1, Do: "firewall.close", Revert: 300}}}
	now := time.Now()
	done := respond.Outcome{Step: 1, State: respond.Done, Until: now.Add(time.Minute)}
	for range 2 {
		run, err := st.Begin(plan, respond.Operator{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []respond.Record{{Kind: respond.RecOutcome, Step: 1, Outcome: &done}, {Kind: respond.RecEnd, At: now}} {
			if err := st.Append(run, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	f, err := os.OpenFile(filepath.Join(state, "runs/R1/journal.jsonl"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("\x00\x00\x00\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	rs, err := a.Runs(t.Context())
	if err != nil || len(rs) != 2 {
		t.Fatalf("%d runs, error %v", len(rs), err)
	}
	for _, r := range rs {
		if r.State != respond.RunUnconfirmed {
			t.Errorf("%s is %s", r.ID, r.State)
		}
	}
	if wait, any := nextRevert(rs, "R2", now, ""); !any || wait != time.Minute {
		t.Errorf("R2 reverts in %s, %v", wait, any)
	}
}

// A tmux that was there before the run proves no login; a console needs no proof.
func TestOperatorInMultiplexer(t *testing.T) {
	a, _, _ := infected(t)
	for comm, want := range map[string]string{"tmux: server": "process:b/7", "screen": "process:b/7", "login": ""} {
		snap := &fact.Snapshot{Host: fact.HostInfo{Self: 9}, Process: []fact.Process{
			{Ref: "process:b/7", PID: 7, PPID: 1, Comm: comm, StartTicks: 70}, {Ref: "process:b/8", PID: 8, PPID: 7, Comm: "bash", StartTicks: 80},
			{Ref: "process:b/9", PID: 9, PPID: 8, Comm: "demine", StartTicks: 90},
		}}
		if by := a.operatorOf(snap); by.Session != want || by.Peer != "" {
			t.Errorf("%s: %+v", comm, by)
		}
	}
}
