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

// What a broken trail tells is marked where it is not proved; where it breaks and
// how much of it holds is said, and the system log is named if that has lines of it.
func TestTrailBroken(t *testing.T) {
	events := []lease.Event{{N: 1, Kind: lease.DidWarn, ID: "L-22222"}, {N: 2, Kind: lease.DidRefuse, ID: "L-33333", Unproved: true}}
	for _, tt := range []struct {
		name        string
		trail       lease.Trail
		logged      int
		lang        string
		says, never []string
	}{
		{"broken", lease.Trail{Path: "/s/leases/trail", Lines: 2, Broken: 4, Unread: 1}, 7, i18n.English, []string{
			"L-22222   people were told", "L-33333   not proved: the request", "/s/leases/trail IS BROKEN at line 4:",
			"its first 2 lines hold", "all that follow are not proved", "the system log, which has 7 lines of it", "1 line of it is no event",
			"Beside that, the list of leases and the packet filter hold nothing",
		}, []string{"is whole", "none of its lines"}},
		{"not logged", lease.Trail{Path: "/s/leases/trail", Lines: 1, Broken: 3}, 0, i18n.English,
			[]string{"its first 1 line holds", "the system log has none of its lines to compare with"}, []string{"compare it", "no event"}},
		{"from its beginning", lease.Trail{Path: "/s/leases/trail", Broken: 2}, 0, i18n.English, []string{"not one of its lines is proved"}, []string{"hold,"}},
		{"broken", lease.Trail{Path: "/s/leases/trail", Lines: 2, Broken: 4}, 7, i18n.Chinese, []string{
			"L-33333   未经证实：申请被撤回", "/s/leases/trail 在第 4 行断开：", "前 2 行有效", "其中有它的 7 行"}, []string{"完整"}},
		{"not logged", lease.Trail{Path: "/s/leases/trail", Broken: 1}, 0, i18n.Chinese, []string{"没有一行得到证实", "没有它的任何一行可供核对"}, []string{"请与系统日志核对"}},
	} {
		got := trailText(t, tt.lang, events, &lease.TrailCheck{Trails: []lease.Trail{tt.trail}, Logged: tt.logged})
		for _, s := range tt.says {
			if !strings.Contains(got, s) {
				t.Errorf("%s, %s: no %q in\n%s", tt.name, tt.lang, s, got)
			}
		}
		for _, s := range tt.never {
			if strings.Contains(got, s) {
				t.Errorf("%s, %s: %q in\n%s", tt.name, tt.lang, s, got)
			}
		}
	}
}

// Each trail is named, and that the one in memory will be gone.
func TestTrailsNamed(t *testing.T) {
	c := &lease.TrailCheck{Trails: []lease.Trail{{Path: "/s/leases/trail", Lines: 52}, {Path: "/run/s/leases/trail", Lines: 2, Memory: true}}}
	got := trailText(t, i18n.English, nil, c)
	disk, memory, both := strings.Cut(got, "The trail /run/s/leases/trail is whole: 2 lines")
	if !both || !strings.Contains(disk, "The trail /s/leases/trail is whole: 52 lines") || strings.Contains(disk, "in memory") ||
		!strings.Contains(memory, "gone after the next boot") {
		t.Error(got)
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
	events := []lease.Event{{N: 1, At: at, Kind: lease.DidOpen, ID: le.ID, Lease: &le, By: &by, Sum: "s", Unproved: true}, {N: 2, At: at, Kind: lease.DidWarn}}
	if err := LeaseTrailJSON(&b, events, &lease.TrailCheck{Trails: []lease.Trail{{Path: "/s/leases/trail", Broken: 1}}}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Events []map[string]any
		Trails []lease.Trail
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
	if e["by"] != "alice" || e["peer"] != "192.0.2.7" || e["unproved"] != true || e["sum"] != "s" || got.Events[1]["unproved"] != nil || got.Events[1]["by"] != nil {
		t.Errorf("%+v", got.Events)
	}
	if got.Trails[0].Path != "/s/leases/trail" {
		t.Errorf("%+v", got.Trails)
	}
}

// A chain without a break is called whole only if nothing else is missing, and one of
// which the end was not read is compared with nothing.
func TestTrailLacks(t *testing.T) {
	whole := lease.Trail{Path: "/s/trail", Lines: 2, Head: "ab"}
	for name, tt := range map[string]struct {
		check       lease.TrailCheck
		says, never string
	}{
		"whole": {lease.TrailCheck{Trails: []lease.Trail{whole}}, "The trail /s/trail is whole: 2 lines", "What it lacks"},
		"cut off": {lease.TrailCheck{Trails: []lease.Trail{whole}, Gaps: []lease.Gap{{Kind: lease.GapCut}}},
			"The trail /s/trail has no break: 2 lines, the last one ab. What it lacks:", "is whole"},
		"emptied": {lease.TrailCheck{Trails: []lease.Trail{{Path: "/s/trail"}}, Gaps: []lease.Gap{{Kind: lease.GapGone}}}, "THE TRAIL IS GONE", "lines, the last one"},
		"endless": {lease.TrailCheck{Trails: []lease.Trail{{Path: "/s/trail", Lines: 1, Broken: 2, Rest: true}}},
			"more stands behind the break than demine reads", "hold nothing that it does not tell"},
	} {
		if got := trailText(t, i18n.English, nil, &tt.check); !strings.Contains(got, tt.says) || strings.Contains(got, tt.never) {
			t.Errorf("%s: %s", name, got)
		}
	}
}
