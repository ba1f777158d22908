package respond

import (
	"context"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"demine/internal/host"
)

// crowd is so many idle processes.
func crowd(b *testing.B, n int) {
	b.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		b.Fatal(err)
	}
	for range n {
		c := exec.Command(sleep, "1000")
		if err := c.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	}
}

// BenchmarkFreeze is from the decision to a family of nine that stands still,
// among 1,000 processes, with all CPUs taken by the family, at the priority
// that demine has then: look, gather the undo data, freeze. It must stay below 100 ms.
func BenchmarkFreeze(b *testing.B) {
	crowd(b, 1000)
	b.Cleanup(host.RaisePriority())
	miner := programCopy(b, "busybox", "busybox-minerd")
	c := exec.Command(miner, "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do (while :; do :; done) & done; wait")
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	root, err := procOf(host.Live(), c.Process.Pid)
	if err != nil {
		b.Fatal(err)
	}
	w := liveWriter()
	fam := family{Exe: root.Exe, ID: root.ExeID, Roots: []procID{root.id()}}
	b.Cleanup(func() { _, _ = killFamily(context.Background(), w, fam, struct{}{}); _ = c.Wait() })
	var undo []byte
	s := &Step{ID: 1, Do: processFreeze.Name, With: encode(fam)}
	for b.Loop() {
		if _, err = processFreeze.Look(b.Context(), w.Host, s); err != nil {
			b.Fatal(err)
		}
		if undo, err = processFreeze.Prepare(b.Context(), w, s); err != nil {
			b.Fatal(err)
		}
		if _, err = processFreeze.Do(b.Context(), w, s, undo); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := processFreeze.Undo(b.Context(), w, s, undo); err != nil {
			b.Fatal(err)
		}
		for state, err := stateOf(w.Host, root.id()); err == nil && state == 'T'; state, err = stateOf(w.Host, root.id()) {
		}
		b.StartTimer()
	}
}

// BenchmarkProcesses lists 1,000 processes. It must stay below 30 ms.
func BenchmarkProcesses(b *testing.B) {
	crowd(b, 1000)
	b.Cleanup(host.RaisePriority())
	h := host.Live()
	for b.Loop() {
		if _, err := processes(b.Context(), h); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignal is one signal, with the check of who gets it.
func BenchmarkSignal(b *testing.B) {
	c := exec.Command("/usr/bin/sleep", "1000")
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	p, err := procOf(host.Live(), c.Process.Pid)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := LiveProcesses().Signal(p, unix.SIGCONT); err != nil {
			b.Fatal(err)
		}
	}
}
