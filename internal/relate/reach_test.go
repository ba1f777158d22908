package relate

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"demine/internal/fact"
	"demine/internal/format/iptablessave"
	"demine/internal/format/nftconf"
)

// live reads rules as text and makes them rules in force.
func live(text string, v6 bool) []fact.Ruleset {
	if strings.Contains(text, "table ") {
		return nftconf.Parse([]byte(text), "")
	}
	family := "ip"
	if v6 {
		family = "ip6"
	}
	return iptablessave.Parse([]byte(text), family, "")
}

func filter(policy string, rules ...string) string {
	return "*filter\n:INPUT " + policy + " [0:0]\n" + strings.Join(rules, "\n") + "\nCOMMIT\n"
}

const established = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"

// ufwLike has the shape of a host with ufw on.
const ufwLike = `*filter
:INPUT DROP [0:0]
:ufw-before-input - [0:0]
:ufw-not-local - [0:0]
:ufw-user-input - [0:0]
:ufw-user-limit - [0:0]
:ufw-user-limit-accept - [0:0]
-A INPUT -j ufw-before-input
-A INPUT -j ufw-user-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j LOG
-A ufw-not-local -j DROP
-A ufw-user-input -p tcp -m tcp --dport 6380 -j ACCEPT
-A ufw-user-input -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name DEFAULT
-A ufw-user-input -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 --name DEFAULT -j ufw-user-limit
-A ufw-user-input -p tcp -m tcp --dport 22 -j ufw-user-limit-accept
-A ufw-user-limit -j REJECT
-A ufw-user-limit-accept -j ACCEPT
COMMIT
`

func TestReach(t *testing.T) {
	for _, c := range []struct {
		name, text string
		port       int
		v6         bool
		want       string // From Why [Sources] : N of Because
	}{
		{"no rules", filter("ACCEPT"), 6379, false, "anywhere no-rules"},
		{"policy", filter("DROP", established), 6379, false, "nobody policy"},
		{"open", filter("DROP", established, "-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT"), 6380, false, "anywhere rule :2"},
		{"another port", filter("DROP", "-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT"), 6379, false, "nobody policy"},
		{"a network", filter("DROP", "-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 6380 -j ACCEPT"), 6380, false, "some rule [10.0.0.0/8] :1"},
		{"all but a network is dropped", filter("ACCEPT", "-A INPUT ! -s 10.0.0.0/8 -p tcp -m tcp --dport 6380 -j DROP"), 6380, false, "some policy [10.0.0.0/8]"},
		{"two halves", filter("DROP", "-A INPUT -s 0.0.0.0/1 -j ACCEPT", "-A INPUT -s 128.0.0.0/1 -j ACCEPT"), 22, false, "anywhere rule :1"},
		{"a blocked network", filter("ACCEPT", "-A INPUT -s 1.0.0.0/8 -j DROP"), 22, false, "anywhere policy"},
		{"from itself only", filter("DROP", "-A INPUT -s 127.0.0.0/8 -j ACCEPT"), 22, false, "nobody policy"},
		{"lo", filter("DROP", "-A INPUT -i lo -j ACCEPT"), 22, false, "nobody policy"},
		{"first rule wins", filter("ACCEPT", "-A INPUT -p tcp -m tcp --dport 22 -j DROP", "-A INPUT -j ACCEPT"), 22, false, "nobody rule :1"},
		{"ipset", filter("DROP", "-A INPUT -m set --match-set w src -j ACCEPT"), 22, false, "cannot-tell unknown-match :1"},
		{"ipset and a network", filter("DROP", "-A INPUT -s 10.0.0.0/8 -j ACCEPT", "-A INPUT -m set --match-set w src -j ACCEPT"), 22, false, "cannot-tell unknown-match [10.0.0.0/8] :2"},
		{"ipset before accept", filter("DROP", "-A INPUT -m set --match-set w src -j ACCEPT", "-A INPUT -j ACCEPT"), 22, false, "anywhere rule :1"},
		{"ipset drops", filter("ACCEPT", "-A INPUT -m set --match-set b src -j DROP"), 22, false, "cannot-tell unknown-match :1"},
		{"too many attempts", filter("ACCEPT", "-A INPUT -p tcp --dport 22 -m recent --update --seconds 60 --hitcount 4 -j DROP"), 22, false, "anywhere policy"},
		{"not a syn", filter("ACCEPT", "-A INPUT -p tcp ! --syn -m state --state NEW -j DROP"), 22, false, "anywhere policy"},
		{"ufw", ufwLike, 6380, false, "anywhere rule :1"},
		{"ufw limit", ufwLike, 22, false, "anywhere rule :1"},
		{"ufw closed", ufwLike, 6379, false, "nobody policy"},
		{"docker publishes", "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n-A DOCKER -i docker0 -j RETURN\n-A DOCKER ! -i docker0 -p tcp -m tcp --dport 6379 -j DNAT --to-destination 172.17.0.2:6379\nCOMMIT\n" + filter("ACCEPT"), 6379, false, "cannot-tell nat :2"},
		{"dropped before nat", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 6379 -j DROP\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 6379 -j DNAT --to-destination 1.1.1.1\nCOMMIT\n", 6379, false, "nobody rule :1"},
		{"only from containers", filter("DROP", "-A INPUT -i docker0 -j ACCEPT"), 6379, false, "some interface :1"},
		{"shut on one interface", filter("ACCEPT", "-A INPUT -i eth0 -p tcp --dport 6379 -j DROP"), 6379, false, "cannot-tell interface :1"},
		{"open on one interface", filter("DROP", "-A INPUT -i eth0 -p tcp --dport 6379 -j ACCEPT"), 6379, false, "anywhere rule :1"},
		{"a source port is no lock", filter("DROP", "-A INPUT -p tcp --sport 80 -j ACCEPT"), 6379, false, "anywhere rule :1"},
		{"no state before conntrack", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m conntrack --ctstate NEW -j DROP\nCOMMIT\n", 22, false, "anywhere policy"},
		{"invalid before conntrack", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n", 22, false, "nobody rule :1"},
		{"not tracked", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 22 -j CT --notrack\nCOMMIT\n" + filter("DROP", "-A INPUT -m state --state NEW -j ACCEPT"), 22, false, "nobody policy"},
		{"perhaps not tracked", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 10.0.0.0/8 -j CT --notrack\nCOMMIT\n" + filter("DROP", "-A INPUT -m state --state NEW -j ACCEPT"), 22, false, "cannot-tell unknown-match :1"},
		{"some not tracked, in a chain", "*raw\n:PREROUTING ACCEPT [0:0]\n:NT - [0:0]\n-A PREROUTING -s 10.0.0.0/8 -j NT\n-A NT -j CT --notrack\nCOMMIT\n" + filter("DROP", "-A INPUT -m state --state NEW -j ACCEPT"), 22, false, "cannot-tell unknown-match :1"},
		{"not tracked but for some", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 10.0.0.0/8 -j ACCEPT\n-A PREROUTING -j CT --notrack\nCOMMIT\n" + filter("DROP", "-A INPUT -m state --state NEW -j ACCEPT"), 22, false, "cannot-tell unknown-match :1"},
		{"the others dropped", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 10.0.0.0/8 -j DROP\n-A PREROUTING -j CT --notrack\nCOMMIT\n" + filter("DROP", "-A INPUT -m state --state NEW -j ACCEPT"), 22, false, "nobody rule :1"},
		{"a routing header", filter("ACCEPT", "-A INPUT -m rt --rt-type 0 -j DROP"), 22, true, "anywhere policy"},
		{"a routing header lets in", filter("DROP", "-A INPUT -m rt --rt-type 0 -j ACCEPT"), 22, true, "cannot-tell unknown-match :1"},
		{"family", filter("DROP"), 6379, true, "nobody policy"},
		{"nothing of v6 in a table of v4", "table ip t {\n chain i {\n type filter hook input priority 0; policy drop;\n }\n}\n", 6379, true, "anywhere no-rules"},
		{"inet", "table inet t {\n chain i {\n type filter hook input priority 0; policy drop;\n ip6 saddr fd00::/8 tcp dport 6379 accept\n ip saddr != 10.0.0.0/8 accept\n }\n}\n", 6379, true, "some rule [fd00::/8] :1"},
		{"drop is final over accept elsewhere", "table inet a {\n chain i {\n type filter hook input priority -10; policy accept;\n tcp dport 22 accept\n }\n}\ntable inet b {\n chain i {\n type filter hook input priority 0; policy drop;\n }\n}\n", 22, false, "nobody policy"},
		{"a loop of jumps", "table inet a {\n chain x {\n jump y\n }\n chain y {\n jump x\n }\n chain i {\n type filter hook input priority 0;\n jump x\n }\n}\n", 22, false, "cannot-tell too-complex"},
		{"a chain that is not there", filter("DROP", "-A INPUT -j nowhere"), 22, false, "cannot-tell unknown-match :1"},
		{"queue", filter("ACCEPT", "-A INPUT -j NFQUEUE"), 22, false, "cannot-tell unknown-match :1"},
	} {
		r := ReachOf(live(c.text, c.v6), "tcp", netip.IPv6Unspecified(), c.port, c.v6)
		if got := said(r); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func said(r Reach) string {
	s := r.From + " " + r.Why
	if len(r.Sources) > 0 && len(r.Sources) < 4 {
		var p []string
		for _, x := range r.Sources {
			p = append(p, x.String())
		}
		s += " [" + strings.Join(p, " ") + "]"
	}
	if r.Because != nil {
		s += " :" + string(rune('0'+r.Because.N))
	}
	return s
}

func TestReachPersistedAndLoopback(t *testing.T) {
	saved := iptablessave.Parse([]byte(filter("DROP")), "ip", "/etc/iptables/rules.v4")
	if r := ReachOf(saved, "tcp", netip.IPv6Unspecified(), 22, false); r.From != "anywhere" {
		t.Errorf("a saved rule counts: %+v", r)
	}
	if r := ReachOf(nil, "tcp", netip.MustParseAddr("127.0.0.1"), 22, false); r.From != "nobody" || r.Why != "loopback" {
		t.Errorf("%+v", r)
	}
}

// The algebra of sources is compared with sets of the addresses 10.0.0.0 …
// 10.0.0.63.
func TestSources(t *testing.T) {
	g := rand.New(rand.NewPCG(1, 2))
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
	random := func() (s sources, bits uint64) {
		for range g.IntN(5) {
			from := g.IntN(64)
			to := min(63, from+g.IntN(12))
			s = append(s, span{at(from), at(to)})
			for i := from; i <= to; i++ {
				bits |= 1 << i
			}
		}
		return s.merged(), bits
	}
	check := func(op string, s sources, want uint64) {
		var got uint64
		for i, x := range s {
			if x.to.Less(x.from) || i > 0 && x.from.Compare(s[i-1].to.Next()) <= 0 {
				t.Fatalf("%s: spans not in order: %v", op, s)
			}
			for j := range 64 {
				if !at(j).Less(x.from) && !x.to.Less(at(j)) {
					got |= 1 << j
				}
			}
		}
		if got != want {
			t.Fatalf("%s: %b, want %b", op, got, want)
		}
	}
	for range 5000 {
		a, x := random()
		b, y := random()
		check("and", a.and(b), x&y)
		check("union", a.union(b), x|y)
		check("minus", a.minus(b), x&^y)
		var n sources
		for _, p := range a.prefixes() {
			n = append(n, prefixSources([]netip.Prefix{p}, false)...)
		}
		check("prefixes", n.merged(), x)
	}
}

// TestWalk compares the walk, which keeps all senders at once, with a naive one
// that follows each sender alone into every world that is possible.
func TestWalk(t *testing.T) {
	g, definite := rand.New(rand.NewPCG(3, 4)), 0
	for range 1200 {
		rs := randomRulesets(g)
		p := packet{proto: "tcp", local: netip.IPv4Unspecified(), port: 80, sport: 40000}
		bases := p.bases(rs, hooksIn)
		n, d := &Net{Filter: rs}, Door{Proto: "tcp", Addr: p.local, Port: p.port}
		r := n.over(d, p, bases, arrival{here: true}, unnamed, []int{p.sport}, &effort{cells: cut(bases, false), asked: askedMarks(bases)})
		if r.From != "cannot-tell" {
			definite++
		}
		first := firstMarks(rs)
		exact := askedMarks(bases) == 0 || len(first) == 1 && !guesses(rs)
		for _, s := range []string{"10.0.0.1", "10.0.0.2", "10.0.1.1", "8.8.8.8"} {
			a := netip.MustParseAddr(s)
			accept, drop := naive(p, bases, a, first)
			in := func(p []netip.Prefix) bool {
				return slices.ContainsFunc(p, func(p netip.Prefix) bool { return p.Contains(a) })
			}
			wrong := false
			switch r.From {
			case "nobody":
				wrong = accept
			case "anywhere":
				wrong = !in(r.Except) && drop || exact && in(r.Except) && accept && !drop
			case "some":
				wrong = in(r.Sources) && drop || !in(r.Sources) && accept
			case "cannot-tell":
				wrong = in(r.Sources) && drop
			}
			if wrong {
				t.Fatalf("%s: %+v, but accepted %v, dropped %v\n%+v", s, r, accept, drop, rs)
			}
		}
	}
	if definite < 500 {
		t.Errorf("only %d of 1200 answers are definite", definite)
	}
}

// guesses reports whether some rule leaves a mark that is not followed.
func guesses(sets []fact.Ruleset) bool {
	return slices.ContainsFunc(sets, func(rs fact.Ruleset) bool {
		return slices.ContainsFunc(rs.Chains, func(c fact.Chain) bool {
			return slices.ContainsFunc(c.Rules, func(r fact.Rule) bool { return r.SetMark.Unclear || r.Verdict == "other" })
		})
	})
}

func randomRulesets(g *rand.Rand) []fact.Ruleset {
	var chains []fact.Chain
	for i, name := range []string{"in", "u1", "u2"} {
		c := fact.Chain{Name: name}
		if i == 0 {
			c.Hook, c.Policy = "input", []string{"accept", "drop"}[g.IntN(2)]
		}
		for range g.IntN(5) {
			r := fact.Rule{Verdict: []string{"accept", "drop", "return", "continue", "jump", "goto", "other"}[g.IntN(7)]}
			if r.Verdict == "jump" || r.Verdict == "goto" {
				if r.Target = []string{"u1", "u2", "u2"}[i]; i == 2 {
					r.Verdict = "accept"
				}
			}
			if g.IntN(2) == 0 {
				r.Src = []netip.Prefix{netip.MustParsePrefix([]string{"10.0.0.1/32", "10.0.0.0/24", "10.0.0.0/8", "0.0.0.0/1"}[g.IntN(4)])}
				r.NotSrc = g.IntN(3) == 0
			}
			if g.IntN(3) == 0 {
				r.Unknown = []string{"set"}
			}
			randomMarks(g, &r)
			c.Rules = append(c.Rules, r)
		}
		chains = append(chains, c)
	}
	last := fact.Rule{Verdict: []string{"drop", "accept"}[g.IntN(2)], Src: []netip.Prefix{netip.MustParsePrefix("10.0.1.0/24")}}
	randomMarks(g, &last)
	return []fact.Ruleset{{Family: "ip", Chains: chains}, {Family: "inet", Chains: []fact.Chain{{Name: "x", Hook: "input", Priority: g.IntN(3) - 1, Policy: "accept",
		Rules: []fact.Rule{last}}}}}
}

// randomMarks uses four bits.
func randomMarks(g *rand.Rand, r *fact.Rule) {
	if g.IntN(4) == 0 {
		mask := 1 + g.Uint32N(15)
		r.Mark = fact.Mark{Mask: mask, Value: g.Uint32N(16) & mask, Not: g.IntN(3) == 0}
	}
	if g.IntN(4) == 0 {
		r.SetMark = fact.Mark{Mask: g.Uint32N(16), Value: g.Uint32N(8), Unclear: g.IntN(6) == 0}
	}
}

// firstMarks are what a packet may come with: bits that rules set are not set.
func firstMarks(sets []fact.Ruleset) (out []uint32) {
	given := uint32(0)
	for _, rs := range sets {
		for _, c := range rs.Chains {
			for _, r := range c.Rules {
				given |= r.SetMark.Value
			}
		}
	}
	for n := range uint32(16) {
		if n&given == 0 {
			out = append(out, n)
		}
	}
	return out
}

// marksAfter are what a mark may be behind a rule.
func marksAfter(mark uint32, m fact.Mark) (out []uint32) {
	if !m.Unclear {
		return []uint32{mark&^m.Mask ^ m.Value}
	}
	for n := range uint32(16) {
		if (n^mark)&^m.Mask == 0 {
			out = append(out, n)
		}
	}
	return out
}

// end is how a packet comes out of a chain, and with which mark.
type end struct {
	how  string
	mark uint32
}

// naive gives the possible ends of one sender.
func naive(p packet, bases []base, src netip.Addr, first []uint32) (accept, drop bool) {
	w := &walk{packet: p, iface: unnamed, state: "new"}
	type place struct {
		b    *base
		name string
		i    int
		mark uint32
	}
	known := map[place]map[end]bool{}
	var from func(at place) map[end]bool
	from = func(at place) map[end]bool {
		if out, ok := known[at]; ok {
			return out
		}
		ends := map[end]bool{}
		known[at] = ends
		goOn := func(mark uint32) {
			for e := range from(place{at.b, at.name, at.i + 1, mark}) {
				ends[e] = true
			}
		}
		if at.i == len(at.b.chains[at.name]) {
			ends[end{"return", at.mark}] = true
			return ends
		}
		w.base = at.b
		r := at.b.chains[at.name][at.i]
		sure, yes := w.match(r)
		in := slices.ContainsFunc(r.Src, func(p netip.Prefix) bool { return p.Contains(src) })
		yes = yes && (len(r.Src) == 0 || in != r.NotSrc) && (r.Mark.Mask == 0 || (at.mark&r.Mark.Mask == r.Mark.Value) != r.Mark.Not)
		if !yes || !sure {
			goOn(at.mark)
		}
		if !yes {
			return ends
		}
		for _, next := range marksAfter(at.mark, r.SetMark) {
			switch r.Verdict {
			case "accept", "drop", "return":
				ends[end{r.Verdict, next}] = true
			case "jump", "goto":
				for e := range from(place{at.b, r.Target, 0, next}) {
					if e.how == "return" && r.Verdict == "jump" {
						goOn(e.mark)
					} else {
						ends[e] = true
					}
				}
			case "other":
				for n := range uint32(16) {
					ends[end{"accept", n}], ends[end{"drop", n}] = true, true
					goOn(n)
				}
			default:
				goOn(next)
			}
		}
		return ends
	}
	here := map[uint32]bool{}
	for _, m := range first {
		here[m] = true
	}
	for i := range bases {
		next := map[uint32]bool{}
		for mark := range here {
			for e := range from(place{&bases[i], bases[i].chain.Name, 0, mark}) {
				if e.how == "return" {
					e.how = bases[i].chain.Policy
				}
				drop = drop || e.how == "drop"
				if e.how == "accept" {
					next[e.mark] = true
				}
			}
		}
		here = next
	}
	return len(here) > 0, drop
}
