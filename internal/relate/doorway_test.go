package relate

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"demine/internal/fact"
)

const bit = 1 << 27

var order = []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}

func TestDoorways(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing drops", filter("ACCEPT"), "[]"},
		{"no rules", "", "[]"},
		{"open already", filter("DROP", "-A INPUT -p tcp --dport 6380 -j ACCEPT"), "[]"},
		{"open to them already", filter("DROP", "-A INPUT -s 203.0.113.0/24 -j ACCEPT"), "[]"},
		{"a policy", filter("DROP", established), "[filter/INPUT 2]"},
		{"a last rule", filter("ACCEPT", established, "-A INPUT -p tcp --dport 22 -j ACCEPT", "-A INPUT -j REJECT"), "[filter/INPUT 3]"},
		{"a ban stays", filter("DROP", established, "-A INPUT -s 203.0.113.7 -j DROP", "-A INPUT -p tcp --dport 22 -j ACCEPT"), "[filter/INPUT 2]"},
		{"a ban of others stays before", filter("DROP", "-A INPUT -s 198.51.100.0/24 -j DROP"), "[filter/INPUT 2]"},
		{"ufw", strings.Replace(ufwLike, "6380", "6379", 1), "[filter/INPUT 3]"},
		{"a chain that drops", ":x - [0:0]\n" + filter("ACCEPT", "-A INPUT -j LOG", "-A INPUT -j X", "-A INPUT -p tcp --dport 22 -j ACCEPT", "-A X -p tcp --dport 22 -j RETURN", "-A X -j DROP"), "[filter/INPUT 2]"},
		{"two filters", "table inet a {\n chain i {\n type filter hook input priority -10; policy drop;\n }\n}\ntable ip b {\n chain i {\n type filter hook input priority 0; policy accept;\n drop\n }\n}\n", "[a/i 1 b/i 1]"},
		{"the second of two", "table inet a {\n chain i {\n type filter hook input priority -10; policy accept;\n tcp dport 22 accept\n }\n}\ntable ip b {\n chain i {\n type filter hook input priority 0; policy drop;\n }\n}\n", "[b/i 1]"},
		{"of the other family", "table ip6 a {\n chain i {\n type filter hook input priority 0; policy drop;\n }\n}\n", "[]"},
		{"dropped before", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 203.0.113.0/24 -j DROP\nCOMMIT\n" + filter("DROP"), "no: nobody rule :1"},
		{"the mark is taken off on the way", "*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -j MARK --set-mark 5\nCOMMIT\n" + filter("DROP"), "[mangle/INPUT 1 filter/INPUT 1]"},
		{"the mark is taken off before", "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT DROP [0:0]\n-A INPUT -j MARK --set-mark 5\n-A INPUT -s 203.0.113.0/24 -j ACCEPT\nCOMMIT\n" + filter("ACCEPT"), "[]"},
		{"the mark is taken off in a chain that does not matter", "*mangle\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j MARK --set-mark 5\nCOMMIT\n" + filter("DROP"), "[filter/INPUT 1]"},
		{"restored from the connection before", "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j CONNMARK --restore-mark\nCOMMIT\n" + filter("DROP"), "[filter/INPUT 1]"},
		{"restored from the connection behind", "*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -j CONNMARK --restore-mark\nCOMMIT\n" + filter("DROP"), "[mangle/INPUT 1 filter/INPUT 1]"},
		{"a list of ipset before", filter("DROP", "-A INPUT -m set --match-set b src -j DROP", "-A INPUT -p tcp --dport 22 -j ACCEPT"), "[filter/INPUT 1]"},
		{"an unknown condition lets in behind", filter("DROP", "-A INPUT -m set --match-set b src -j ACCEPT"), "[filter/INPUT 2]"},
	} {
		n := &Net{Filter: live(c.text, false)}
		d := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 6380}
		places, why, ok := n.Doorways(d, order, bit)
		got := fmt.Sprint(short(places))
		if !ok {
			got = "no: " + said(why)
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func short(places []Place) (out []string) {
	for _, p := range places {
		out = append(out, fmt.Sprintf("%s/%s %d", p.Table, p.Chain, p.N))
	}
	return out
}

// leased is the filter with a lease in force, as the kernel would tell it.
func leased(n *Net, d Door, from []netip.Prefix, places []Place) *Net {
	t := n.trial(d, from, bit)
	sets := slices.Clone(n.Filter)
	for _, p := range places {
		for i := range sets {
			for j := range sets[i].Chains {
				if sets[i].Ref == p.Ruleset && sets[i].Chains[j].Name == p.Chain {
					sets[i] = withDoorway(sets[i], gate{i, j, p.N}, bit)
				}
			}
		}
	}
	return &Net{Filter: append(sets, t.table()), Own: n.Own, Others: n.Others}
}

func TestAdmits(t *testing.T) {
	d := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 6380}
	before := &Net{Filter: live(filter("DROP", established, "-A INPUT -s 198.51.100.0/24 -j ACCEPT"), false)}
	after := leased(before, d, order, []Place{{Table: "filter", Chain: "INPUT", N: 3, Ruleset: before.Filter[0].Ref}})
	if p := after.Admits(before, d, order, bit); !p.Opens || len(p.Others) > 0 {
		t.Errorf("a lease: %+v", p)
	}
	if p := before.Admits(before, d, order, bit); p.Opens || len(p.Others) > 0 || p.Why.From != "nobody" {
		t.Errorf("nothing done: %+v", p)
	}
	wide := leased(before, d, []netip.Prefix{netip.MustParsePrefix("203.0.113.0/31"), order[0]}, []Place{{Table: "filter", Chain: "INPUT", N: 3, Ruleset: before.Filter[0].Ref}})
	if p := wide.Admits(before, d, order, bit); !p.Opens || fmt.Sprint(p.Others) != "[203.0.113.0/31]" {
		t.Errorf("too wide: %+v", p)
	}
	other := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 22}
	if who := after.Newcomers(before, other, nil); len(who) > 0 {
		t.Errorf("another port: %v", who)
	}
	open := &Net{Filter: live(filter("DROP", established, "-A INPUT -p tcp --dport 22 -j ACCEPT"), false)}
	if len(open.Newcomers(before, other, nil)) == 0 {
		t.Error("another port was opened, and nothing is said")
	}
}

// A packet meets demine's own table as the kernel has it: the guard by the time
// of the look, marks that nobody else gives.
func TestOwnTable(t *testing.T) {
	d := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 6380}
	before := &Net{Filter: live(filter("DROP"), false)}
	n := leased(before, d, order, []Place{{Table: "filter", Chain: "INPUT", N: 1, Ruleset: before.Filter[0].Ref}})
	own := &n.Filter[len(n.Filter)-1].Chains[0]
	own.Rules = append([]fact.Rule{{Unknown: []string{"meta time > 1800000000"}, Verdict: "accept"}}, own.Rules...)
	for _, c := range []struct {
		now  int64
		want string
	}{{1800000000, "some rule [203.0.113.7/32] :1"}, {1800000001, "nobody policy"}} {
		n.Now = timeOf(c.now)
		if got := said(n.Reach(d)); got != c.want {
			t.Errorf("at %d: got %q, want %q", c.now, got, c.want)
		}
	}
	n.Now = timeOf(1800000000)
	n.Filter = n.Filter[:len(n.Filter)-1]
	n = &Net{Filter: n.Filter}
	if got := said(n.Reach(d)); got != "nobody policy" {
		t.Errorf("a doorway without the table: %q", got)
	}
	n.Filter[0].Chains[0].Rules[0].Comment = ""
	n = &Net{Filter: n.Filter}
	if got := said(n.Reach(d)); got != "cannot-tell unknown-match :1" {
		t.Errorf("a mark that something else may give: %q", got)
	}
}

func TestFreeMark(t *testing.T) {
	for _, c := range []struct {
		text string
		want uint32
	}{
		{"", 1 << 12},
		{filter("DROP", `-A INPUT -m mark --mark 0x1000/0x1000 -m comment --comment "demine lease" -j ACCEPT`), 1 << 12},
		{filter("ACCEPT", "-A INPUT -m mark --mark 0x1000/0xf000 -j DROP"), 1 << 6},
		{filter("ACCEPT", "-A INPUT -m mark --mark 5 -j DROP", "-A INPUT -j MARK --set-mark 0x1000"), 1 << 6},
		{filter("ACCEPT", "-A INPUT -j MARK --set-xmark 0/0xffff0000"), 1 << 12},
		{filter("ACCEPT", "-A INPUT -j MARK --set-xmark 0/0xfffffffe", "-A INPUT -m mark --mark 1 -j DROP"), 0},
		{filter("ACCEPT", "-A INPUT -j CONNMARK --save-mark --nfmask 0xff00 --ctmask 0xffff"), 1 << 6},
		{filter("ACCEPT", "-A INPUT -j CONNMARK --save-mark --mask 0x3f00"), 1 << 6},
		{filter("ACCEPT", "-A INPUT -j CONNMARK --save-mark"), 0},
		{filter("ACCEPT", "-A OUTPUT -j CONNMARK --save-mark"), 1 << 12},
		{filter("ACCEPT", "-A INPUT -j CONNMARK --set-mark 0x1000"), 1 << 12},
		{mangle("POSTROUTING", "-A POSTROUTING -m mark --mark 51820 -p udp -j CONNMARK --save-mark"), 1 << 12}, // wg-quick(8): not with another mark
		{mangle("POSTROUTING", "-A POSTROUTING -m mark --mark 0x1000/0x1000 -j CONNMARK --save-mark"), 0},
		{mangle("POSTROUTING", "-A POSTROUTING -m mark ! --mark 5 -j CONNMARK --save-mark"), 0},
		{mangle("PREROUTING", "-A PREROUTING -j CONNMARK --restore-mark", "-A PREROUTING -j CONNMARK --save-mark"), 1 << 12}, // before demine's
		{mangle("POSTROUTING", "-N A", "-N B", "-A A -j B", "-A B -j CONNMARK --save-mark --mask 0x1000", "-A POSTROUTING -j A"), 1 << 6},
		{mangle("POSTROUTING", "-N A", "-A A -j CONNMARK --save-mark"), 1 << 12}, // nothing leads there
	} {
		n := &Net{Filter: live(c.text, false)}
		if got, by := n.FreeMark(); got != c.want || (by == "") != (c.want != 0) {
			t.Errorf("%s: %#x, want %#x, by %q", c.text, got, c.want, by)
		}
	}
	n := &Net{Own: &fact.Network{Marks: []fact.Mark{{Value: 0x1000, Mask: 0xf000}, {Value: 0x20, Mask: 0xffffffff}, {Mask: 0x40}}}}
	if got, by := n.FreeMark(); got != 1<<4 || by != "" {
		t.Errorf("with marks in the routing: %#x", got)
	}
}

func mangle(chain string, rules ...string) string {
	return "*mangle\n:" + chain + " ACCEPT [0:0]\n" + strings.Join(rules, "\n") + "\nCOMMIT\n"
}

// What others do with the mark is told, and what demine does is not.
func TestMarkTaken(t *testing.T) {
	own := `-A INPUT -m mark --mark 0x1000/0x1000 -m comment --comment "demine lease" -j ACCEPT`
	d := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 6380}
	for _, c := range []struct{ rule, want string }{
		{own, ""},
		{"-A INPUT -j MARK --set-xmark 0x2000/0xf000", "0x2000"},
		{"-A INPUT -m mark --mark 0x1000/0x1000 -j DROP", "DROP"},
		{"-A INPUT -m mark --mark 5 -j DROP", ""},
		{"-A INPUT -j CONNMARK --restore-mark", ""},
		{"-A INPUT -j CONNMARK --save-mark --mask 0xf000", "--mask 0xf000"},
		{"-A INPUT -j CONNMARK --save-mark --mask 0x2000", ""},
	} {
		n := &Net{Filter: live(filter("DROP", own, c.rule), false)}
		table := n.trial(d, order, 1<<12).table()
		by := MarkTaken(append(n.Filter, table), nil, 1<<12)
		if (by == "") != (c.want == "") || !strings.Contains(by, c.want) {
			t.Errorf("%s: %q", c.rule, by)
		}
	}
	if by := MarkTaken(nil, []fact.Mark{{Value: 1, Mask: 1}, {Value: 0x1000, Mask: 0xf000}}, 1<<12); by != "ip rule fwmark 0x1000/0xf000" {
		t.Errorf("by the routing: %q", by)
	}
}

// TestDoorwaysOfRandom: what is found opens for those and nobody else, and one
// place later, or with one of the doorways left out, it does not.
func TestDoorwaysOfRandom(t *testing.T) {
	g := rand.New(rand.NewPCG(8, 9))
	found := 0
	for range 700 {
		sets := randomRulesets(g)
		for i := range sets {
			sets[i].Table, sets[i].Ref = fmt.Sprint(i), fact.Ref(fmt.Sprint(i))
			for j := range sets[i].Chains {
				for k := range sets[i].Chains[j].Rules {
					sets[i].Chains[j].Rules[k].N = k + 1
				}
			}
		}
		d := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 80}
		from := []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}
		before := &Net{Filter: sets}
		places, _, ok := before.Doorways(d, from, bit)
		if !ok || len(places) == 0 {
			continue
		}
		found++
		if p := leased(before, d, from, places).Admits(before, d, from, bit); !p.Opens || len(p.Others) > 0 {
			t.Fatalf("%v: %+v\n%+v", places, p, sets)
		}
		for i := range places {
			without := slices.Delete(slices.Clone(places), i, i+1)
			if leased(before, d, from, without).Admits(before, d, from, bit).Opens {
				t.Fatalf("%v: not needed: %v\n%+v", places, places[i], sets)
			}
			later := slices.Clone(places)
			if later[i].N++; later[i].N <= len(sets[0].Chains[0].Rules)+1 && later[i].Table == "0" && leased(before, d, from, later).Admits(before, d, from, bit).Opens {
				t.Fatalf("%v: it opens later: %v\n%+v", places, later, sets)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d doorways", found)
	}
}

func timeOf(seconds int64) time.Time { return time.Unix(seconds, 0) }

// A published port leads through forward: the doorway stands there, and the mark
// is given by the port of the host.
func TestDoorwaysPublished(t *testing.T) {
	inside := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 6379, NetNS: 2}
	own := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 16379}
	for _, c := range []struct{ name, more, want string }{
		{"open", "COMMIT\n", "[]"},
		{"DOCKER-USER drops", "-A DOCKER-USER -i eth0 -j DROP\nCOMMIT\n", "[filter/FORWARD 1]"},
		{"DOCKER-USER drops others", "-A DOCKER-USER -s 192.0.2.0/24 -j DROP\nCOMMIT\n", "[]"},
	} {
		nets := dockerHost()
		n := NetOf(&fact.Snapshot{Network: nets, Firewall: live(dockerNat+dockerForward+c.more, false)})
		if got := n.Fronts(inside); !slices.Equal(got, []int{16379}) || n.Fronts(own) != nil {
			t.Errorf("%s: sent on from ports %v", c.name, got)
		}
		proxied := own
		proxied.Also = netip.MustParseAddrPort("172.17.0.2:6379")
		for _, d := range []Door{inside, proxied} {
			places, why, ok := n.Doorways(d, order, bit)
			if got := fmt.Sprint(short(places)); !ok || got != c.want {
				t.Errorf("%s: %+v: got %s, want %s (%+v)", c.name, d, got, c.want, why)
				continue
			}
			after := leased(n, d, order, places)
			if p := after.Admits(n, d, order, bit); !p.Opens || len(p.Others) > 0 {
				t.Errorf("%s: %+v: %+v", c.name, d, p)
			}
		}
	}
	shut := strings.Replace(dockerForward, "--dport 6379 -j ACCEPT", "--dport 6379 -s 192.0.2.0/24 -j ACCEPT", 1) + "COMMIT\n"
	n := NetOf(&fact.Snapshot{Network: dockerHost(), Firewall: live(dockerNat+shut, false)})
	if places, _, ok := n.Doorways(inside, order, bit); !ok || fmt.Sprint(short(places)) != "[filter/FORWARD 4]" {
		t.Errorf("before the policy: %v %v", short(places), ok)
	}
	if _, why, ok := n.Doorways(own, order, bit); ok || why.From != "nobody" {
		t.Errorf("what listens at the port itself is not reached: %+v", why)
	}
}

// Where the mark is given in iptables-legacy, a lease is read with the date that
// it ends at, and is none once that has come.
func TestOwnChain(t *testing.T) {
	d := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 6380}
	end := openTime.Add(24*time.Hour + 30*time.Minute)
	mangle := live("*mangle\n:PREROUTING ACCEPT [0:0]\n:DEMINE_LEASE - [0:0]\n-A PREROUTING -j DEMINE_LEASE\n"+
		"-A DEMINE_LEASE -j MARK --set-xmark 0x0/0x1000\n-A DEMINE_LEASE -m addrtype ! --dst-type LOCAL -j RETURN\n"+
		"-A DEMINE_LEASE -s 203.0.113.7/32 -p tcp -m tcp --dport 6380 -m comment --comment L-7Q2KD -j MARK --set-xmark 0x1000/0x1000\nCOMMIT\n", false)
	rule := &mangle[0].Chains[1].Rules[2]
	rule.Unknown = append(rule.Unknown, fmt.Sprintf("time < %d", end.Unix()))
	mangle[0].Backend = "iptables-legacy"
	doorway := live(filter("DROP", `-A INPUT -m mark --mark 0x1000/0x1000 -m comment --comment "demine lease" -j ACCEPT`), false)
	for _, c := range []struct {
		now   time.Duration
		reach string
		left  int
	}{{-31 * time.Minute, "some rule [203.0.113.7/32] :1", 1860}, {-time.Second, "some rule [203.0.113.7/32] :1", 1}, {0, "nobody policy", 0}} {
		x := drifting(append(slices.Clone(mangle), doorway...), nil)
		x.Now = end.Add(c.now)
		n := NetOf(x.S)
		n.Now = x.Now
		if got := said(n.Reach(d)); got != c.reach {
			t.Errorf("%v: got %q, want %q", c.now, got, c.reach)
		}
		got := x.leases()
		if len(got) != min(1, c.left) || c.left > 0 && (got[0].Lease != "L-7Q2KD" || got[0].Left != c.left || got[0].Proto != "tcp") {
			t.Errorf("%v: %+v", c.now, got)
		}
		if r := WithoutLeases(x.S.Firewall, []string{"L-7Q2KD"})[0].Chains[1].Rules; len(r) != 2 || len(mangle[0].Chains[1].Rules) != 3 {
			t.Errorf("without it: %+v", r)
		}
	}
}
