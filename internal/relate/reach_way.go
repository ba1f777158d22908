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

// sent are the packets that rules of address translation may send to the door.
func (n *Net) sent(d Door, in *fact.Network) (out []way) {
	if in == nil {
		return nil
	}
	for i := range n.Filter {
		rs := &n.Filter[i]
		if rs.Persisted != "" || rs.Family != "inet" && (rs.Family == "ip6") != d.V6 {
			continue
		}
		for j := range rs.Chains {
			c := &rs.Chains[j]
			for k := range c.Rules {
				r := &c.Rules[k]
				if !sends(r, d, n.Own, in) {
					continue
				}
				for _, w := range n.sentBy(r, n.leading(rs, c), d) {
					switch {
					case slices.Contains(out, w):
					case len(out) < maxWays:
						out = append(out, w)
					default:
						n.cut = true
					}
				}
			}
		}
	}
	return out
}

// sends reports whether a rule may send a packet to the door, which is in one of
// two namespaces.
func sends(r *fact.Rule, d Door, own, in *fact.Network) bool {
	to := r.NatTo
	switch {
	case r.Verdict != "dnat" && r.Verdict != "redirect", r.Proto != "" && (r.Proto == d.Proto) == r.NotProto:
		return false
	case r.Verdict == "redirect" && in != own:
		return false
	case to.Addr.IsValid() && (to.Addr.Is6() != d.V6 || owner(in, to.Addr) == nil), to.Port.From != 0 && !to.Port.Has(d.Port):
		return false
	}
	return to.Addr.IsValid() || in == own
}

func (n *Net) sentBy(r *fact.Rule, leading []*fact.Rule, d Door) (out []way) {
	addrs := slices.Concat(n.addresses(d), n.beyond(d))
	for _, l := range append(leading, r) { // an address that is only routed to this host
		for _, p := range l.Dst {
			a := p.Addr()
			if !p.IsSingleIP() || l.NotDst || a.Is6() != d.V6 || a.IsLoopback() || owner(n.Own, a) != nil || slices.Contains(addrs, a) {
				continue
			}
			addrs = append(addrs, a)
		}
	}
	for _, port := range n.publicPorts(r, leading, d.Port) {
		for _, a := range addrs {
			out = append(out, way{to: a, port: port})
		}
	}
	return out
}

// maxLeading bounds the rules that lead to one: of a cluster each service has
// some.
const maxLeading = 256

// leading are the rules that jump to a chain, and to theirs: a packet has met
// the conditions of some of them.
func (n *Net) leading(rs *fact.Ruleset, c *fact.Chain) (out []*fact.Rule) {
	if c.Hook != "" {
		return nil
	}
	jumps := n.jumpsTo(rs)
	names := []string{c.Name}
	for i := 0; i < len(names); i++ {
		for _, j := range jumps[names[i]] {
			if len(out) >= maxLeading {
				n.cut = true
				return out
			}
			if out = append(out, j.rule); !slices.Contains(names, j.from) {
				names = append(names, j.from)
			}
		}
	}
	return out
}

// jump is a rule that goes on in another chain, and where it stands.
type jump struct {
	rule *fact.Rule
	from string
}

// jumpsTo are the jumps of a ruleset by the chain that they lead to.
func (n *Net) jumpsTo(rs *fact.Ruleset) map[string][]jump {
	if out, ok := n.jumps[rs]; ok {
		return out
	}
	out := map[string][]jump{}
	for i := range rs.Chains {
		for j := range rs.Chains[i].Rules {
			if r := &rs.Chains[i].Rules[j]; r.Verdict == "jump" || r.Verdict == "goto" {
				out[r.Target] = append(out[r.Target], jump{r, rs.Chains[i].Name})
			}
		}
	}
	if n.jumps == nil {
		n.jumps = map[*fact.Ruleset]map[string][]jump{}
	}
	n.jumps[rs] = out
	return out
}

// beyond are addresses behind the host: a rule may take what is for them.
func (n *Net) beyond(d Door) (out []netip.Addr) {
	for _, o := range n.Others {
		for i := range o.Interfaces {
			for _, a := range o.Interfaces[i].Addrs {
				if a.Addr().Is6() == d.V6 && !a.Addr().IsLoopback() && !a.Addr().IsLinkLocalUnicast() && len(out) < maxBeyond {
					out = append(out, a.Addr())
				}
			}
		}
	}
	return out
}

// maxBeyond bounds the addresses behind the host that are tried: the nodes of
// clusters have hundreds.
const maxBeyond = 4

// publicPorts are those that a rule sends to the port of a door: where a rule
// takes many, one of those that no rule treats differently. A rule that names no
// port has it from those that lead to it, as those of kube-proxy.
func (n *Net) publicPorts(r *fact.Rule, leading []*fact.Rule, port int) (out []int) {
	conditions := []*fact.Rule{r}
	if len(r.DPort) == 0 {
		conditions = leading
	}
	takes := func(p int) bool {
		return slices.ContainsFunc(conditions, func(c *fact.Rule) bool { return len(c.DPort) > 0 && hasPort(c.DPort, p) != c.NotDPort })
	}
	if r.NatTo.Port.From == 0 {
		if len(r.DPort) == 0 || takes(port) {
			return []int{port}
		}
		return nil
	}
	for _, p := range n.edges(port) {
		switch {
		case !takes(p) && (p != port || len(r.DPort) > 0):
		case len(out) < maxWays:
			out = append(out, p)
		default:
			n.cut = true
		}
	}
	return out
}

// edges are a port, and those where the range of some rule begins or ends.
func (n *Net) edges(port int) []int {
	if n.bounds == nil {
		n.bounds = []int{1}
		for i := range n.Filter {
			for _, c := range n.Filter[i].Chains {
				for j := range c.Rules {
					for _, x := range c.Rules[j].DPort {
						n.bounds = append(n.bounds, int(x.From), int(x.To)+1)
					}
				}
			}
		}
		slices.Sort(n.bounds)
		n.bounds = slices.DeleteFunc(slices.Compact(n.bounds), func(p int) bool { return p > 65535 })
	}
	if i, found := slices.BinarySearch(n.bounds, port); !found {
		return slices.Insert(slices.Clone(n.bounds), i, port)
	}
	return n.bounds
}

// along is who gets to a door on a way.
func (n *Net) along(d Door, w way) Reach {
	p := packet{proto: d.Proto, local: w.to, port: w.port, v6: d.V6}
	first, end := n.stages(p, nil)
	if w.inside != nil {
		end = arrival{net: w.inside, in: w.in}
		first = n.within(p, w.inside, w.in)
	}
	all := n.everything(p, first)
	if !filters(all) && (end.here || end.net != nil) {
		r := Reach{From: "anywhere", Why: "no-rules"}
		if end.net != nil && w.inside == nil {
			r = n.asRouted(r, w.to)
		}
		return r
	}
	e := &effort{cells: cut(all, d.V6), asked: askedMarks(all)}
	devices := slices.DeleteFunc(n.devices(all, d.V6), func(v device) bool { return end.net != nil && v.name == end.out }) // its neighbours need no host
	if w.inside != nil {
		devices = []device{{name: w.in}}
	}
	rs := make([]Reach, len(devices))
	for i := range devices {
		rs[i] = n.over(d, p, first, end, devices[i].name, sourcePorts(all), e)
	}
	r := joined(devices, rs, d.V6)
	if !end.here && w.inside == nil {
		r = n.asRouted(r, w.to)
	}
	return r
}

// asRouted narrows an answer for a packet that is for a container's own address:
// from the internet nobody can send one to a private address, but who shares a
// network with the host can, through a route of his own.
func (n *Net) asRouted(r Reach, to netip.Addr) Reach {
	if r.From != "anywhere" || to.IsGlobalUnicast() && !to.IsPrivate() && !sharedSpace.Contains(to) {
		return r
	}
	r.From, r.Why, r.Except = "some", "routed", nil
	for i := range n.Own.Interfaces {
		for _, a := range n.Own.Interfaces[i].Addrs {
			if k := n.leads(&n.Own.Interfaces[i], to.Is6()); k != toOwn && a.Addr().Is6() == to.Is6() &&
				!a.Addr().IsLoopback() && !a.Addr().IsLinkLocalUnicast() {
				r.Sources = append(r.Sources, a.Masked())
			}
		}
	}
	return r
}

// sharedSpace is that of RFC 6598, which no packet of the internet has.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// over is the widest answer for one interface, over the source ports that the
// sender may choose.
func (n *Net) over(d Door, p packet, first []base, end arrival, iface string, sports []int, e *effort) Reach {
	var best Reach
	for i, s := range sports {
		p.sport = s
		w := n.walked(d, p, first, end, iface, e.cells.everybody(), e)
		r := w.answer()
		if i > 0 {
			r = both(best, r, p.v6)
		}
		best = r
	}
	return best
}

// walked is the walk of a crowd by one interface.
func (n *Net) walked(d Door, p packet, first []base, end arrival, iface string, some crowd, e *effort) *walk {
	w := &walk{net: n, door: d, iface: iface, effort: e, state: "new",
		arrived: e.cells.crowd(), dropped: e.cells.crowd(), came: e.cells.crowd()}
	var inside *fact.Network
	if len(first) > 0 {
		inside = first[0].inside
	}
	w.travel(p, first, end, &flocks{list: []flock{{w.trim(n.arriving(inside)), some}}, n: 1})
	return w
}

// stages are the base chains that a packet meets from the start, or behind the
// one that changed where it goes, and where it comes to.
func (n *Net) stages(p packet, after *base) ([]base, arrival) {
	if after != nil && after.inside != nil {
		return behind(n.within(p, after.inside, after.iface), after), arrival{net: after.inside, in: after.iface}
	}
	to := n.route(p)
	hooks := hooksThrough
	if to.here {
		hooks = hooksIn
	}
	out := p.bases(n.Filter, hooks)
	for i := range out {
		out[i].here = to.here
		if h := out[i].chain.Hook; h == "forward" || h == "postrouting" {
			out[i].out = to.out
		}
	}
	if out = behind(out, after); to.net != nil {
		out = append(out, n.within(p, to.net, to.in)...)
	}
	return out, to
}

// within are the base chains of a container's namespace.
func (n *Net) within(p packet, in *fact.Network, iface string) []base {
	out := p.bases(in.Firewall, hooksIn)
	masked := n.masks(p.v6)
	for i := range out {
		out[i].inside, out[i].iface, out[i].here, out[i].masked = in, iface, true, masked
	}
	return out
}

// masks reports whether a rule may hide the sender behind the host.
func (n *Net) masks(v6 bool) bool {
	return slices.ContainsFunc(n.Filter, func(rs fact.Ruleset) bool {
		return rs.Persisted == "" && (rs.Family == "inet" || (rs.Family == "ip6") == v6) && slices.ContainsFunc(rs.Chains, func(c fact.Chain) bool {
			return c.Hook == "postrouting" && c.Type == "nat" && len(c.Rules) > 0
		})
	})
}

// behind leaves out the base chains up to the one that changed the packet, and
// other address translation, which is done once.
func behind(in []base, after *base) []base {
	if after == nil {
		return in
	}
	i := slices.IndexFunc(in, func(b base) bool { return b.ref == after.ref && b.chain == after.chain })
	return slices.DeleteFunc(slices.Clone(in[i+1:]), func(b base) bool {
		return b.chain.Type == "nat" && b.inside == after.inside
	})
}

// everything is what a packet may meet on all ways that rules may send it.
func (n *Net) everything(p packet, first []base) []base {
	out := slices.Clone(first)
	for i := range first {
		b := &first[i]
		if b.chain.Type != "nat" || n.Own == nil {
			continue
		}
		seen := []fact.NatTo{}
		for _, c := range b.chains {
			for _, r := range c {
				if next, ok := n.changed(p, b, r, ""); ok && !slices.Contains(seen, r.NatTo) && len(seen) < maxWays {
					seen = append(seen, r.NatTo)
					more, _ := n.stages(next, b)
					out = append(out, more...)
				}
			}
		}
	}
	return out
}

// changed is the packet after a rule of address translation; false when it
// depends on more than the rule. A redirect sends it to the interface that it
// came by: of several addresses to the first.
func (n *Net) changed(p packet, b *base, r *fact.Rule, iface string) (packet, bool) {
	to := r.NatTo
	if r.Verdict != "dnat" && r.Verdict != "redirect" || to.Unclear || to.Addr != to.Last || to.Port.From != to.Port.To || n.Own == nil {
		return p, false
	}
	from := p
	if to.Port.From != 0 {
		p.port = int(to.Port.From)
	}
	in := n.Own
	if b.inside != nil {
		in, iface = b.inside, b.iface
	}
	switch {
	case r.Verdict == "redirect":
		p.local = first(in, iface, p.v6)
		if !p.local.IsValid() && iface != "" { // which one matters only to those who walk
			return p, false
		}
	case to.Addr.IsValid():
		if to.Addr.Is6() != p.v6 || to.Addr.IsLoopback() { // that needs route_localnet
			return p, false
		}
		p.local = to.Addr
	}
	if p.local != from.local || p.port != from.port { // else the kernel does not call it translated
		p.natted, p.was = true, from.port
	}
	return p, true
}

// first is the address of an interface that a redirect takes.
func first(n *fact.Network, iface string, v6 bool) netip.Addr {
	for i := range n.Interfaces {
		if n.Interfaces[i].Name != iface {
			continue
		}
		for _, a := range n.Interfaces[i].Addrs {
			if a.Addr().Is6() == v6 && !a.Addr().IsLinkLocalUnicast() {
				return a.Addr()
			}
		}
	}
	return netip.Addr{}
}
