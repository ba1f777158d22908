package main

import (
	"bytes"
	"os"
	"testing"

	"demine/internal/format/pattern"
	"demine/patterns"
)

func load(t *testing.T) (*pattern.Set, []source) {
	t.Helper()
	sources, err := read("..")
	if err != nil {
		t.Fatal(err)
	}
	ps, err := patterns.Load()
	if err != nil {
		t.Fatal(err)
	}
	set, err := pattern.Compile(ps)
	if err != nil {
		t.Fatal(err)
	}
	if set.Len() != len(sources) {
		t.Fatalf("%d patterns of %d entries: run go generate ./patterns", set.Len(), len(sources))
	}
	return set, sources
}

// TestCurrent: patterns.bin is what go generate ./patterns would write.
func TestCurrent(t *testing.T) {
	sources, err := read("..")
	if err != nil {
		t.Fatal(err)
	}
	want, err := encode(sources)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../patterns.bin")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("patterns.bin is old (%v): run go generate ./patterns", err)
	}
}

func TestSamples(t *testing.T) {
	set, sources := load(t)
	for id, s := range sources {
		if set.At(id).ID != s.ID {
			t.Fatalf("pattern %d is %s, not %s", id, set.At(id).ID, s.ID)
		}
		for _, m := range s.Match {
			if !has(t, set, id, m) {
				t.Errorf("%s: not found in %q", s.ID, m)
			}
		}
		for _, m := range s.Miss {
			if has(t, set, id, m) {
				t.Errorf("%s: found in %q", s.ID, m)
			}
		}
	}
}

func has(t *testing.T, set *pattern.Set, id int, text string) bool {
	t.Helper()
	b, err := sample(text)
	if err != nil {
		t.Fatal(err)
	}
	yes := false
	set.Scan(b, func(got, _ int) { yes = yes || got == id })
	return yes
}

// TestNotInClear scans the program that runs, which has the embedded list and
// all of the matcher in it, and the list by itself.
func TestNotInClear(t *testing.T) {
	set, _ := load(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{self, "../patterns.bin"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		set.Scan(b, func(id, off int) { t.Errorf("%s: %s stands in clear at %d", name, set.At(id).ID, off) })
	}
}

// TestQuiet: no program of a stock system has a conclusive or strong pattern.
func TestQuiet(t *testing.T) {
	set, _ := load(t)
	names, err := os.ReadDir("/usr/bin")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range names {
		if n > 64<<20 {
			break
		}
		b, err := os.ReadFile("/usr/bin/" + e.Name())
		if err != nil {
			continue
		}
		n += len(b)
		set.Scan(b, func(id, off int) {
			if p := set.At(id); p.Strength != pattern.Weak {
				t.Errorf("%s: %s at %d", e.Name(), p.ID, off)
			}
		})
	}
}
