package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"demine/causes"
	"demine/internal/explain"
)

// Each case beside a cause is a tiny host with an incident, laid over
// rules/base.txtar. On hit* the cause must rank first, with the evidence that the
// first lines name ("for: ID"); on miss* it must not, and "unknown" must where the
// case says so ("first: unknown"). Every cause that is not shared has both.
func TestCauseCases(t *testing.T) {
	base, err := os.ReadFile("../../rules/base.txtar")
	if err != nil {
		t.Fatal(err)
	}
	hs, err := explain.LoadCauses(causes.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hs {
		if h.Shared {
			continue
		}
		for _, kind := range []string{"hit", "miss"} {
			files, _ := filepath.Glob(filepath.Join("../../causes", h.ID, kind+"*.txtar"))
			if len(files) == 0 {
				t.Errorf("%s has no %s case", h.ID, kind)
			}
			for _, file := range files {
				t.Run(h.ID+"/"+filepath.Base(file), func(t *testing.T) {
					checkCause(t, lookAt(t, base, file), h.ID, file)
				})
			}
		}
	}
}

func checkCause(t *testing.T, s *explain.Scan, cause, file string) {
	if len(s.Incidents) == 0 {
		t.Fatal("no incident")
	}
	cs := s.Incidents[0].Causes
	want := cause
	if strings.HasPrefix(filepath.Base(file), "miss") {
		want = ""
		for _, id := range said(t, file, "first: ") {
			want = id
		}
		if cs[0].ID == cause {
			t.Errorf("%s ranks first with %.3f", cause, cs[0].Score)
		}
	}
	if want != "" && cs[0].ID != want {
		for _, c := range cs {
			t.Logf("%s %.3f %s", c.ID, c.Score, ids(c.For))
		}
		t.Fatalf("first is %s, want %s", cs[0].ID, want)
	}
	if got := ids(cs[0].For); want == cause {
		for _, id := range said(t, file, "for: ") {
			if !slices.Contains(got, id) {
				t.Errorf("evidence %v, want %s", got, id)
			}
		}
	}
}

func ids(es []explain.Evidence) (out []string) {
	for _, e := range es {
		out = append(out, e.ID)
	}
	return out
}
