package relate

import (
	"net/netip"
	"slices"
	"strings"

	"demine/internal/fact"
)

// Door is a listener, of one address family.
type Door struct {
	Proto string
	Addr  netip.Addr // that it is bound to
	Port  int
	V6    bool
	NetNS uint64         // 0, or the namespace of demine: the host's own
	Also  netip.AddrPort // who gets there counts too: what a proxy passes on to
}

// way is what a packet that may get to a door is for when it comes in.
type way struct {
	to     netip.Addr // unspecified: any address of the host
	port   int
	inside *fact.Network // it comes into this namespace without passing the host's
	in     string
}

// maxWays bounds what is tried for one door.
const maxWays = 64

// Reach says who can open a connection (tcp) or send a first packet (udp) from
// another host to a door: it follows the packet through every base chain of
// ingress, prerouting and input in the order of their priorities, over all
// backends, and where a rule sends it elsewhere through the routing, forward and
// postrouting into the namespace of a container and its chains. accept ends its
// base chain only, drop is final. Persisted rulesets do not count.
//
// Where nothing is known of interfaces, those that rules name are tried (lo and
// those of containers, bridges and tunnels are not outside), and one that no
// rule names. A port that is only open on an interface of the inside is "some"
// with Why "interface".
func (n *Net) Reach(d Door) Reach {
	d.Addr = d.Addr.Unmap()
	if d.Addr.IsLoopback() {
		if r := n.toLoopback(d); r != nil {
			return *r
		}
		return Reach{From: "nobody", Why: "loopback"}
	}
	n.cut = false
	ways, why := n.ways(d)
	best := Reach{From: "nobody", Why: "isolated"}
	if why != "" {
		best = Reach{From: "cannot-tell", Why: why}
	}
	for i, w := range ways {
		r := n.along(d, w)
		if r.By != nil {
			r.To = w.port
		}
		if i > 0 {
			r = both(best, r, d.V6)
		}
		if best = r; best.From == "anywhere" && len(best.Except) == 0 { // no other way adds to it
			break
		}
	}
	switch {
	case rank(best.From) >= rank("cannot-tell"):
	case n.cut: // what was left out may be a way in
		best.From, best.Why = "cannot-tell", "too-complex"
	case n.balanced(d) && best.Why != "isolated":
		best.From, best.Why = "cannot-tell", "namespace"
	}
	return best
}

// toLoopback is the answer where a rule may send packets of other hosts to a door
// on a loopback address, which the kernel does where route_localnet is set
// (ip-sysctl.txt); nil when there is none. There is no such thing for IPv6.
func (n *Net) toLoopback(d Door) *Reach {
	filter := n.Filter
	if o := n.other(d.NetNS); o != nil {
		filter = o.Firewall
	}
	for i := range filter {
		rs := &filter[i]
		if !d.Addr.Is4() || rs.Persisted != "" || rs.Family == "ip6" {
			continue
		}
		for j := range rs.Chains {
			c := &rs.Chains[j]
			for k := range c.Rules {
				if r := &c.Rules[k]; sendsTo(r, d) && n.met(rs, c) {
					return &Reach{From: "cannot-tell", Why: "nat", Because: r, Chain: c.Name, Ruleset: rs.Ref}
				}
			}
		}
	}
	return nil
}

// sendsTo reports whether a rule sends packets to the address of a door.
func sendsTo(r *fact.Rule, d Door) bool {
	to := r.NatTo
	return r.Verdict == "dnat" && to.Addr.IsValid() && to.Addr.Compare(d.Addr) <= 0 && d.Addr.Compare(to.Last) <= 0 &&
		(r.Proto == "" || (r.Proto == d.Proto) != r.NotProto) && (to.Port.From == 0 || to.Port.Has(d.Port))
}

// met reports whether packets of other hosts come to a chain of address
// translation.
func (n *Net) met(rs *fact.Ruleset, c *fact.Chain) bool {
	names := []string{c.Name}
	for i := 0; i < len(names); i++ {
		for _, j := range n.jumpsTo(rs)[names[i]] {
			if !slices.Contains(names, j.from) {
				names = append(names, j.from)
			}
		}
	}
	return slices.ContainsFunc(rs.Chains, func(c fact.Chain) bool { return c.Hook == "prerouting" && slices.Contains(names, c.Name) })
}

// ways are those to a door, or why they are not known.
func (n *Net) ways(d Door) (out []way, why string) {
	in := n.other(d.NetNS)
	if in == nil {
		return slices.Concat(n.direct(d), n.sent(d, n.Own)), ""
	}
	if n.Own == nil || in.Unread || bypassed(n.Own) {
		return nil, "namespace"
	}
	alone := true
	for i := range in.Interfaces {
		w := &in.Interfaces[i]
		if w.Loop || !w.Up {
			continue
		}
		alone = false
		for _, a := range w.Addrs {
			if a.Addr().Is6() != d.V6 || a.Addr().IsLinkLocalUnicast() || !d.Addr.IsUnspecified() && a.Addr() != d.Addr {
				continue
			}
			switch {
			case w.Kind == "macvlan" || w.Kind == "ipvlan":
				out = append(out, way{to: a.Addr(), port: d.Port, inside: in, in: w.Name})
			case n.route(packet{local: a.Addr(), v6: d.V6}).net == in:
				out = append(out, way{to: a.Addr(), port: d.Port})
			}
		}
	}
	if len(out) == 0 && !alone && n.speaks(in, d) {
		return nil, "namespace"
	}
	return slices.Concat(n.sent(d, in), out), ""
}

// speaks reports whether a namespace that no way was found to may have one: it
// has an address of the family, and the host passes packets on.
func (n *Net) speaks(in *fact.Network, d Door) bool {
	if d.V6 && !n.Own.Forwards6 || !d.V6 && !n.Own.Forwards4 {
		return slices.ContainsFunc(in.Interfaces, func(i fact.Interface) bool { return byIndex(n.Own, i.Peer) == nil && !i.Loop })
	}
	return slices.ContainsFunc(in.Interfaces, func(i fact.Interface) bool {
		return !i.Loop && slices.ContainsFunc(i.Addrs, func(a netip.Prefix) bool {
			return a.Addr().Is6() == d.V6 && !a.Addr().IsLinkLocalUnicast()
		})
	})
}

// bypassed: Cilium passes packets to containers in eBPF, beside the packet
// filter.
func bypassed(own *fact.Network) bool {
	return slices.ContainsFunc(own.Interfaces, func(i fact.Interface) bool { return strings.HasPrefix(i.Name, "cilium") })
}

// balanced: IPVS, as kube-proxy may use it, passes packets to containers without
// a rule of address translation.
func (n *Net) balanced(d Door) bool { return n.Own != nil && n.Own.IPVS && n.other(d.NetNS) != nil }

// direct are the packets for the door's own address and port: of all addresses
// of the host one of those that no rule treats differently.
func (n *Net) direct(d Door) []way {
	if n.Own == nil || !d.Addr.IsUnspecified() {
		return []way{{to: d.Addr, port: d.Port}}
	}
	var out []way
	for _, a := range n.addresses(d) {
		out = append(out, way{to: a, port: d.Port})
	}
	if len(out) == 0 {
		return []way{{to: d.Addr, port: d.Port}}
	}
	return out
}

// addresses of the host that can be a destination from outside: one of those
// that are in the same prefixes of rules.
func (n *Net) addresses(d Door) []netip.Addr {
	known := &n.own[0]
	if d.V6 {
		known = &n.own[1]
	}
	if *known == nil {
		*known = n.distinct(d.V6)
	}
	return *known
}

// Bounds: a node of a cluster has thousands of addresses, and rules for each.
const (
	maxAddrs = 256
	maxNamed = 4096
)

func (n *Net) distinct(v6 bool) []netip.Addr {
	named := n.named(v6)
	seen, out, tried := map[string]bool{}, []netip.Addr{}, 0
	for i := range n.Own.Interfaces {
		for _, p := range n.Own.Interfaces[i].Addrs {
			a := p.Addr()
			if a.Is6() != v6 || a.IsLoopback() || a.IsLinkLocalUnicast() || len(out) >= maxWays || tried >= maxAddrs {
				continue
			}
			tried++
			in := make([]byte, (len(named)+7)/8)
			for i, p := range named {
				if p.Contains(a) {
					in[i/8] |= 1 << (i % 8)
				}
			}
			if !seen[string(in)] {
				seen[string(in)] = true
				out = append(out, a)
			}
		}
	}
	return out
}

// named are the destinations that rules name.
func (n *Net) named(v6 bool) (out []netip.Prefix) {
	seen := map[netip.Prefix]bool{}
	for i := range n.Filter {
		for _, c := range n.Filter[i].Chains {
			for j := range c.Rules {
				for _, p := range c.Rules[j].Dst {
					if p.IsValid() && p.Addr().Is6() == v6 && p.Bits() > 0 && !seen[p] && len(out) < maxNamed {
						seen[p] = true
						out = append(out, p)
					}
				}
			}
		}
	}
	return out
}
