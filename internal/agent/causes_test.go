package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"demine/causes"
	"demine/internal/explain"
	"demine/internal/i18n"
	"demine/internal/judge"
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
	for _, c := range cs {
		checkWords(t, c)
	}
	if got := ids(cs[0].For); want == cause {
		checkLead(t, cs)
		for _, id := range said(t, file, "for: ") {
			if !slices.Contains(got, id) {
				t.Errorf("evidence %v, want %s", got, id)
			}
		}
		for _, id := range said(t, file, "against: ") {
			if got := ids(cs[0].Against); !slices.Contains(got, id) {
				t.Errorf("evidence against it %v, want %s", got, id)
			}
		}
	}
}

// The right cause is well ahead of the next, but for those of the same root:
// both ways in through Redis, or both by SSH, call for the same.
func checkLead(t *testing.T, cs []explain.Cause) {
	root := func(id string) string { a, _, _ := strings.Cut(id, "-"); return a }
	if len(cs) > 1 && root(cs[1].ID) != root(cs[0].ID) && cs[0].Score-cs[1].Score < 0.1 {
		t.Errorf("%s (%.3f) is hardly ahead of %s (%.3f)", cs[0].ID, cs[0].Score, cs[1].ID, cs[1].Score)
	}
}

// What is said of a cause has all its words.
func checkWords(t *testing.T, c explain.Cause) {
	said := []i18n.Message{c.Title, c.Fix}
	for _, e := range slices.Concat(c.For, c.Against, c.Missing) {
		said = append(said, e.Message)
	}
	for _, m := range said {
		for name, v := range m.Args {
			if v == "?" || v == nil {
				t.Errorf("%s: {%s} is %v", m.ID, name, v)
			}
		}
	}
}

// Cases of no cause: who got in how cannot be told.
func TestCauseUnknown(t *testing.T) {
	base, err := os.ReadFile("../../rules/base.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		first     string
		certainty string
		missing   []string
	}{
		"nothing":    {"unknown", judge.Possible, nil},
		"wiped":      {"unknown", judge.Possible, []string{"log-wiped"}},
		"open":       {"postgresql", judge.Possible, []string{"no-trace"}},
		"background": {"unknown", judge.Possible, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := lookAt(t, base, filepath.Join("testdata", "causes", name+".txtar"))
			if len(s.Incidents) != 1 {
				t.Fatalf("%d incidents", len(s.Incidents))
			}
			got := s.Incidents[0].Causes[0]
			if got.ID != c.first || got.Certainty != c.certainty || !slices.Equal(ids(got.Missing), c.missing) {
				t.Errorf("%s, %s (%.3f), for %v, missing %v", got.ID, got.Certainty, got.Score, ids(got.For), ids(got.Missing))
			}
			checkWords(t, got)
		})
	}
}

func ids(es []explain.Evidence) (out []string) {
	for _, e := range es {
		out = append(out, e.ID)
	}
	return out
}
