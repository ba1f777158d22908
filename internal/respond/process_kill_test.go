package respond

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"demine/internal/host"
)

// The whole family ends, nothing else does.
func TestProcessKill(t *testing.T) {
	tr := newTree(t)
	miner := programCopy(t, "busybox", "busybox-minerd")
	root := tr.start(nil, miner, "sh", "-c", "trap '' TERM INT HUP; /usr/bin/sleep 1000 & "+miner+" sleep 1000 & wait")
	other := tr.start(nil, programCopy(t, "sleep", "minerd"), "1000")
	tr.grown(4)
	w := liveWriter()
	s, undo, o := applyStep(t, processKill, w, familyNow(t, root))
	if o.State != Done || o.Detail.ID != "process.ended" || o.Detail.Args["n"] != 3 {
		t.Fatalf("%+v", o)
	}
	if left := tr.all(); len(left) != 1 || left[other.PID] == 0 {
		t.Errorf("there are %v, want %d", left, other.PID)
	}
	if _, err := processKill.Look(t.Context(), w.Host, s); !errors.Is(err, ErrNothing) {
		t.Errorf("look again: %v", err)
	}
	if err := processKill.Undo(t.Context(), w, s, undo); !errors.Is(err, ErrNothing) {
		t.Errorf("undo: %v", err)
	}
}

// What a watchdog outside of the family starts again and again is left frozen.
func TestProcessKillWatchdog(t *testing.T) {
	tr := newTree(t)
	miner := programCopy(t, "sleep", "minerd")
	dog := tr.start(nil, "/bin/sh", "-c", "while :; do "+miner+" 1000; done")
	tr.grown(2)
	var root Proc
	pollFor(t, "the miner runs", func() bool {
		for pid := range tr.all() {
			if p, err := procOf(host.Live(), pid); err == nil && string(p.Exe) == miner {
				root = p
			}
		}
		return root.PID != 0
	})
	_, _, o := applyStep(t, processKill, liveWriter(), familyNow(t, root))
	if o.State != Failed || !strings.Contains(o.Error, "started again by process") {
		t.Errorf("%+v", o)
	}
	if halted(dog.PID) {
		t.Error("the watchdog was stopped: ancestors are never")
	}
	ps := tr.all()
	delete(ps, dog.PID)
	if len(ps) != 1 {
		t.Fatalf("there are %v", ps)
	}
	for pid, state := range ps {
		if state != 'T' {
			t.Errorf("%d is %c", pid, state)
		}
	}
}

// The evidence holds the deleted image byte by byte, and no password.
func TestProcessEvidence(t *testing.T) {
	tr := newTree(t)
	miner := programCopy(t, "sleep", "minerd")
	image, err := os.ReadFile(miner)
	if err != nil {
		t.Fatal(err)
	}
	root := tr.start(nil, miner, "1000")
	fam := familyNow(t, root)
	if err := os.Remove(miner); err != nil {
		t.Fatal(err)
	}
	w := liveWriter()
	_, _, o := applyStep(t, processEvidence, w, traces{fam, evidenceLimit})
	if o.State != Done || o.Detail.Args["n"] != 1 {
		t.Fatalf("%+v", o)
	}
	names, files := untar(t, w.Vault.(processVault)[o.Detail.Args["blob"].(string)])
	if names[0] != "image" || !bytes.Equal(files["image"], image) {
		t.Errorf("%s is first and has %d bytes; the image has %d", names[0], len(files["image"]), len(image))
	}
	for name, part := range map[string]string{"cmdline": "1000", "environ": "HOME=/nonexistent", "links": "cwd -> /\n", "status": "Name:\tminerd", "maps": "(deleted)"} {
		at := pidPath(root.PID).String()[len("/proc/"):] + "/" + name
		if !strings.Contains(string(files[at]), part) {
			t.Errorf("%s lacks %q: %q", at, part, files[at])
		}
		if strings.Contains(string(files[at]), "hunter2") {
			t.Errorf("%s holds a password", at)
		}
	}
	if halted(root.PID) {
		t.Error("looking stopped it")
	}
}

// Evidence stays within its limit; the rest comes before the end of the image.
func TestProcessEvidenceLimit(t *testing.T) {
	tr := newTree(t)
	root := tr.start(nil, programCopy(t, "busybox", "busybox-minerd"), "sleep", "1000")
	var b bytes.Buffer
	a := newArchive(host.Live(), &b, 100_000)
	if err := a.family(t.Context(), familyNow(t, root), []Proc{root}); err != nil {
		t.Fatal(err)
	}
	names, files := untar(t, b.Bytes())
	sum := 0
	for _, f := range files {
		sum += len(f)
	}
	if names[0] != "image.part" || len(files["image.part"]) != 90_000 || sum > 100_000 || !slices.Contains(names, names[0]) || len(names) < 4 {
		t.Errorf("%v: %d bytes", names, sum)
	}
}

func untar(t *testing.T, b []byte) (names []string, files map[string][]byte) {
	t.Helper()
	files = map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, files
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}
