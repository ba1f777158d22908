package respond_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/judge"
	. "demine/internal/respond"
	"demine/internal/store"
)

// startMiner starts a stand-in whose file is deleted then, with a child.
func startMiner(t *testing.T) (pid int, image []byte) {
	t.Helper()
	at, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	if image, err = os.ReadFile(at); err != nil {
		t.Fatal(err)
	}
	miner := filepath.Join(t.TempDir(), "busybox-minerd")
	if err := os.WriteFile(miner, image, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(miner, "sh", "-c", "/usr/bin/sleep 1000 & wait")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL); _ = c.Wait() })
	if err := os.Remove(miner); err != nil {
		t.Fatal(err)
	}
	return c.Process.Pid, image
}

// confirmed is a scan in which a process is a confirmed miner.
func confirmed(t *testing.T, h *host.Host, pid int) *explain.Scan {
	t.Helper()
	st, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(st[bytes.LastIndexByte(st, ')'):]))
	var ticks uint64
	if _, err := fmt.Sscan(f[20], &ticks); err != nil {
		t.Fatal(err)
	}
	link := fact.Path(fmt.Sprintf("/proc/%d/exe", pid))
	exe, err := h.Files.Readlink(link)
	if err != nil {
		t.Fatal(err)
	}
	i, err := h.Files.Stat(link)
	if err != nil {
		t.Fatal(err)
	}
	p := fact.Process{Ref: fact.ProcessRef("boot", pid, ticks), PID: pid, PPID: os.Getpid(), StartTicks: ticks, ExeDeleted: true,
		Exe: fact.Path(strings.TrimSuffix(string(exe), " (deleted)")), ExeID: i.ID, ExeFile: "file:minerd"}
	s := &fact.Snapshot{Host: fact.HostInfo{Self: os.Getpid()}, Taken: time.Now(), Process: []fact.Process{p}}
	return &explain.Scan{Snapshot: s, Host: s.Host, Taken: s.Taken,
		Incidents: []explain.Incident{{ID: "I-1", Certainty: judge.Confirmed, Findings: []string{"F-1"}}},
		Findings: []judge.Finding{{ID: "F-1", Class: judge.Attack, Certainty: judge.Confirmed, Subject: p.Ref,
			Remedy: []string{"process.freeze", "process.kill"}}}}
}

// From a finding to an implant that is stopped, goes on, is kept and ended:
// with the planners, the engine and the store as they are used.
func TestProcessRun(t *testing.T) {
	pid, image := startMiner(t)
	dir := t.TempDir()
	st, err := store.Open(filepath.Join(dir, "state"), store.Options{Run: filepath.Join(dir, "run")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	h := host.Live()
	w := &Writer{Host: h, Proc: LiveProcesses(), Vault: st}
	quiet := func(Progress) {}
	run := func(kind string) (string, []Outcome) {
		t.Helper()
		p := Make(confirmed(t, h, pid), Request{Kind: kind})
		if err := Survey(t.Context(), h, &p); err != nil {
			t.Fatal(err)
		}
		name, err := st.Begin(p, Operator{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := Apply(t.Context(), w, st, name, p, quiet)
		if err != nil {
			t.Fatalf("%s: %v %+v", kind, err, out)
		}
		return name, out
	}
	undo := func(name string, opt UndoOptions, want string) {
		t.Helper()
		rs, err := st.Records(name)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Undo(t.Context(), w, st, Fold(name, rs), opt, quiet)
		if err != nil || len(out) != 1 || out[0].State != want {
			t.Fatalf("undo: %v %+v", err, out)
		}
	}
	contain, _ := run(KindContain)
	if s := state(pid); s != "T" {
		t.Fatalf("contained, it is %s", s)
	}
	undo(contain, UndoOptions{}, Left)
	if s := state(pid); s != "T" {
		t.Fatalf("after an undo that leaves implants it is %s", s)
	}
	undo(contain, UndoOptions{RestoreImplant: true}, Undone)
	if s := state(pid); s != "S" && s != "R" {
		t.Fatalf("after an undo with implants it is %s", s)
	}
	clean, out := run(KindClean)
	if s := state(pid); s != "Z" && s != "" {
		t.Errorf("after the clean it is %s", s)
	}
	var states []string
	for _, o := range out {
		states = append(states, o.State)
	}
	if diff := cmp.Diff([]string{Done, Done, Done}, states); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	holds(t, st, clean, image)
}

func state(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	return string(b[bytes.LastIndexByte(b, ')')+2])
}

// holds: the evidence that the journal names has the image in it.
func holds(t *testing.T, st *store.Store, run string, image []byte) {
	t.Helper()
	rs, err := st.Records(run)
	if err != nil {
		t.Fatal(err)
	}
	r := Fold(run, rs)
	i := slices.IndexFunc(r.Plan.Steps, func(s Step) bool { return s.Do == "evidence.process" })
	if i < 0 {
		t.Fatal("no evidence was planned")
	}
	b, err := EvidenceOf(r.Undo[r.Plan.Steps[i].ID])
	if err != nil {
		t.Fatal(err)
	}
	f, err := st.Get(b)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tar, err := io.ReadAll(f)
	if err != nil || !bytes.Contains(tar, image) {
		t.Errorf("%d bytes of evidence do not hold the image: %v", len(tar), err)
	}
}
