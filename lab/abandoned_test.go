//go:build lab

package lab

import (
	"os"
	"strings"
	"testing"
)

// TestAbandoned: the host of a test that was cut off does not stand in the way of the next; one that is in use does.
func TestAbandoned(t *testing.T) {
	c := Config{Name: "test-abandoned", Scenario: "quiet", NoLoad: true}
	gone := c
	gone.Owner = Process{PID: os.Getpid(), Start: 1}
	left, err := Up(t.Context(), gone)
	if err != nil {
		t.Fatal(err)
	}
	h := boot(t, c)
	if left.Inside.alive() || left.Inside == h.Inside {
		t.Error("the abandoned host runs")
	}
	if _, err := Up(t.Context(), c); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a host in use was taken down: %v", err)
	}
}
