package relate

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"demine/internal/fact"
)

// Reach is who can reach a listener through the packet filter of its host.
type Reach struct {
	// From is "anywhere", "some" (only Sources), "nobody" or "cannot-tell".
	From string
	// Sources are for "some": who. For "cannot-tell" they are those who can in
	// any case.
	Sources []netip.Prefix
	// Except are for "anywhere": who is shut out all the same, or may be. At
	// most 256 are named, as of Sources.
	Except []netip.Prefix
	// Because is the rule that lets the packet in, or that stops it; nil when a
	// policy does.
	Because *fact.Rule
	Chain   string
	Ruleset fact.Ref
	// Why is a code: rule, policy, no-rules, unknown-match, nat, interface,
	// loopback, too-complex.
	Why string
}

// ReachOf is reach for other packages, which prove it against a kernel.
func ReachOf(rulesets []fact.Ruleset, proto string, local netip.Addr, port int, v6 bool) Reach {
	return reach(rulesets, proto, local, port, v6)
}

// reach says who can open a connection (tcp) or send a first packet (udp) from
// another host to a port, as far as the rules in force decide: it walks every
// base chain of ingress, prerouting and input in the order of their priorities,
// over all backends. accept ends its base chain only, drop is final. local is
// the address that the listener has; an unspecified one is any of the host's,
// and then a rule about a destination may or may not match. Persisted rulesets
// do not count.
//
// Which interfaces lead outside is not known: those that rules name are tried
// (lo and those of containers, bridges and tunnels are not outside), and one
// that no rule names. A port that is only open on an interface of the inside is
// "some" with Why "interface"; one that is shut on the named ones and open on
// others is "cannot-tell" with the same Why.
func reach(rulesets []fact.Ruleset, proto string, local netip.Addr, port int, v6 bool) Reach {
	if local.Unmap().IsLoopback() {
		return Reach{From: "nobody", Why: "loopback"}
	}
	p := packet{proto: proto, local: local.Unmap(), port: port, v6: v6}
	bases, rules := p.bases(rulesets)
	if rules == 0 && !slices.ContainsFunc(bases, func(b base) bool { return b.chain.Policy == "drop" }) {
		return Reach{From: "anywhere", Why: "no-rules"}
	}
	p.effort = &effort{cells: cut(bases, v6)}
	var out, in, other *Reach
	for _, name := range interfaces(bases) {
		r := p.over(bases, name)
		switch {
		case name == unnamed:
			other = &r
		case inner(name):
			in = wider(in, &r)
		default:
			out = wider(out, &r)
		}
	}
	return joined(out, in, other)
}

// joined makes one answer of those for the interfaces that rules name as
// outer, as inner, and for one that they do not name.
func joined(out, in, other *Reach) Reach {
	switch {
	case out != nil && rank(out.From) < rank(other.From):
		r := *out
		r.From, r.Why = "cannot-tell", "interface"
		return r
	case out != nil:
		return *out
	case in != nil && other.From == "nobody" && in.From != "nobody":
		r := *in
		r.From, r.Why = "some", "interface"
		return r
	}
	return *other
}

var ranks = []string{"nobody", "some", "cannot-tell", "anywhere"}

func rank(from string) int { return slices.Index(ranks, from) }

func wider(a, b *Reach) *Reach {
	if a == nil || rank(b.From) > rank(a.From) {
		return b
	}
	return a
}

// over is the widest answer for one interface, over the source ports that the
// sender may choose.
func (p packet) over(bases []base, iface string) Reach {
	var best *Reach
	p.iface = iface
	for _, s := range sourcePorts(bases) {
		p.sport = s
		r := p.walk(bases)
		best = wider(best, &r)
	}
	return *best
}

// packet is the first packet of a connection.
type packet struct {
	proto, iface string
	local        netip.Addr
	port, sport  int
	v6           bool
	effort       *effort
}

// base is a base chain and the chains that it can jump to, with only the rules
// that can match the packet.
type base struct {
	ref     fact.Ref
	backend string
	chain   *fact.Chain
	chains  map[string][]*fact.Rule
}

var hookOrder = []string{"ingress", "prerouting", "input"}

// bases are the base chains that the packet meets, in order, and how many of
// their rules can match it.
func (p packet) bases(rulesets []fact.Ruleset) (out []base, rules int) {
	for i := range rulesets {
		rs := &rulesets[i]
		if rs.Persisted != "" || rs.Family != "inet" && (rs.Family == "ip6") != p.v6 {
			continue
		}
		chains := map[string][]*fact.Rule{}
		for j := range rs.Chains {
			c := &rs.Chains[j]
			chains[c.Name] = p.possible(c)
			rules += len(chains[c.Name])
		}
		for j := range rs.Chains {
			if c := &rs.Chains[j]; slices.Contains(hookOrder, c.Hook) && !(c.Type == "nat" && c.Hook == "input") {
				out = append(out, base{rs.Ref, rs.Backend, c, chains})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b base) int {
		return cmp.Or(cmp.Compare(slices.Index(hookOrder, a.chain.Hook), slices.Index(hookOrder, b.chain.Hook)),
			cmp.Compare(a.chain.Priority, b.chain.Priority))
	})
	return out, rules
}

// possible are the rules of a chain that can match the packet whatever its
// interface and ports are.
func (p packet) possible(c *fact.Chain) []*fact.Rule {
	out := []*fact.Rule{}
	for i := range c.Rules {
		if r := &c.Rules[i]; p.protoAndPort(r) && !(r.In == "lo" && !r.NotIn) {
			out = append(out, r)
		}
	}
	return out
}

func (p packet) protoAndPort(r *fact.Rule) bool {
	if r.Proto != "" && (r.Proto == p.proto) == r.NotProto {
		return false
	}
	if len(r.DPort) == 0 {
		return true
	}
	return hasPort(r.DPort, p.port) != r.NotDPort
}

func hasPort(in []fact.PortRange, port int) bool {
	return slices.ContainsFunc(in, func(x fact.PortRange) bool { return x.Has(port) })
}

// unnamed is an interface that no rule names.
const unnamed = "\x00"

// maxTries is how many interfaces, and how many source ports, are tried.
const maxTries = 8

// interfaces are those that rules name, and unnamed.
func interfaces(bases []base) []string {
	out := []string{unnamed}
	eachRule(bases, func(r *fact.Rule) {
		name := strings.Replace(r.In, "+", "0", 1)
		if name != "" && name != "lo" && len(out) < maxTries && !slices.Contains(out, name) {
			out = append(out, name)
		}
	})
	return out
}

// sourcePorts are one of the range that hosts choose from, and those that
// rules name.
func sourcePorts(bases []base) []int {
	out := []int{40000}
	eachRule(bases, func(r *fact.Rule) {
		if len(r.SPort) == 0 || hasPort(r.SPort, 40000) || len(out) >= maxTries {
			return
		}
		if p := int(r.SPort[0].From); !slices.Contains(out, p) {
			out = append(out, p)
		}
	})
	return out
}

func eachRule(bases []base, f func(*fact.Rule)) {
	for _, b := range bases {
		f(&fact.Rule{})
		for _, c := range b.chains {
			for _, r := range c {
				f(r)
			}
		}
	}
}

// inner reports whether an interface, by its name, leads to containers, virtual
// machines or a tunnel and not to a network of the host.
func inner(name string) bool {
	for _, p := range []string{"docker", "br-", "veth", "virbr", "vnet", "cni", "flannel", "cali", "cilium", "lxc", "lxd", "podman",
		"kube", "nodelocaldns", "tunl", "weave", "antrea", "tailscale", "wg", "tun", "tap", "zt", "dummy", "ifb"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}
