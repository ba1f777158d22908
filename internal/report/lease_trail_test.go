package report

import (
	"bytes"
	"strings"
	"testing"

	"demine/internal/i18n"
	"demine/internal/lease"
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
