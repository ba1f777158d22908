package agent

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/host/fixture"
	"demine/internal/judge"
)

// Each case beside a rule is a tiny host, laid over rules/base.txtar. On hit*
// the rule must fire, on miss* not, and no other attack rule unless the first
// lines of the case say "also: ID". Every "unless" must excuse some miss case.
func TestRuleCases(t *testing.T) {
	base, err := os.ReadFile("../../rules/base.txtar")
	if err != nil {
		t.Fatal(err)
	}
	cases, _ := filepath.Glob("../../rules/*/*/*.txtar")
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	excused := map[string]bool{}
	for _, file := range cases {
		dir := filepath.Dir(file)
		rule := filepath.Base(filepath.Dir(dir)) + "/" + filepath.Base(dir)
		t.Run(rule+"/"+filepath.Base(file), func(t *testing.T) {
			s := lookAt(t, base, file)
			for _, e := range s.Excused {
				if strings.HasPrefix(filepath.Base(file), "miss") && e.Rule == rule {
					excused[rule+" unless "+e.Reason] = true
				}
			}
			checkCase(t, s, rule, file)
		})
	}
	a := newAgent(t, base)
	for _, r := range a.Rules() {
		for _, e := range r.Unless {
			if !excused[r.ID+" unless "+e.ID] {
				t.Errorf("%s: no miss case is excused by %q", r.ID, e.ID)
			}
		}
	}
}

// loaded has the content, compiled once for all cases: that takes longer than
// a look at one of them.
var loaded = sync.OnceValues(func() (*Agent, error) {
	h, err := fixture.Parse(nil)
	if err != nil {
		return nil, err
	}
	return New(h, slog.New(slog.DiscardHandler))
})

func newAgent(t *testing.T, fixtureText []byte) *Agent {
	h, err := fixture.Parse(fixtureText)
	if err != nil {
		t.Fatal(err)
	}
	a, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	one := *a
	one.h, one.began = h, h.Now()
	return &one
}

func lookAt(t *testing.T, base []byte, file string) *explain.Scan {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	a := newAgent(t, append(slices.Clone(base), b...))
	s, err := a.Look(context.Background(), wanted(t, a, file), func(Event) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Coverage {
		for _, g := range c.Gaps {
			if g.Code == "panic" || strings.Contains(g.Detail, "may not read") {
				t.Errorf("observer %s: %s %s %s", c.Observer, g.Code, g.What, g.Detail)
			}
		}
	}
	return s
}

func checkCase(t *testing.T, s *explain.Scan, rule, file string) {
	var fired []string
	for _, f := range s.Findings {
		if f.Rule == rule || f.Class == judge.Attack {
			fired = append(fired, f.Rule)
		}
	}
	for _, u := range s.Unknown {
		if u.Rule == rule && u.Why == "error" {
			t.Errorf("the rule failed on %s: %s", u.Subject, u.Detail)
		}
	}
	also := alsoFires(t, file)
	hit := strings.HasPrefix(filepath.Base(file), "hit")
	if got := slices.Contains(fired, rule); got != hit {
		t.Errorf("fired: %v, want %v (all that fired: %v)", got, hit, fired)
	}
	for _, id := range also {
		if !slices.Contains(fired, id) {
			t.Errorf("the case says that %s fires too; it does not", id)
		}
	}
	for _, id := range fired {
		if id != rule && !slices.Contains(also, id) {
			t.Errorf("%s fired too, and the case does not name it", id)
		}
	}
}

func alsoFires(t *testing.T, file string) []string { return said(t, file, "also: ") }

// wanted is what the first lines of a case ask for: "deep: FOLDERS" to search,
// "yara: FILES" of the case that hold rules.
func wanted(t *testing.T, a *Agent, file string) Want {
	w := Want{KeepSnapshot: true, Wire: time.Second}
	for _, p := range said(t, file, "deep: ") {
		w.Deep = append(w.Deep, fact.Path(p))
	}
	var rules []YaraSource
	for _, p := range said(t, file, "yara: ") {
		b, _, err := a.h.Files.ReadFile(fact.Path(p), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, YaraSource{Name: p, Text: b})
	}
	if len(rules) == 0 {
		return w
	}
	var err error
	if w.Yara, err = ParseYara(rules...); err != nil {
		t.Fatal(err)
	}
	return w
}

// said gives the words after a word at the head of a case.
func said(t *testing.T, file, word string) (out []string) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(b), "\n-- ")
	for line := range strings.Lines(head) {
		if rest, ok := strings.CutPrefix(line, word); ok {
			out = append(out, strings.Fields(rest)...)
		}
	}
	return out
}
