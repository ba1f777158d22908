package host

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"demine/internal/fact"
	"demine/internal/relate"
)

// doors counts what the test of doorways saw.
type doors struct{ opened, refused, later, shut int }

// TestKernelDoorways asks where a doorway has to stand in random rulesets, puts
// it and demine's own table there with the tools of the backend, and connects:
// those who have the lease come in, nobody else does, and one place later they
// do not.
func TestKernelDoorways(t *testing.T) {
	l := newLab(t)
	for _, backend := range []string{"legacy", "nft", "native"} {
		var sc doors
		g := gen{rand.New(rand.NewPCG(*seed, 21))}
		for range 32 {
			l.leases(g, backend, &sc)
		}
		l.reload(backend, []string{empty, empty, ""})
		t.Logf("%s: %+v", backend, sc)
		if sc.opened < 5 || sc.shut < 2 {
			t.Errorf("%s: too few doorways: %+v", backend, sc)
		}
	}
}

// lease is who shall come in where.
type lease struct {
	from netip.Prefix
	port int
	bit  uint32
}

// leases loads one random ruleset and opens one door that is shut.
func (l *lab) leases(g gen, backend string, sc *doors) {
	l.t.Helper()
	rules := []string{g.iptables(false), g.iptables(true), g.nft()}
	l.reload(backend, rules)
	before, was := l.look(), l.connect()
	x := lease{netip.MustParsePrefix(g.pick("10.77.0.3/32", "10.77.0.2/31", "8.8.8.8/32", "fd77::3/128", "fd77::2/127")), kernelPorts[g.IntN(len(kernelPorts))], 0}
	if x.bit, _ = before.FreeMark(); x.bit == 0 {
		l.t.Fatalf("no bit is free\n%s", rules)
	}
	if !slices.ContainsFunc(x.sources(), func(a netip.Addr) bool { return !was[try{a, x.port}] }) {
		return
	}
	places, why, ok := before.Doorways(x.door(), []netip.Prefix{x.from}, x.bit)
	switch {
	case !ok:
		if sc.refused++; why.From == "anywhere" {
			l.t.Errorf("%v is refused: %+v\n%s", x, why, rules)
		}
		return
	case len(places) == 0:
		l.t.Errorf("nothing drops %v, but it does not connect\n%s", x, rules)
		return
	}
	sc.opened++
	l.open(x, before, places)
	l.only(x, before, was, places, rules)
	for i := range places {
		later := slices.Clone(places)
		later[i].N++
		l.tooLate(x, before, later, backend, rules, sc)
	}
}

func (x lease) door() relate.Door {
	return relate.Door{Proto: "tcp", Addr: netip.IPv6Unspecified(), Port: x.port, V6: x.from.Addr().Is6()}
}

func (x lease) sources() (out []netip.Addr) {
	for _, a := range slices.Concat(sources4, sources6) {
		if x.from.Contains(a) {
			out = append(out, a)
		}
	}
	return out
}

// look is the filter and the network of the host.
func (l *lab) look() *relate.Net {
	l.t.Helper()
	n := &relate.Net{Filter: l.read(), Now: time.Now()}
	l.in(l.host, func() {
		w, _ := ReadNetwork()
		w.Own, n.Own = true, &w
	})
	return n
}

// reload leaves only the rules of one round.
func (l *lab) reload(backend string, rules []string) {
	l.t.Helper()
	l.inHost("nft flush ruleset", "")
	if backend == "native" {
		l.inHost("nft -f -", rules[2])
		return
	}
	l.inHost("iptables-"+backend+"-restore", rules[0])
	l.inHost("ip6tables-"+backend+"-restore", rules[1])
}

// open puts a lease into the kernel.
func (l *lab) open(x lease, before *relate.Net, places []relate.Place) {
	l.t.Helper()
	family, mask := "ip", netip.MustParseAddr("255.255.255.255")
	if x.from.Addr().Is6() {
		family, mask = "ip6", netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	}
	under, _ := mask.Prefix(x.from.Bits())
	l.inHost("nft -f -", fmt.Sprintf(`table inet demine_lease {
 set s { typeof %[1]s saddr . meta l4proto . th dport; flags timeout; elements = { %[2]s . tcp . %[3]d timeout 1h comment "L-7Q2K" } }
 set ports { typeof meta l4proto . th dport; elements = { tcp . %[3]d, udp . 1 } }
 chain leased {
  meta time > 4000000000 accept
  fib daddr type != local accept
  %[1]s saddr & %[4]s . meta l4proto . th dport @s meta mark set meta mark | %#[5]x
 }
 chain prerouting {
  type filter hook prerouting priority -110; policy accept;
  meta mark set meta mark & %#[6]x
  meta l4proto . th dport @ports jump leased
 }
}
`, family, x.from.Addr(), x.port, under.Addr(), x.bit, ^x.bit))
	for _, p := range places {
		l.inHost(doorway(p, p.N > l.rules(before, p), x), "")
	}
}

// doorway is the command that makes a rule.
func doorway(p relate.Place, last bool, x lease) string {
	if p.Backend == "nft" {
		rule := fmt.Sprintf("meta mark & %#x == %#x accept comment demine", x.bit, x.bit)
		if last {
			return fmt.Sprintf("nft add rule %s %s %s %s", p.Family, p.Table, p.Chain, rule)
		}
		return fmt.Sprintf("nft insert rule %s %s %s index %d %s", p.Family, p.Table, p.Chain, p.N-1, rule)
	}
	tool := map[string]string{"ip": "iptables", "ip6": "ip6tables"}[p.Family] + strings.TrimPrefix(p.Backend, "iptables")
	return fmt.Sprintf("%s -t %s -I %s %d -m mark --mark %#x/%#x -m comment --comment demine -j ACCEPT", tool, p.Table, p.Chain, p.N, x.bit, x.bit)
}

// only compares who connects with a lease and without.
func (l *lab) only(x lease, before *relate.Net, was map[try]bool, places []relate.Place, rules []string) {
	l.t.Helper()
	after := l.look()
	for at, open := range l.connect() {
		want := was[at] || at.port == x.port && x.from.Contains(at.from)
		if open != want && l.connect()[at] != want { // a busy machine may lose one, not twice
			l.t.Errorf("%v by %v: %v connects: %v, want %v\n%s", x, places, at, open, want, rules)
		}
	}
	p := after.Admits(before, x.door(), []netip.Prefix{x.from}, x.bit)
	if !p.Opens || len(p.Others) > 0 {
		l.t.Errorf("%v by %v is not proven: %+v\n%s", x, places, p, rules)
	}
	for _, port := range kernelPorts {
		d := x.door()
		if d.Port = port; port != x.port {
			if p := after.Admits(before, d, nil, x.bit); len(p.Others) > 0 {
				l.t.Errorf("%v opens port %d to %v\n%s", x, port, p.Others, rules)
			}
		}
	}
	if !slices.ContainsFunc(after.Filter, x.isRead) {
		l.t.Errorf("the element of %v is not read: %+v", x, after.Filter)
	}
}

// isRead reports whether a ruleset is that of the lease with its element.
func (x lease) isRead(rs fact.Ruleset) bool {
	return rs.Table == "demine_lease" && slices.ContainsFunc(rs.Chains[0].Rules, func(r fact.Rule) bool {
		return slices.Equal(r.Src, []netip.Prefix{x.from}) && r.Proto == "tcp" && len(r.DPort) == 1 && r.DPort[0].Has(x.port) && len(r.Unknown) == 0 &&
			r.Left > 3000 && r.Left <= 3600 && r.Comment == "L-7Q2K" && r.SetMark == fact.Mark{Value: x.bit, Mask: x.bit}
	})
}

// tooLate has one doorway one place behind its own: whoever had the lease does
// not come in, where nothing in the rules is uncertain.
func (l *lab) tooLate(x lease, before *relate.Net, places []relate.Place, backend string, rules []string, sc *doors) {
	l.t.Helper()
	for _, p := range places {
		if p.N > l.rules(before, p)+1 {
			return
		}
	}
	l.reload(backend, rules)
	l.open(x, before, places)
	sc.later++
	r, got := l.look().Reach(x.door()), l.connect()
	for _, a := range x.sources() {
		open := got[try{a, x.port}]
		if want, known := predicted(r, a, false); known && want != open {
			l.t.Errorf("%v by %v: %s connects: %v, but %+v\n%s", x, places, a, open, r, rules)
		}
		if !open {
			sc.shut++
		}
	}
}

func (l *lab) rules(n *relate.Net, p relate.Place) (last int) {
	for _, rs := range n.Filter {
		for _, c := range rs.Chains {
			if rs.Ref == p.Ruleset && c.Name == p.Chain {
				for _, r := range c.Rules {
					last = max(last, r.N)
				}
			}
		}
	}
	return last
}
