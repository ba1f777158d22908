package explain

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/relate"
)

// What happened near the beginning is told; what scanners leave every day, and
// weak signs from another hour, are not.
func TestTraces(t *testing.T) {
	begin := time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return begin.Add(d) }
	x := relate.New(&fact.Snapshot{Log: []fact.LogEvent{
		{Kind: "web-exploit", Marker: "ognl", Strength: "strong", Time: at(-time.Minute), From: "203.0.113.5", Clock: fact.ClockExact},
		{Kind: "web-exploit", Marker: "php-cgi", Strength: "strong", Time: at(-100 * time.Hour), From: "203.0.113.9"},
		{Kind: "web-exploit", Marker: "phpunit", Strength: "weak", Time: at(-3 * time.Hour), From: "203.0.113.9"},
		{Kind: "ssh-failed", Count: 900, Time: at(-30 * time.Hour), Until: at(time.Minute), From: "198.51.100.7", Clock: fact.ClockYear},
		{Kind: "ssh-failed", Count: 3, Time: at(-time.Minute), From: "198.51.100.8"},
		{Kind: "log-wiped", Method: "empty", Time: at(5 * time.Hour), Clock: fact.ClockExact},
		{Kind: "redis-command", Marker: "redis-cron-command", Strength: "strong"},
		{Kind: "user-added", User: "svc", Time: at(time.Minute), Clock: fact.ClockZone},
		{Kind: "cron-run", Time: at(-time.Minute)},
	}})
	sc := &scene{x: x, processes: []*fact.Process{{Started: begin}}}
	var got []string
	sc.traces(func(at time.Time, source string, _ *fact.Origin, _ fact.Ref, m i18n.Message) {
		got = append(got, m.ID+" "+source)
	})
	want := []string{"event.attempt log", "event.account log-zone", "event.log-wiped log", "event.brute-force log-zone"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
