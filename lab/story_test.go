//go:build lab

package lab

import (
	"strings"
	"testing"
)

// TestStory: the whole incident as the operator lives it, over ssh, up to the open shop, as `make demo` plays it.
func TestStory(t *testing.T) {
	bin := product(t)
	h := boot(t, Config{Name: "story", Scenario: "seed"})
	s, err := h.Play(t.Context(), bin, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.Said["clean --yes"], "Gone") {
		t.Errorf("clean does not say what is gone: %s", s.Said["clean --yes"])
	}
	// How long customers waited is measured by `make demo`, not judged here: a busy machine slows any of these moments.
	for when, sum := range map[string]Summary{"before": s.Before, "mining": s.During, "contained": s.Contained, "after": s.After} {
		if sum.Orders == 0 || sum.Failed > 0 {
			t.Errorf("customers, %s: %s", when, sum)
		}
	}
}
