package respond

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"demine/internal/host"
	"demine/internal/i18n"
)

// All that runs the image and all that it started stand still, nothing else
// does, and the undo continues those that the freeze has stopped.
func TestProcessFreeze(t *testing.T) {
	tr, bystanders := newTree(t), &tree{t, "DEMINE_BYSTANDER=1"}
	miner := programCopy(t, "busybox", "busybox-minerd")
	root := tr.start(nil, miner, "sh", "-c", "/usr/bin/sleep 1000 & "+miner+" sleep 1000 & wait")
	twin := tr.start(nil, miner, "sleep", "1000")
	paused := tr.start(nil, miner, "sleep", "1001")
	other := bystanders.start(nil, programCopy(t, "busybox", "busybox-minerd"), "sleep", "1000")
	t.Cleanup(func() { _ = unix.Kill(other.PID, unix.SIGKILL) })
	tr.grown(5)
	pollFor(t, "the child has done its exec", func() bool { return len(childrenOf(t, root.PID)) == 2 })
	_ = unix.Kill(paused.PID, unix.SIGSTOP)
	pollFor(t, "one stands still before", func() bool { return halted(paused.PID) })

	w := liveWriter()
	s, undo, o := applyStep(t, processFreeze, w, familyNow(t, root))
	if o.State != Done {
		t.Fatalf("%+v", o)
	}
	for pid, state := range tr.all() {
		if state != 'T' {
			t.Errorf("%d is %c", pid, state)
		}
	}
	if halted(other.PID) {
		t.Error("a process of another file with the same name was stopped")
	}
	if e, err := processFreeze.Look(t.Context(), w.Host, s); !errors.Is(err, ErrNothing) {
		t.Errorf("look again: %s %v", e, err)
	}
	if err := processFreeze.Undo(t.Context(), w, s, undo); err != nil {
		t.Fatal(err)
	}
	pollFor(t, "they go on", func() bool { return !halted(root.PID) && !halted(twin.PID) })
	if !halted(paused.PID) {
		t.Error("one that somebody else had stopped goes on")
	}
	if err := processFreeze.Undo(t.Context(), w, s, undo); !errors.Is(err, ErrNothing) {
		t.Errorf("undo again: %v", err)
	}
	if e, err := processFreeze.Look(t.Context(), w.Host, s); err != nil || !same(e, s.Expect) {
		t.Errorf("look after undo: %s %v", e, err)
	}
}

func childrenOf(t *testing.T, pid int) []string {
	t.Helper()
	var out []string
	tasks, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range tasks {
		b, err := os.ReadFile(f)
		if i := strings.LastIndexByte(string(b), ')'); err == nil && i > 0 && strings.HasPrefix(string(b[i+4:]), fmt.Sprint(pid, " ")) {
			out = append(out, f)
		}
	}
	return out
}

// A tree that goes on forking while it is frozen is frozen whole.
func TestProcessFreezeForking(t *testing.T) {
	tr := newTree(t)
	miner := programCopy(t, "busybox", "busybox-minerd")
	grow := "i=0; while [ $i -lt 60 ]; do /usr/bin/sleep 1000 & i=$((i+1)); done; wait"
	root := tr.start(nil, miner, "sh", "-c", "("+grow+") & ("+grow+") & "+grow)
	tr.grown(10)
	_, _, o := applyStep(t, processFreeze, liveWriter(), familyNow(t, root))
	if o.State != Done || o.Detail.ID != "process.frozen" {
		t.Fatalf("%+v", o)
	}
	n := len(tr.all())
	for pid, state := range tr.all() {
		if state != 'T' {
			t.Errorf("%d is %c", pid, state)
		}
	}
	if len(tr.all()) != n || o.Detail.Args["n"] != n {
		t.Errorf("%d, then %d processes; told %v", n, len(tr.all()), o.Detail.Args["n"])
	}
}

// A child whose parent has ended is found by the session that it was born in.
func TestProcessFreezeReparented(t *testing.T) {
	tr := newTree(t)
	miner := programCopy(t, "busybox", "busybox-minerd")
	root := tr.start(&syscall.SysProcAttr{Setsid: true}, miner, "sh", "-c", "(/usr/bin/sleep 1000 &) ; while :; do :; done")
	var orphan Proc
	pollFor(t, "there is an orphan", func() bool {
		for pid := range tr.all() {
			p, err := procOf(host.Live(), pid)
			if err == nil && pid != root.PID && p.PPID != root.PID && p.Exe == "/usr/bin/sleep" {
				orphan = p
			}
		}
		return orphan.PID != 0
	})
	_, _, o := applyStep(t, processFreeze, liveWriter(), familyNow(t, root))
	if o.State != Done || !halted(root.PID) || !halted(orphan.PID) {
		t.Errorf("%+v; orphan %+v stands still: %v", o, orphan, halted(orphan.PID))
	}
}

// A deleted image is still an image.
func TestProcessFreezeDeleted(t *testing.T) {
	tr := newTree(t)
	miner := programCopy(t, "sleep", "minerd")
	root := tr.start(nil, miner, "1000")
	fam := familyNow(t, root)
	if err := os.Remove(miner); err != nil {
		t.Fatal(err)
	}
	if _, _, o := applyStep(t, processFreeze, liveWriter(), fam); o.State != Done || !halted(root.PID) {
		t.Errorf("%+v", o)
	}
}

// Another file in the image's place is not the implant; neither is a process
// that was given its pid.
func TestProcessDrifted(t *testing.T) {
	tr := newTree(t)
	miner := programCopy(t, "sleep", "minerd")
	root := tr.start(nil, miner, "1000")
	fam := familyNow(t, root)
	if err := os.Rename(programCopy(t, "sleep", "minerd"), miner); err != nil {
		t.Fatal(err)
	}
	second := tr.start(nil, miner, "1000")
	w := liveWriter()
	s, _, o := applyStep(t, processFreeze, w, fam)
	if o.State != Done || o.Detail.ID != "process.and-others" || !halted(root.PID) || halted(second.PID) {
		t.Errorf("both there: %+v", o)
	}
	_ = unix.Kill(root.PID, unix.SIGKILL)
	pollFor(t, "the root ends", func() bool { _, ok := stateNow(root.PID); return !ok })
	if _, err := processFreeze.Look(t.Context(), w.Host, s); !errors.Is(err, ErrDrifted) {
		t.Errorf("only the other file: %v", err)
	}
	fam.Roots = []procID{{second.PID, second.Start - 1}} // the pid belongs to another now
	if _, _, o := applyStep(t, processFreeze, w, fam); o.State != Drifted || halted(second.PID) {
		t.Errorf("pid given anew: %+v", o)
	}
	_ = unix.Kill(second.PID, unix.SIGKILL)
	pollFor(t, "all end", func() bool { return len(tr.all()) == 0 })
	if _, err := processFreeze.Look(t.Context(), w.Host, s); !errors.Is(err, ErrNothing) {
		t.Errorf("gone: %v", err)
	}
}

// The image that is started again by somebody else is the same implant, unless
// its file was changed.
func TestProcessRestarted(t *testing.T) {
	tr := newTree(t)
	miner := programCopy(t, "sleep", "minerd")
	root := tr.start(nil, miner, "1000")
	fam := familyNow(t, root)
	_ = unix.Kill(root.PID, unix.SIGKILL)
	pollFor(t, "it ends", func() bool { _, ok := stateNow(root.PID); return !ok })
	again := tr.start(nil, miner, "1000")
	if _, _, o := applyStep(t, processFreeze, liveWriter(), fam); o.State != Done || !halted(again.PID) {
		t.Errorf("%+v", o)
	}
	fam.Size++
	if _, _, o := applyStep(t, processFreeze, liveWriter(), fam); o.State != Drifted {
		t.Errorf("changed: %+v", o)
	}
}

// A freeze that a crash cut off counts as done, so that its undo continues what
// it had stopped.
func TestProcessFreezeCutOff(t *testing.T) {
	tr := newTree(t)
	miner := programCopy(t, "sleep", "minerd")
	root, twin := tr.start(nil, miner, "1000"), tr.start(nil, miner, "1001")
	w := liveWriter()
	s := &Step{ID: 1, Do: processFreeze.Name, With: encode(familyNow(t, root))}
	e, err := processFreeze.Look(t.Context(), w.Host, s)
	if err != nil {
		t.Fatal(err)
	}
	s.Expect = e
	undo, err := processFreeze.Prepare(t.Context(), w, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Proc.Signal(root, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	pollFor(t, "one stands still", func() bool { return halted(root.PID) })
	if o := resolve(t.Context(), w, s); o.State != Done {
		t.Errorf("settled as %+v", o)
	}
	if err := processFreeze.Undo(t.Context(), w, s, undo); err != nil || halted(twin.PID) {
		t.Error(err)
	}
	pollFor(t, "it goes on", func() bool { return !halted(root.PID) })
}

func TestProcessMessages(t *testing.T) {
	for _, lang := range []string{i18n.English, i18n.Chinese} {
		c := i18n.Load(lang)
		k := kin{members: []Proc{{PID: 7}, {PID: 8}}, spared: []*Refusal{refusal("refuse.serves", "nginx", 9)}, others: []Proc{{PID: 10, Exe: "/var/tmp/minerd"}}}
		text := c.Text(toldKin("process.frozen", k))
		for _, part := range []string{"7", "8", "nginx", "9", "/var/tmp/minerd"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q lacks %s", lang, text, part)
			}
		}
	}
}
