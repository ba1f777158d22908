package report

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
)

// later is a look at the infected host of the test data after something was
// done: change says what is different.
func later(t *testing.T, change func(s *explain.Scan)) *explain.Scan {
	t.Helper()
	s := load(t, "mining")
	s.ID, s.Taken = "S-20261121T114127-77aa", s.Taken.Add(4*time.Minute)
	if change != nil {
		change(s)
	}
	return s
}

// removed takes everything out that clean removes.
func removed(s *explain.Scan) {
	s.Verdict, s.Incidents, s.Schedule = explain.NothingFound, nil, nil
	s.Findings = slices.DeleteFunc(s.Findings, func(f judge.Finding) bool { return f.Class == judge.Attack })
	s.Load = explain.LoadCause{Cause: "none", CPUs: 16, Avg: [3]float64{0.9, 6, 7},
		Line: i18n.M("load.none", "avg", 0.9, "cpus", 16, "idle", 94.0)}
	s.Impact = []explain.Impact{{Process: "process:8f2c11aa/2211@5000", PID: 2211, Name: "java", Waits: 0.2, CPU: 90, Peers: 330},
		{Process: "process:8f2c11aa/20011@9900000", PID: 20011, Name: "mysqld", Waits: 0, CPU: 30}}
}

const (
	minerRef = "process:8f2c11aa/13343@8123456"
	cronRef  = "autostart:cron:/var/spool/cron/root#1f3a9b2c"
)

var lookedAgain = map[string]func(s *explain.Scan){
	"gone": removed,
	// The miner is gone; nobody accuses its job any more, but cron will run it.
	"job": func(s *explain.Scan) {
		removed(s)
		s.Snapshot = &fact.Snapshot{Autostart: []fact.Autostart{{Ref: cronRef}}, Process: []fact.Process{{Ref: minerRef, State: "Z"}}}
	},
	// After demine contain: it is all there, and does nothing.
	"frozen": func(s *explain.Scan) {
		in := s.Incidents[0]
		removed(s)
		s.Verdict, s.Incidents = explain.Mining, []explain.Incident{in}
		s.Snapshot = &fact.Snapshot{}
		for _, ref := range append([]fact.Ref{minerRef}, in.Implants[0].Members...) {
			s.Snapshot.Process = append(s.Snapshot.Process, fact.Process{Ref: ref, State: "T"})
		}
	},
	// One of its family still runs.
	"half-frozen": func(s *explain.Scan) {
		s.Snapshot = &fact.Snapshot{Process: []fact.Process{{Ref: minerRef, State: "T"}, {Ref: s.Incidents[0].Implants[0].Members[0], State: "R"}}}
	},
	// It came back under another pid.
	"back": func(s *explain.Scan) {
		in := s.Incidents[0]
		im := in.Implants[0]
		im.Ref, im.Members = "process:8f2c11aa/19001@8190000", nil
		removed(s)
		in.Implants = []explain.Implant{im}
		s.Verdict, s.Incidents = explain.Mining, []explain.Incident{in}
	},
	// This time keys could not be read.
	"blind": func(s *explain.Scan) {
		removed(s)
		s.Verdict, s.Impact = explain.Incomplete, nil
		for i := range s.Coverage {
			if s.Coverage[i].Observer == "key" {
				s.Coverage[i].State, s.Coverage[i].Gaps = fact.Failed, []fact.Gap{{Code: "no-permission", What: "/root/.ssh"}}
			}
		}
	},
	"same": nil,
}

func TestRemainsGolden(t *testing.T) {
	for name, change := range lookedAgain {
		for _, lang := range []string{i18n.English, i18n.Chinese} {
			t.Run(name+"."+lang, func(t *testing.T) {
				var b bytes.Buffer
				if err := Remains(&b, load(t, "mining"), later(t, change), Options{Catalogue: catalogue(t, lang)}); err != nil {
					t.Fatal(err)
				}
				shown(t, b.String(), 80)
				golden(t, "remains."+name+"."+lang, b.Bytes())
			})
		}
	}
}

// What is said of each implant of the first look.
func TestCompare(t *testing.T) {
	for name, want := range map[string][4]int{ // gone, still, new, unsure
		"gone":        {3, 0, 0, 0},
		"job":         {2, 1, 0, 0},
		"frozen":      {0, 3, 0, 0},
		"half-frozen": {0, 3, 0, 0},
		"back":        {3, 0, 1, 0},
		"blind":       {2, 0, 0, 1},
		"same":        {0, 3, 0, 0},
	} {
		c := compare(load(t, "mining"), later(t, lookedAgain[name]))
		if got := [4]int{len(c.gone), len(c.still), len(c.fresh), len(c.unsure)}; got != want {
			t.Errorf("%s: gone, still, new, unsure: got %v, want %v", name, got, want)
		}
	}
	// A finding about something that is no implant, and a rule that could not
	// be asked.
	before := later(t, func(s *explain.Scan) {
		s.Findings = append(s.Findings, judge.Finding{Rule: "redis/dir-in-autostart", Class: judge.Attack, Subject: "service:redis:6380"})
	})
	after := later(t, removed)
	if c := compare(before, after); len(c.gone) != 4 {
		t.Errorf("gone %d, want 4", len(c.gone))
	}
	after.Unknown = []judge.Unknown{{Rule: "redis/dir-in-autostart", Subject: "kind:service", Why: "unseen"}}
	if c := compare(before, after); len(c.gone) != 3 || len(c.unsure) != 1 {
		t.Errorf("gone %d, unsure %d, want 3 and 1", len(c.gone), len(c.unsure))
	}
}

func TestSeenAsWell(t *testing.T) {
	c := func(state fact.State, gaps ...fact.Gap) *explain.Scan {
		return &explain.Scan{Coverage: []fact.Coverage{{Observer: "key", Sees: []string{"key"}, State: state, Gaps: gaps}}}
	}
	one, two := fact.Gap{Code: "too-large"}, fact.Gap{Code: "too-large", Count: 2}
	for _, tt := range []struct {
		name          string
		before, after *explain.Scan
		want          bool
	}{
		{"both whole", c(fact.Seen), c(fact.Seen), true},
		{"now in part", c(fact.Seen), c(fact.Partial, one), false},
		{"both in part", c(fact.Partial, one), c(fact.Partial, one), true},
		{"less than before", c(fact.Partial, one), c(fact.Partial, two), false},
		{"more than before", c(fact.Failed), c(fact.Partial, one), true},
		{"failed", c(fact.Partial, one), c(fact.Failed), false},
		{"not looked", c(fact.Seen), &explain.Scan{}, false},
		{"never looked", &explain.Scan{}, c(fact.Seen), true},
	} {
		if got := seenAsWell(tt.before, tt.after, "key"); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestNextDue(t *testing.T) {
	s := load(t, "mining")
	next := s.Schedule[0].Next
	for _, tt := range []struct {
		name string
		now  time.Time
		want time.Time
	}{
		{"before it", next.Add(-time.Second), next},
		{"at it", next, next.Add(5 * time.Minute)},
		{"hours later", next.Add(2*time.Hour + time.Second), next.Add(2*time.Hour + 5*time.Minute)},
		{"by day it sleeps", next.Add(15 * time.Hour), time.Time{}},
	} {
		if got := nextDue(s, tt.now); !got.Equal(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	s.Schedule[0].Next, s.Schedule[0].Every, s.Schedule[0].Hours = time.Unix(0, 0), 1, nil
	if got := nextDue(s, next); !got.Equal(next.Add(time.Second)) {
		t.Errorf("every second since 1970: got %v", got)
	}
}

func TestRemainsHostileASCIINarrow(t *testing.T) {
	evil := load(t, "hostile")
	for name, after := range map[string]*explain.Scan{"same": evil, "gone": later(t, removed), "empty": {}} {
		for _, before := range []*explain.Scan{evil, load(t, "mining"), nil} {
			var plain, painted bytes.Buffer
			o := Options{Catalogue: catalogue(t, i18n.English), ASCII: true}
			if err := Remains(&plain, before, after, o); err != nil {
				t.Fatal(err)
			}
			shown(t, plain.String(), 80)
			if i := strings.IndexFunc(plain.String(), func(r rune) bool { return r != '\n' && (r < 0x20 || r > 0x7e) }); i >= 0 {
				t.Errorf("%s: not ASCII: %q", name, plain.String()[i:])
			}
			o.Color = true
			if err := Remains(&painted, before, after, o); err != nil {
				t.Fatal(err)
			}
			bare := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(painted.String(), "")
			if diff := cmp.Diff(plain.String(), bare); diff != "" {
				t.Errorf("%s: colour changes the text (-plain +painted):\n%s", name, diff)
			}
			var narrow bytes.Buffer
			if err := Remains(&narrow, before, after, Options{Catalogue: catalogue(t, i18n.Chinese), Width: 50}); err != nil {
				t.Fatal(err)
			}
			shown(t, narrow.String(), 50)
		}
	}
}
