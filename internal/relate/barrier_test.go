package relate

import (
	"net/netip"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

// All that a doorway may go before is told, wherever the doorway stands, by what
// leads to it; what is about others is not.
func TestBarriers(t *testing.T) {
	const in = "ip filter INPUT: "
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"no rules", "", nil},
		{"a policy", filter("DROP", established), []string{in + "policy"}},
		{"a rule, and what is behind it", filter("DROP", "-A INPUT -p tcp --dport 6380 -j DROP", "-A INPUT -s 203.0.113.7 -j REJECT"),
			[]string{in + "-A INPUT -p tcp --dport 6380 -j DROP", in + "-A INPUT -s 203.0.113.7 -j REJECT", in + "policy"}},
		{"a chain of drops, by what leads there", ":D - [0:0]\n" + filter("ACCEPT", "-A INPUT -p tcp --dport 6380 -j D", "-A INPUT -j D", "-A D -j LOG", "-A D -j DROP"),
			[]string{in + "-A INPUT -p tcp --dport 6380 -j D; -A D -j DROP", in + "-A INPUT -j D; -A D -j DROP"}},
		{"others, another port, another state", filter("ACCEPT", "-A INPUT -s 198.51.100.9 -j DROP", "-A INPUT -p tcp --dport 25 -j DROP",
			"-A INPUT -m conntrack --ctstate INVALID -j DROP", "-A INPUT ! -s 203.0.113.0/24 -j DROP"), nil},
		{"behind what lets them in", filter("DROP", "-A INPUT -s 203.0.113.0/24 -j ACCEPT"), nil},
		{"a list of addresses", filter("ACCEPT", "-A INPUT -m set --match-set b src -j DROP"),
			[]string{in + "-A INPUT -m set --match-set b src -j DROP"}},
		{"a doorway that is there", filter("DROP", `-A INPUT -m mark --mark 0x8000000/0x8000000 -m comment --comment "demine lease" -j ACCEPT`),
			[]string{in + "policy"}},
		{"one filter behind another", "table inet a {\n chain i {\n type filter hook input priority -10; policy drop;\n }\n}\n" +
			"table ip b {\n chain i {\n type filter hook input priority 0; policy accept;\n tcp dport 6380 drop\n }\n}\n",
			[]string{"inet a i: policy", "ip b i: tcp dport 6380 drop"}},
		{"not where no doorway can stand", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 203.0.113.0/24 -j DROP\nCOMMIT\n" + filter("DROP"), nil},
	} {
		n := &Net{Filter: live(c.text, false)}
		var got []string
		for _, b := range n.Barriers(Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 6380}, order) {
			got = append(got, b.String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// With a lease in force the same is told: its own table lets nobody by.
func TestBarriersInForce(t *testing.T) {
	d := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 6380}
	n := &Net{Filter: live(filter("DROP", established), false)}
	now := leased(n, d, order, []Place{{Table: "filter", Chain: "INPUT", N: 2, Ruleset: n.Filter[0].Ref}})
	if got := now.Barriers(d, order); len(got) != 1 || got[0].String() != "ip filter INPUT: policy" {
		t.Errorf("%v", got)
	}
}

// A ban drops some by their addresses; what drops all others than some is none.
func TestBarrierBans(t *testing.T) {
	for _, c := range []struct {
		text  string
		bans  bool
		lists bool
	}{
		{filter("ACCEPT", "-A INPUT -s 203.0.113.7 -j DROP"), true, false},
		{":F2B - [0:0]\n" + filter("ACCEPT", "-A INPUT -p tcp -j F2B", "-A F2B -s 203.0.113.0/24 -j REJECT"), true, false},
		{filter("ACCEPT", "-A INPUT ! -s 10.0.0.0/8 -j DROP"), false, false},
		{filter("ACCEPT", "-A INPUT -s 0.0.0.0/0 -p tcp --dport 6380 -j DROP"), false, false},
		{filter("ACCEPT", "-A INPUT -m set --match-set b src -j DROP"), false, true},
		{filter("DROP"), false, false},
	} {
		n := &Net{Filter: live(c.text, false)}
		got := n.Barriers(Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 6380}, order)
		if len(got) != 1 || got[0].Bans(order) != c.bans || got[0].Lists() != c.lists {
			t.Errorf("%s: %v", c.text, got)
		}
	}
}

// What is about the port or the senders is told from what is against everybody, also
// where another rule leads to the drop.
func TestBarrierAimed(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{filter("DROP"), ""},
		{filter("ACCEPT", "-A INPUT -p tcp --dport 6380 -j DROP"), "-A INPUT -p tcp --dport 6380 -j DROP"},
		{filter("ACCEPT", "-A INPUT -p tcp -m multiport --dports 22,6000:7000 -j REJECT"), "-A INPUT -p tcp -m multiport --dports 22,6000:7000 -j REJECT"},
		{":D - [0:0]\n" + filter("ACCEPT", "-A INPUT -p tcp --dport 6380 -j D", "-A D -j DROP"), "-A INPUT -p tcp --dport 6380 -j D"},
		{":D - [0:0]\n" + filter("ACCEPT", "-A INPUT -s 203.0.113.0/24 -g D", "-A D -j DROP"), "-A INPUT -s 203.0.113.0/24 -g D"},
		{":ufw-user-input - [0:0]\n" + filter("ACCEPT", "-A INPUT -j ufw-user-input", "-A ufw-user-input -p tcp -m tcp --dport 6380 -j DROP"),
			"-A ufw-user-input -p tcp -m tcp --dport 6380 -j DROP"},
		{filter("ACCEPT", "-A INPUT ! -s 10.0.0.0/8 -j DROP"), "-A INPUT ! -s 10.0.0.0/8 -j DROP"},
		{"table inet a {\n chain i {\n type filter hook input priority 0;\n tcp dport { 25, 6380 } reject\n }\n}\n", "tcp dport { 25, 6380 } reject"},
		{filter("ACCEPT", "-A INPUT -j REJECT"), ""},
		{filter("ACCEPT", "-A INPUT -i eth0 -p tcp -j DROP"), ""},
		{filter("ACCEPT", "-A INPUT -s 0.0.0.0/0 -j DROP"), ""},
		{filter("ACCEPT", "-A INPUT -p tcp --dport 1:65535 -j DROP"), ""},
		{filter("ACCEPT", "-A INPUT -p tcp ! --dport 22 -j DROP"), ""},
	} {
		n := &Net{Filter: live(c.text, false)}
		got := n.Barriers(Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 6380}, order)
		if len(got) != 1 || got[0].Aimed() != c.want {
			t.Errorf("%s: %v, not %q", c.text, got, c.want)
		}
	}
}

// A long name is cut, what nobody sees is left out of it, and it still tells one from another.
func TestBarrierName(t *testing.T) {
	name := func(text string) string {
		return Barrier{Chain: "ip filter INPUT", Rules: []*fact.Rule{{Text: text}}}.String()
	}
	long := strings.Repeat("ü", longestBarrier)
	for _, c := range [][2]string{{long + "1", long + "2"}, {"a\x01", "a\x02"}, {"a\xff", "a\xfe"}, {"a\x01", "a"}, {"a\u2028", "a\u2029"}} {
		a, b := name(c[0]), name(c[1])
		if a == b || len(a) > longestBarrier+40 || strings.ToValidUTF8(a, "?") != a || strings.ContainsFunc(a, unseen) {
			t.Errorf("%q %q", a, b)
		}
	}
}

func unseen(r rune) bool { return !unicode.IsGraphic(r) }

// Of a published port they are in the chains of forward.
func TestBarriersPublished(t *testing.T) {
	text := dockerNat + dockerForward + "-A DOCKER-USER -i eth0 -j DROP\nCOMMIT\n"
	n := NetOf(&fact.Snapshot{Network: dockerHost(), Firewall: live(text, false)})
	inside := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 6379, NetNS: 2}
	var got []string
	for _, b := range n.Barriers(inside, order) {
		got = append(got, b.String())
	}
	want := []string{"ip filter FORWARD: -A FORWARD -j DOCKER-USER; -A DOCKER-USER -i eth0 -j DROP"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
