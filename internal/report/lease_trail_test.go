package report

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/i18n"
	"demine/internal/lease"
	"demine/internal/respond"
)

// trailText is what people read of a trail.
func trailText(t *testing.T, lang string, events []lease.Event, c *lease.TrailCheck) string {
	t.Helper()
	var b bytes.Buffer
	if err := LeaseTrail(&b, events, c, Options{Catalogue: i18n.Load(lang), Width: 1000}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Of what was put back is said what was found, and not what may have been the reason.
func TestTrailPutBack(t *testing.T) {
	events := []lease.Event{{N: 1, Kind: lease.DidPut, ID: "L-7Q2KD", Why: "L-7Q2KD L-8W3MF"}}
	for lang, want := range map[string]string{
		i18n.English: "missing in the packet filter, or blocked there, and put back: L-7Q2KD L-8W3MF",
		i18n.Chinese: "在防火墙中缺失或被挡住，已恢复：L-7Q2KD L-8W3MF",
	} {
		if got := trailText(t, lang, events, &lease.TrailCheck{Trails: []lease.Trail{{Lines: 1}}}); !strings.Contains(got, want) {
			t.Errorf("%s: %s", lang, got)
		}
	}
}

// A lease of the trail has for scripts the shape that it has everywhere, and who
// did something is an account everywhere.
func TestTrailJSON(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	by := lease.Person{Account: "alice", Operator: respond.Operator{UID: 1000, Peer: "192.0.2.7", PID: 7}}
	le := lease.Lease{ID: "L-7Q2KD", State: lease.Open, By: by, Until: at.Add(time.Hour), End: time.Hour, NetNS: "n",
		Ask: lease.Ask{Proto: "tcp", Port: 6380, For: 2 * time.Hour, From: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}}}
	var b bytes.Buffer
	events := []lease.Event{{N: 1, At: at, Kind: lease.DidOpen, ID: le.ID, Lease: &le, By: &by}, {N: 2, At: at, Kind: lease.DidWarn}}
	if err := LeaseTrailJSON(&b, events, &lease.TrailCheck{Trails: []lease.Trail{{Broken: 1}}}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Events []map[string]any
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	view, err := json.Marshal(NewLeaseView(&le, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(view, &want); err != nil {
		t.Fatal(err)
	}
	e := got.Events[0]
	if diff := cmp.Diff(any(want), e["lease"]); diff != "" {
		t.Error(diff)
	}
	if e["by"] != "alice" || e["peer"] != "192.0.2.7" || got.Events[1]["by"] != nil {
		t.Errorf("%+v", got.Events)
	}
}
