package relate

import (
	"net/netip"
	"slices"

	"demine/internal/fact"
)

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
