package respond

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/judge"
)

// scripted is a host on which an interpreter of a package runs a miner twice,
// with a child, and somebody's application.
func scripted() *explain.Scan {
	s := accused()
	python, id := fact.Path("/usr/bin/python3.11"), fact.FileID{Dev: 1, Ino: 20}
	run := func(pid, ppid int, script string) fact.Process {
		return fact.Process{Ref: fact.ProcessRef("boot", pid, uint64(pid)), PID: pid, PPID: ppid, StartTicks: uint64(pid),
			Exe: python, ExeID: id, ExeFile: fact.FileRef(python), Argv: []string{"python3", script}, Cwd: "/tmp"}
	}
	s.Snapshot.Process = append(s.Snapshot.Process, run(90, 1, "/tmp/.x/w.py"), run(91, 1, "/opt/shop/app.py"), run(92, 1, ".x/w.py"),
		fact.Process{Ref: fact.ProcessRef("boot", 93, 93), PID: 93, PPID: 90, StartTicks: 93, Exe: "/usr/bin/curl", ExeID: fact.FileID{Dev: 1, Ino: 6},
			ExeFile: fact.FileRef("/usr/bin/curl")})
	s.Snapshot.File = append(s.Snapshot.File, fact.File{Ref: fact.FileRef(python), Path: python, ID: id, Package: "python3", Verified: "same"},
		fact.File{Ref: fact.FileRef("/tmp/.x/w.py"), Path: "/tmp/.x/w.py", Type: "regular", Size: 300})
	return s
}

// A script is stopped and taken away, not the interpreter, nor others that it
// runs.
func TestPlanScript(t *testing.T) {
	s := scripted()
	accuse(s, 90, judge.Confirmed)
	s.Findings[0].Remedy = append(s.Findings[0].Remedy, "file.quarantine")
	p := Make(s, Request{Kind: KindClean})
	var did []string
	for _, st := range p.Steps {
		did = append(did, st.Do+" "+st.Target)
		if st.Do == "file.quarantine" {
			continue
		}
		fam, err := decode[family](st.With)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]procID{{90, 90}, {92, 92}}, fam.Roots); d != "" || !fam.Alone || st.What.Args["n"] != 3 {
			t.Errorf("%s: %+v %s", st.Do, st, d)
		}
	}
	want := []string{"process.freeze /tmp/.x/w.py", "evidence.process /tmp/.x/w.py", "process.kill /tmp/.x/w.py", "file.quarantine /tmp/.x/w.py"}
	if d := cmp.Diff(want, did); d != "" {
		t.Error(d, ids(p.Left))
	}
}

// What is no script stays, whoever accuses it: a package owns the program.
func TestPlanInterpreterAlone(t *testing.T) {
	s := scripted()
	for i := range s.Snapshot.Process {
		if p := &s.Snapshot.Process[i]; p.PID == 90 {
			p.Argv = []string{"python3", "-c", "print()"}
		}
	}
	accuse(s, 90, judge.Confirmed)
	p := Make(s, Request{Kind: KindContain})
	if len(p.Steps) != 0 || len(p.Left) != 1 || p.Left[0].ID != "refuse.packaged" {
		t.Errorf("%+v %v", p.Steps, ids(p.Left))
	}
}

// TestAloneFamily: of a running program that others run too only the one that
// is meant is stopped, with its children.
func TestAloneFamily(t *testing.T) {
	sleep := programCopy(t, "sleep", "sleep")
	other, one := newTree(t).start(nil, sleep, "60"), newTree(t).start(nil, sleep, "60")
	if other.ExeID != one.ExeID {
		t.Fatal("two programs")
	}
	fam := familyNow(t, one)
	fam.Alone = true
	_, _, o := applyStep(t, processFreeze, liveWriter(), fam)
	if o.State != Done || !halted(one.PID) || halted(other.PID) {
		t.Errorf("%+v: meant %v, other %v", o, halted(one.PID), halted(other.PID))
	}
}
