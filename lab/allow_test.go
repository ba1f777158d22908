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

// dayOver makes all that is allowed end in 2020. The list is sealed and packed, as demine's store keeps everything.
const dayOver = `f=/var/lib/demine/allowed/list
key=$(tail -c +17 $f | head -c 16 | od -An -tx1 | tr -d ' \n'); cipher="-aes-128-ctr -K $key -iv 00000000000000000000000000000000"
head -c 32 $f >/root/list
tail -c +33 $f | openssl enc -d $cipher | gunzip | sed -E 's/("until": *")[0-9]{4}/\12020/' | gzip | openssl enc $cipher >>/root/list
cat /root/list >$f; rm /root/list`

// TestAllowConfirmed: contain leaves an allowed miner alone even where nothing speaks for it but the allowance, and stops it
// once that has ended.
func TestAllowConfirmed(t *testing.T) {
	t.Parallel()
	h := withProduct(t, Config{Name: "tr-allow-sure", Scenario: "quiet", NoLoad: true})
	if _, err := h.launch(t.Context(), program{unit: "rig", lab: "standin", argv: []string{minerPath, "-threads", "1", "-percent", "20"}}); err != nil {
		t.Fatal(err)
	}
	accused := mined(t, h)
	if accused.Verdict != "mining" || len(accused.Findings) == 0 {
		t.Fatalf("before: %+v", accused)
	}
	allow := func() {
		demineIn(t, h, 0, "allow", accused.Findings[0].ID, "--why", "ticket 813", "--until", time.Now().AddDate(0, 1, 0).Format(time.DateOnly))
	}
	stops := func(want bool, when string) {
		t.Helper()
		demineIn(t, h, -1, "contain")
		if got := states(t, h, "-C minerd"); (got == "T") != want {
			t.Errorf("%s: contain leaves it %q", when, got)
		}
		if runs := journal(t, h); want {
			undoAll(t, h, runs[:1])
		} else if p := dryRun(t, h, "clean"); len(p.Steps) != 0 {
			t.Errorf("%s: clean would do %+v", when, p.Steps)
		}
	}
	allow()
	stops(false, "allowed")
	demineIn(t, h, 0, "allow", "--end", "A1")
	stops(true, "taken back")
	allow()
	stops(false, "allowed again")
	inside(t, h, dayOver)
	stops(true, "its day is over")
}
