package relate

import (
	"cmp"
	"net/netip"
	"slices"

	"demine/internal/fact"
)

// Reach is who can reach a listener through the packet filters on the way.
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
	// loopback, too-complex, routed, routing, isolated, namespace.
	Why string
	// By is the rule that sends the packet to the listener instead of where it
	// was for, and To the port that it was for; nil and 0: it came directly.
	By *fact.Rule
	To int
}

// ReachOf is who can open a connection (tcp) or send a first packet (udp) from
// another host to a port of this one, as far as its rulesets decide: nothing is
// known of its interfaces, so a rule that sends a packet elsewhere makes it
// "cannot-tell".
func ReachOf(rulesets []fact.Ruleset, proto string, local netip.Addr, port int, v6 bool) Reach {
	n := Net{Filter: rulesets}
	return n.Reach(Door{Proto: proto, Addr: local, Port: port, V6: v6})
}

// packet is the first packet of a connection, where it is.
type packet struct {
	proto       string
	local       netip.Addr // destination; unspecified: any of the host's
	port, sport int
	v6          bool
	natted      bool // its destination is not what it was
	was         int  // port that it was for then
}

// base is a base chain and the chains that it can jump to, with only the rules
// that can match the packet.
type base struct {
	ref     fact.Ref
	backend string
	family  string
	table   string
	chain   *fact.Chain
	chains  map[string][]*fact.Rule
	out     string        // interface by which the packet leaves; empty: it does not
	inside  *fact.Network // the namespace of a container that the packet is in
	iface   string        // of that namespace, by which it came in
	here    bool          // the packet is for this very namespace
	masked  bool          // the sender may be hidden by address translation
	lease   bool          // of demine's own table of leases
}

// The ways through the hooks of linux/netfilter.h: to this namespace, and
// through it.
var (
	hooksIn      = []string{"ingress", "prerouting", "input"}
	hooksThrough = []string{"ingress", "prerouting", "forward", "postrouting"}
)

// bases are the base chains that the packet meets in those hooks, in order; of
// equal priority the last that was made comes first (nf_hook_entries_grow). A
// chain of type nat has the place of address translation, whatever its own
// priority, which only orders it among its like (nf_nat_core.c); those behind
// the routing do not matter.
func (p packet) bases(rulesets []fact.Ruleset, hooks []string) (out []base) {
	for i := range rulesets {
		rs := &rulesets[i]
		if rs.Persisted != "" || rs.Family != "inet" && (rs.Family == "ip6") != p.v6 {
			continue
		}
		var chains map[string][]*fact.Rule
		for j := range rs.Chains {
			c := &rs.Chains[j]
			if !slices.Contains(hooks, c.Hook) || c.Type == "nat" && c.Hook != "prerouting" {
				continue
			}
			if chains == nil {
				chains = p.chains(rs)
			}
			out = append(out, base{ref: rs.Ref, backend: rs.Backend, family: rs.Family, table: rs.Table, chain: c, chains: chains,
				lease: rs.Family == "inet" && rs.Table == LeaseTable})
		}
	}
	slices.Reverse(out)
	slices.SortStableFunc(out, func(a, b base) int {
		return cmp.Or(cmp.Compare(slices.Index(hooks, a.chain.Hook), slices.Index(hooks, b.chain.Hook)),
			cmp.Compare(a.place(), b.place()), cmp.Compare(a.chain.Priority, b.chain.Priority))
	})
	return out
}

func (p packet) chains(rs *fact.Ruleset) map[string][]*fact.Rule {
	chains := map[string][]*fact.Rule{}
	for j := range rs.Chains {
		chains[rs.Chains[j].Name] = p.possible(&rs.Chains[j])
	}
	return chains
}

// dstnat is NF_IP_PRI_NAT_DST of linux/netfilter_ipv4.h.
const dstnat = -100

func (b *base) place() int {
	if b.chain.Type == "nat" {
		return dstnat
	}
	return b.chain.Priority
}

// filters reports whether any rule or policy of bases can matter.
func filters(bases []base) bool {
	return slices.ContainsFunc(bases, func(b base) bool {
		if b.chain.Policy == "drop" {
			return true
		}
		for _, c := range b.chains {
			if len(c) > 0 {
				return true
			}
		}
		return false
	})
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

// maxTries is how many interfaces, and how many source ports, are tried.
const maxTries = 8

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
