package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"demine/internal/format/logscan"
	"demine/internal/format/weblog"
	"demine/patterns/logs"
)

func load(t *testing.T) ([]source, *weblog.Matcher) {
	t.Helper()
	sources, err := read("..")
	if err != nil {
		t.Fatal(err)
	}
	ms, err := logs.Load()
	if err != nil {
		t.Fatal(err)
	}
	var rules []weblog.Rule
	for _, m := range ms {
		rules = append(rules, weblog.Rule{Anchors: m.Anchors, Pattern: m.Pattern})
	}
	m, err := weblog.NewMatcher(rules)
	if err != nil {
		t.Fatal(err)
	}
	return sources, m
}

// TestCurrent: markers.bin is what go generate ./patterns/... would write.
func TestCurrent(t *testing.T) {
	sources, _ := load(t)
	want, err := encode(sources)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../markers.bin")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("markers.bin is old (%v): run go generate ./patterns/...", err)
	}
}

// TestSamples: each marker is found in its match samples by way of its own
// anchors, and none of the samples that it must not match has it.
func TestSamples(t *testing.T) {
	sources, m := load(t)
	for i, s := range sources {
		for _, line := range s.Match {
			if !slices.Contains(found(t, m, line), i) {
				t.Errorf("%s: not found in %q (%s)", s.ID, line, weblog.Plain([]byte(line)))
			}
		}
		for _, line := range s.Miss {
			for _, j := range found(t, m, line) {
				t.Errorf("%s: found in %q of %s", sources[j].ID, line, s.ID)
			}
		}
	}
}

func found(t *testing.T, m *weblog.Matcher, line string) (out []int) {
	t.Helper()
	_, err := m.Scanner().Scan(strings.NewReader(line+"\n"), func(l logscan.Line) error {
		out, _, _ = m.Match(l)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
