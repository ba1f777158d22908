package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/judge"
)

func TestAllowances(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir+"/state", Options{Run: dir + "/run"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	until := time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)
	var want []judge.Allowance
	for _, path := range []string{"A1", "A2"} {
		a, err := s.Allow(judge.Allowance{SHA256: "aa", Why: "the owner's", Until: until})
		if err != nil || a.ID != path {
			t.Fatalf("%v %v", a, err)
		}
		want = append(want, a)
	}
	if err := s.Disallow("A7"); !errors.Is(err, ErrNone) {
		t.Errorf("one that is not there: %v", err)
	}
	if err := s.Disallow("A1"); err != nil {
		t.Fatal(err)
	}
	r, err := Read(dir+"/state", Options{Run: dir + "/run"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := r.Allowances()
	if d := cmp.Diff(want[1:], got); d != "" || err != nil {
		t.Error(err, d)
	}
	// A name is not given twice while another stands.
	if a, err := s.Allow(judge.Allowance{}); err != nil || a.ID != "A3" {
		t.Errorf("%v %v", a, err)
	}
}
