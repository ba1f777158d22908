package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/lease"
)

// A crash that cut off a line costs that line alone: the next event says how
// much was lost, and the chain holds.
func TestTrailAfterCrash(t *testing.T) {
	s, dir := leaseStore(t)
	tell(t, s, lease.DidOpen)
	tell(t, s, lease.DidClose)
	p := filepath.Join(dir, leaseDir, trailFile)
	b, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, append(b, b[:20]...), 0o600); err != nil {
		t.Fatal(err)
	}
	if ts, err := s.Trails(func(lease.Event) {}); err != nil || len(ts) != 1 || ts[0].Torn != 20 || ts[0].Lines != 2 || ts[0].Broken != 0 {
		t.Errorf("after the crash: %+v, %v", ts, err)
	}
	head := tell(t, s, lease.DidEnd)
	var kinds []string
	torn := 0
	ts, err := s.Trails(func(e lease.Event) { kinds, torn = append(kinds, e.Kind), torn+e.Torn })
	if err != nil || torn != 20 || len(ts) != 1 || ts[0].Head != head || ts[0].Broken != 0 || ts[0].Torn != 0 {
		t.Errorf("%d bytes lost, %+v, %v", torn, ts, err)
	}
	if diff := cmp.Diff([]string{lease.DidOpen, lease.DidClose, lease.DidEnd}, kinds); diff != "" {
		t.Error(diff)
	}
}

// A line that somebody changed is found by the next one, also after others were
// added.
func TestTrailChanged(t *testing.T) {
	s, dir := leaseStore(t)
	for range 3 {
		tell(t, s, lease.DidOpen)
	}
	p := filepath.Join(dir, leaseDir, trailFile)
	b, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	lines[1] = bytes.Replace(lines[1], []byte(lease.DidOpen), []byte(lease.DidClose), 1)
	if err := os.WriteFile(p, bytes.Join(lines, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	tell(t, s, lease.DidClose)
	var told []bool
	ts, err := s.Trails(func(e lease.Event) { told = append(told, !e.Unproved) })
	if err != nil || len(ts) != 1 || ts[0].Broken != 3 || ts[0].Lines != 1 || ts[0].Path.String() != p || ts[0].Memory {
		t.Errorf("%+v, %v", ts, err)
	}
	if diff := cmp.Diff([]bool{true, false, false, false}, told); diff != "" {
		t.Error(diff)
	}
}

// The trail that was kept in memory while the disk took nothing is told behind the
// other, and as what it is.
func TestTrailInMemory(t *testing.T) {
	s, _ := leaseStore(t)
	tell(t, s, lease.DidOpen)
	s.home = s.mem
	tell(t, s, lease.DidClose)
	ts, err := s.Trails(func(lease.Event) {})
	if err != nil || len(ts) != 2 || ts[0].Memory || !ts[1].Memory || ts[1].Path.String() != filepath.Join(s.mem.path, leaseDir, trailFile) {
		t.Errorf("%+v, %v", ts, err)
	}
}

// Where the disk was full for a while, the list that was written last counts.
func TestLeasesNewest(t *testing.T) {
	s, _ := leaseStore(t)
	for _, at := range []*folder{s.disk, s.mem, s.disk} {
		s.home = at
		ls, err := s.Leases()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SaveLeases(append(ls, lease.Lease{ID: at.path})); err != nil {
			t.Fatal(err)
		}
	}
	ls, err := s.Leases()
	if err != nil || len(ls) != 3 || ls[1].ID != s.mem.path {
		t.Errorf("%d leases, %v", len(ls), err)
	}
}

func leaseStore(t *testing.T) (*Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	s, err := Open(dir, Options{Run: filepath.Join(t.TempDir(), "run")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, dir
}

func tell(t *testing.T, s *Store, kind string) string {
	t.Helper()
	sum, err := s.Tell(lease.Event{Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// The list knows the last line of the trail that was told before it was written,
// in whatever process.
func TestListKnowsTrail(t *testing.T) {
	s, dir := leaseStore(t)
	ever := func(want bool, told string) {
		t.Helper()
		r, err := Read(dir, Options{Run: filepath.Join(dir, "run")})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		ls, err := r.Leases()
		if rec := r.LeaseRecords(ls); err != nil || rec.Ever != want || rec.Told != told {
			t.Errorf("%+v, want %t, %s; %v", rec, want, told, err)
		}
	}
	first := tell(t, s, lease.Intend)
	ever(false, "")
	if err := s.SaveLeases(nil); err != nil {
		t.Fatal(err)
	}
	tell(t, s, lease.DidOpen)
	ever(true, first)
	if _, err := s.Leases(); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveLeases(nil); err != nil { // nothing was told meanwhile
		t.Fatal(err)
	}
	ever(true, first)
}
