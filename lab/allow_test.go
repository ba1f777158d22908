//go:build lab

package lab

import (
	"strings"
	"testing"
	"time"
)

// TestAllow: a miner of the owner's is let be, this program of this account alone, and every look shows it.
func TestAllow(t *testing.T) {
	t.Parallel()
	h := withProduct(t, Config{Name: "tr-allow", Scenario: "quiet", NoLoad: true})
	rig := program{unit: "rig", lab: "standin", argv: []string{"/opt/rig/rig", "-threads", "1", "-percent", "20"}, user: "nobody"}
	if _, err := h.launch(t.Context(), rig); err != nil {
		t.Fatal(err)
	}
	accused := mined(t, h)
	if len(accused.Findings) != 1 || len(accused.Allowed) != 0 {
		t.Fatalf("before: %+v", accused)
	}
	id, day := accused.Findings[0].ID, time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	demineIn(t, h, 2, "allow", id, "--until", day)
	demineIn(t, h, 2, "allow", id, "--why", "ticket 812", "--until", "2020-01-01")
	demineIn(t, h, 0, "allow", id, "--why", "ticket 812", "--until", day)

	let := mined(t, h)
	if len(let.Findings) != 0 || len(let.Allowed) != 1 || let.Verdict == "suspicious" {
		t.Errorf("allowed: %+v", let)
	}
	if text := demineIn(t, h, -1).Stdout; !strings.Contains(text, "ticket 812") {
		t.Errorf("a look does not show what is allowed: %s", text)
	}
	inside(t, h, "systemctl stop rig")
	rig.unit, rig.user = "rig-root", ""
	if _, err := h.launch(t.Context(), rig); err != nil {
		t.Fatal(err)
	}
	if other := mined(t, h); len(other.Findings) != 1 {
		t.Errorf("run by another account: %+v", other)
	}
	inside(t, h, "systemctl stop rig-root")
	rig.unit, rig.user = "rig-again", "nobody"
	if _, err := h.launch(t.Context(), rig); err != nil {
		t.Fatal(err)
	}
	demineIn(t, h, 0, "allow", "--end", "A1")
	if ended := mined(t, h); len(ended.Findings) != 1 {
		t.Errorf("ended: %+v", ended)
	}
}

// miners is what a look says of miners.
type miners struct {
	Verdict  string
	Findings []struct{ ID, Rule string }
	Allowed  []struct{ Allowance struct{ ID string } }
}

func mined(t *testing.T, h *Host) (m miners) {
	t.Helper()
	parse(t, demineIn(t, h, -1, "--json").Stdout, &m)
	kept := m.Findings[:0]
	for _, f := range m.Findings {
		if strings.HasPrefix(f.Rule, "mining/") {
			kept = append(kept, f)
		}
	}
	m.Findings = kept
	return m
}
