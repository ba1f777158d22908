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
	if s.During.P95 <= s.Before.P95 || s.After.P95 >= s.During.P95 {
		t.Errorf("customers: before %s; during %s; after %s", s.Before, s.During, s.After)
	}
	if s.After.Failed > 0 {
		t.Errorf("orders fail after it: %s", s.After)
	}
}
