package report

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"demine/internal/i18n"
	"demine/internal/lease"
	"demine/internal/respond"
)

// One lease is told whole, in both languages: whether it is in force, all its
// sources, who asked and who opened it, and what it passes.
func TestLeaseShown(t *testing.T) {
	clock := lease.Clock{Wall: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Boot: time.Hour, ID: "b"}
	ask := lease.Ask{Proto: "tcp", Port: 6380, For: 8 * time.Hour, Who: "order-team", Why: "ticket\x1b[2J 812", Cut: true, Bare: true,
		From: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.7/32"), netip.MustParsePrefix("2001:db8::/64")}}
	alice := lease.Person{Account: "alice", Operator: respond.Operator{Peer: "203.0.113.99"}}
	open := lease.Begin("L-7Q2KD", ask, clock)
	open.By, open.RequestedBy, open.Service, open.Container = lease.Person{Account: "bob"}, &alice, "redis", "shop"
	open.Through = []string{"ip filter INPUT", "ip filter FORWARD"}
	open.Passes = []string{"ip filter INPUT: -A INPUT -p tcp --dport 6380 -j DROP", "ip filter INPUT: policy", ": policy"}
	held, over, request := open, open, open
	held.Lost, held.HeldBy = true, "ip filter INPUT: policy"
	over.Ending = lease.EndHand
	request.State, request.By, request.RequestedBy, request.Opened, request.Through = lease.Requested, alice, nil, clock.Wall, nil

	whole := []string{"from         198.51.100.0/24, 203.0.113.7, 2001:db8::/64", "ends         20:00:00 (8 h left)", "who          order-team",
		`why          ticket\x1b[2J 812`, "requested    by alice from 203.0.113.99", "approved     12:00:00 · by bob", "let in by    ip filter INPUT, ip filter FORWARD",
		`passes       rule "-A INPUT -p tcp --dport 6380 -j DROP" in ip filter INPUT`, "\n               the policy of ip filter INPUT\n",
		"\n               rules that are too many to be followed\n", "service      redis", "container    shop", "flags        --drop-established --without-password",
		"connections  3\n"}
	for _, tt := range []struct {
		name   string
		lease  lease.Lease
		lang   string
		unused error
		want   []string
	}{
		{"open", open, i18n.English, nil, append([]string{"L-7Q2KD  6380/tcp  open\n"}, whole...)},
		{"open", open, i18n.Chinese, nil, []string{"L-7Q2KD  6380/tcp  已开放\n", "到期    20:00:00（剩余 8 小时）", "申请    alice（来自 203.0.113.99）\n", "批准    12:00:00 · bob\n", "放行于  ip filter INPUT", "越过    ip filter INPUT 中的规则“-A", "连接    3"}},
		{"not counted", open, i18n.English, errors.New("busy"), []string{"connections  cannot be told: busy"}},
		{"held up", held, i18n.English, nil, []string{"not in force, it lets nobody in: held up by the policy of ip filter INPUT"}},
		{"held up", held, i18n.Chinese, nil, []string{"未生效，没有放行任何人：挡住它的是 ip filter INPUT 的默认策略"}},
		{"closing", over, i18n.English, nil, []string{"closing (closed by hand)"}},
		{"a request", request, i18n.English, nil, []string{"demine lease approve L-7Q2KD", "for          8 h", "requested    12:00:00 · by alice from 203.0.113.99"}},
	} {
		l := &LeaseList{Leases: []lease.Lease{tt.lease}, Clock: clock, Shut: map[string]bool{"L-7Q2KD": tt.lease.Lost}, Used: map[string]int{"L-7Q2KD": 3}}
		if tt.unused != nil {
			l.Used, l.Unused = nil, tt.unused
		}
		var b strings.Builder
		if err := Lease(&b, l, &tt.lease, Options{Catalogue: i18n.Load(tt.lang), Width: 100, Now: clock.Wall}); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: want %q:\n%s", tt.name, want, b.String())
			}
		}
		if tt.lease.State == lease.Requested && (strings.Contains(b.String(), "connections") || strings.Contains(b.String(), "let in by")) {
			t.Errorf("%s lets somebody in:\n%s", tt.name, b.String())
		}
	}
}

// Scripts get what the text says, too.
func TestLeaseShownJSON(t *testing.T) {
	clock := lease.Clock{Wall: time.Unix(1795260000, 0), Boot: time.Hour, ID: "b"}
	le := lease.Begin("L-7Q2KD", lease.Ask{Proto: "tcp", Port: 6380, For: time.Hour, Who: "w", Why: "y"}, clock)
	le.Passes = []string{"ip filter INPUT: policy"}
	le.RequestedBy = &lease.Person{Account: "alice", Operator: respond.Operator{Peer: "203.0.113.99"}}
	var b strings.Builder
	if err := LeaseShownJSON(&b, &LeaseList{Clock: clock, Unused: errors.New("busy")}, &le); err != nil {
		t.Fatal(err)
	}
	var out struct {
		Lease map[string]any `json:"lease"`
	}
	if err := json.Unmarshal([]byte(b.String()), &out); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]any{"left_s": 3600.0, "requested_by": "alice", "requested_peer": "203.0.113.99", "connections_unknown": "busy", "connections": nil} {
		if out.Lease[field] != want {
			t.Errorf("%s is %v, not %v", field, out.Lease[field], want)
		}
	}
	if p, ok := out.Lease["passes"].([]any); !ok || len(p) != 1 || p[0] != "ip filter INPUT: policy" {
		t.Errorf("passes %v", out.Lease["passes"])
	}
}

// More time is offered where one hour more is within what a lease may last.
func TestLeaseOpenedMore(t *testing.T) {
	for _, tt := range []struct {
		left time.Duration
		long bool
		want bool
	}{{time.Hour, false, true}, {23 * time.Hour, false, true}, {24 * time.Hour, false, false}, {24 * time.Hour, true, true}, {lease.MaxLong, true, false}} {
		var b strings.Builder
		le := &lease.Lease{ID: "L-7Q2KD", Ask: lease.Ask{Long: tt.long}}
		if err := LeaseOpened(&b, &lease.Plan{}, le, tt.left, Options{}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.String(), "demine lease extend L-7Q2KD 1h"); got != tt.want {
			t.Errorf("%v, long %t: %s", tt.left, tt.long, b.String())
		}
	}
}
