package report

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/relate"
)

// Who answers for a rule is said of each, those that nobody answers for first,
// and nothing that a rule or a command says reaches the terminal unescaped.
func TestOpenings(t *testing.T) {
	at := time.Date(2026, 11, 10, 20, 42, 0, 0, time.UTC)
	port := []fact.PortRange{{From: 6380, To: 6380}}
	s := &explain.Scan{Snapshot: &fact.Snapshot{}, Host: fact.HostInfo{Name: "shop"}, Coverage: seen("firewall", "socket"), Findings: []judge.Finding{{Subject: "opening:O-222222"},
		{Rule: "exposure/lease-saved", Message: i18n.M("lease.saved", "file", "/etc/nftables.conf")}}, Openings: []relate.OpenRule{
		{ID: "O-111111", Proto: "tcp", Ports: []fact.PortRange{{From: 80, To: 80}, {From: 443, To: 445}}, Everyone: true, Kept: "saved",
			Since: at, Known: "not-later", Listeners: []string{"tcp 0.0.0.0:80"}, Service: "nginx"},
		{Ref: "opening:O-222222", ID: "O-222222", Proto: "tcp", Ports: port, Sources: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32"), netip.MustParsePrefix("10.0.0.0/8")},
			Kept: "runtime", Since: at, Known: "command", Drift: "typed", Text: "-A INPUT\x1b[2J -j ACCEPT", Chain: "INPUT", N: 5, Backend: "iptables-nft",
			By: []relate.Typed{{Opening: relate.Opening{Time: at, User: "ops\u202e", Text: "iptables -I INPUT", Source: "history"}}}},
		{Ref: "opening:O-444444", ID: "O-444444", Proto: "tcp", Ports: port, Kept: "saved", Drift: "typed"},
		{ID: "O-333333", Proto: "tcp", Ports: port, Kept: "runtime", Keeper: "demine", Lease: "L-7Q2KD", Left: 60},
	}}
	for lang, want := range map[string][]string{
		i18n.English: {"O-222222  6380/tcp        203.0.113.7 +1  none     2026-11-10    no     none", "≤ 2026-11-10", "80,443-445/tcp", "L-7Q2KD",
			"nothing will close it", `-A INPUT\x1b[2J -j ACCEPT`, "opened 2026-11-10 20:42:00 UTC by ops", "demine lease adopt O-222222 --for 8h",
			"If it was for a while: demine lease adopt O-444444 --from",
			"O-444444  typed by hand; it may well be meant to stay", "/etc/nftables.conf holds leases"},
		i18n.Chinese: {"203.0.113.7 +1", "无监听", "没有任何东西会关闭它", "demine lease close O-222222", "O-444444 手工敲入，很可能本就要长期保留"},
	} {
		var b strings.Builder
		if err := Openings(&b, s, Options{Catalogue: i18n.Load(lang), Width: 80}); err != nil {
			t.Fatal(err)
		}
		flat := strings.Join(strings.Fields(b.String()), " ")
		for _, w := range want {
			if !strings.Contains(b.String(), w) && !strings.Contains(flat, strings.Join(strings.Fields(w), " ")) {
				t.Errorf("%s: no %q in\n%s", lang, w, b.String())
			}
		}
		if strings.ContainsAny(b.String(), "\x1b\u202e") || strings.Index(b.String(), "O-222222") > strings.Index(b.String(), "O-111111") {
			t.Errorf("%s:\n%q", lang, b.String())
		}
	}
}

// What a lease can take over is told with the command for it, with what that needs;
// of the rest how to go about it.
func TestRuleNext(t *testing.T) {
	one, from := []fact.PortRange{{From: 6380, To: 6380}}, []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}
	for _, tt := range []struct {
		name string
		o    relate.OpenRule
		want string
	}{
		{"one port, and who", relate.OpenRule{Proto: "tcp", Ports: one, Sources: from}, "openrule.next"},
		{"everybody", relate.OpenRule{Proto: "tcp", Ports: one, Everyone: true}, "openrule.next.from"},
		{"an interface", relate.OpenRule{Proto: "tcp", Ports: one, Sources: from, Narrow: true}, "openrule.next.from"},
		{"several ports", relate.OpenRule{Proto: "tcp", Ports: []fact.PortRange{{From: 1, To: 9}}, Sources: from}, "openrule.next.close"},
		{"all but these", relate.OpenRule{Proto: "tcp", Ports: one, Sources: from, Inverted: true}, "openrule.next.close"},
		{"a container's", relate.OpenRule{Proto: "tcp", Published: []string{"0.0.0.0:6380"}, Sources: from}, "openrule.next"},
	} {
		if got := ruleNext(&tt.o); got.ID != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got.ID, tt.want)
		}
	}
}

func seen(observers ...string) (out []fact.Coverage) {
	for _, o := range observers {
		out = append(out, fact.Coverage{Observer: o, State: fact.Seen})
	}
	return out
}

// That nobody is let in is only said of a packet filter that was read whole; what could
// be read is shown, with the gap.
func TestOpeningsUnread(t *testing.T) {
	part := fact.Coverage{Observer: "firewall", State: fact.Partial, Gaps: []fact.Gap{{Code: "no-permission", Count: 3}}}
	rule := relate.OpenRule{ID: "O-111111", Proto: "tcp", Kept: "saved", Everyone: true}
	const none, told, more = "no rule of this host's packet filter", "cannot be told", "There may be more rules"
	for _, tt := range []struct {
		name string
		seen []fact.Coverage
		open []relate.OpenRule
		want []string
		not  []string
	}{
		{"read", seen("firewall"), nil, []string{none}, []string{told, more}},
		{"in part", []fact.Coverage{part}, nil, []string{told, "packet filter (in part: no permission x 3)"}, []string{none, more}},
		{"not looked at", nil, nil, []string{told, "packet filter (not available)"}, []string{none, more}},
		{"some of it", []fact.Coverage{part}, []relate.OpenRule{rule}, []string{"everyone  ?        ", more}, []string{none, told}},
		{"all of it", seen("firewall", "socket"), []relate.OpenRule{rule}, []string{"everyone  none     "}, []string{more, told}},
	} {
		s := &explain.Scan{Snapshot: &fact.Snapshot{}, Coverage: tt.seen, Openings: tt.open}
		var b strings.Builder
		if err := Openings(&b, s, Options{Catalogue: i18n.Load(i18n.English), ASCII: true, Width: 200}); err != nil {
			t.Fatal(err)
		}
		for _, w := range tt.want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s: no %q in\n%s", tt.name, w, b.String())
			}
		}
		for _, w := range tt.not {
			if strings.Contains(b.String(), w) {
				t.Errorf("%s: %q is in\n%s", tt.name, w, b.String())
			}
		}
	}
}

// When a lease ends, whom a rule lets in and by which protocol is never cut, and a line
// of the table fits a console.
func TestOpeningsLines(t *testing.T) {
	s := &explain.Scan{Snapshot: &fact.Snapshot{}, Coverage: seen("firewall", "socket"), Openings: []relate.OpenRule{
		{ID: "O-cc7581f9", Proto: "tcp", Ports: []fact.PortRange{{From: 30000, To: 32767}, {From: 8080, To: 8089}}, Kept: "saved", Everyone: true,
			Listeners: []string{"tcp 0.0.0.0:8080"}, Service: "kube-controller-manager"},
		{ID: "O-5e6f7a8b", Proto: "tcp", Kept: "saved", Sources: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("10.0.0.0/8")}},
		{ID: "O-6f7a8b9c", Proto: "tcp", Kept: "saved", Inverted: true, Text: "ip saddr != 203.0.113.52", Sources: []netip.Prefix{netip.MustParsePrefix("203.0.113.52/32")}},
		{ID: "O-1a2b3c4d", Proto: "tcp", Ports: []fact.PortRange{{From: 6380, To: 6380}}, Kept: "runtime", Lease: "L-7Q2KD", Left: 8*3600 + 59*60,
			Sources: []netip.Prefix{netip.MustParsePrefix("2001:db8:1234:5678::/64")}},
	}}
	for lang, want := range map[string]string{i18n.English: "→ 8 h 59 min ", i18n.Chinese: "→ 8 小时 59 分钟 "} {
		for _, width := range []int{80, 160} {
			var b strings.Builder
			if err := Openings(&b, s, Options{Catalogue: i18n.Load(lang), Width: width}); err != nil {
				t.Fatal(err)
			}
			for _, w := range []string{want, "L-7Q2KD", "2001:db8:1234:5678::/64", "198.51.100.0/24 +1", "/tcp  everyone", "ip saddr != 203.0.113.52\n"} {
				if w = strings.Replace(w, "everyone", i18n.Load(lang).Say("openrule.everyone"), 1); !strings.Contains(b.String(), w) {
					t.Errorf("%s, %d columns: no %q in\n%s", lang, width, w, b.String())
				}
			}
			for line := range strings.Lines(b.String()) {
				if columns(strings.TrimSpace(line)) > width {
					t.Errorf("%s, %d columns: %q", lang, width, line)
				}
			}
		}
	}
}

// A rule that does not count what it lets in has not let in nobody.
func TestOpeningsCounted(t *testing.T) {
	none, some := uint64(0), uint64(1)
	for _, tt := range []struct {
		n    *uint64
		want string
	}{{nil, "(nft), packets not counted: tcp dport 6380"}, {&none, "(nft), 0 packets: "}, {&some, "(nft), 1 packet: "}} {
		s := &explain.Scan{Snapshot: &fact.Snapshot{}, Coverage: seen("firewall", "socket"), Findings: []judge.Finding{{Subject: "opening:O-111111"}},
			Openings: []relate.OpenRule{{Ref: "opening:O-111111", ID: "O-111111", Drift: "typed", Text: "tcp dport 6380", Backend: "nft", Packets: tt.n, Kept: "saved"}}}
		var b, json strings.Builder
		if err := errors.Join(Openings(&b, s, Options{Catalogue: i18n.Load(i18n.English)}), OpeningsJSON(&json, s)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), tt.want) || strings.Contains(json.String(), `"packets"`) != (tt.n != nil) {
			t.Errorf("no %q in\n%s%s", tt.want, b.String(), json.String())
		}
	}
}
