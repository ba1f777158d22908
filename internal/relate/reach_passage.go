package relate

import (
	"net/netip"
	"slices"

	"demine/internal/fact"
)

// passage is a way to a door, and the interface by which it begins.
type passage struct {
	way
	iface string
}

// lets are the paths to a door, of those that begin at an address of this host,
// by which all of from surely get in. Where there is none, why is what the last
// one says of them.
func (n *Net) lets(d Door, from []netip.Prefix) (open map[passage]bool, why Reach) {
	open = map[passage]bool{}
	why = Reach{From: "nobody", Why: "isolated"}
	if d.Addr.IsLoopback() {
		return open, Reach{From: "nobody", Why: "loopback"}
	}
	lease := prefixSources(from, d.V6).and(outside(d.V6))
	for _, x := range n.front(d) {
		n.follow(d, x, from, func(iface string, part sources, w *walk) {
			part = part.and(lease)
			if len(part) == 0 {
				return
			}
			if w.murky || w.effort.tooMuch() || len(part.minus(w.sure())) > 0 {
				why = w.answer()
				return
			}
			open[passage{x, iface}] = true
		})
	}
	return open, why
}

// front are the ways to a door that begin at an address of this host.
func (n *Net) front(d Door) []way {
	ways, _ := n.ways(d)
	return slices.DeleteFunc(slices.Clone(ways), func(w way) bool {
		return w.inside != nil || n.Own != nil && !w.to.IsUnspecified() && owner(n.Own, w.to) == nil
	})
}

// Fronts are the ports of this host that rules send on to a door in a container,
// whoever may pass.
func (n *Net) Fronts(d Door) (out []int) {
	if n.other(d.NetNS) == nil {
		return nil
	}
	for _, w := range n.front(d) {
		if !slices.Contains(out, w.port) {
			out = append(out, w.port)
		}
	}
	return out
}

// follow walks from every interface by which some of from may come, with those
// who may.
func (n *Net) follow(d Door, x way, from []netip.Prefix, f func(iface string, part sources, w *walk)) {
	p := packet{proto: d.Proto, local: x.to, port: x.port, v6: d.V6}
	first, end := n.stages(p, nil)
	all := n.everything(p, first)
	marked := []base{{chains: map[string][]*fact.Rule{"": {{Src: from}}}}} // a cell is in from, or it is not
	e := &effort{cells: cut(append(marked, all...), d.V6), asked: askedMarks(all)}
	p.sport = sourcePorts(nil)[0]
	for iface, part := range n.entries(all, from, d.V6) {
		some := e.cells.crowd()
		for _, s := range part.and(outside(d.V6)) {
			for _, c := range (sources{s}).prefixes() {
				i, j := e.cells.find(c)
				e.cells.each(i, j, func(k int, m uint64) { some[k] |= m })
			}
		}
		f(iface, part, n.walked(d, p, first, end, iface, some, e))
	}
}

// entries are the interfaces by which addresses come in, with those that do: as
// the routes lead back to them, and where that is not known by any that leads
// outside.
func (n *Net) entries(bases []base, from []netip.Prefix, v6 bool) map[string]sources {
	out := map[string]sources{}
	all := prefixSources(from, v6)
	if n.Own != nil {
		for _, p := range from {
			n.backTo(p, v6, out)
		}
		if len(out) > 0 {
			return out
		}
	}
	for _, v := range n.devices(bases, v6) {
		if v.leads == toAll || v.leads == unsaid {
			out[v.name] = all
		}
	}
	return out
}

// backTo finds the interfaces that the routes to a prefix, and to parts of it,
// lead by.
func (n *Net) backTo(p netip.Prefix, v6 bool, out map[string]sources) {
	if p.Addr().Is6() != v6 {
		return
	}
	var best *fact.Route
	add := func(r *fact.Route, p netip.Prefix, inner bool) {
		dev := byIndex(n.Own, r.Dev)
		if dev == nil || dev.Loop || inner && n.leads(dev, v6) == toOwn {
			return
		}
		out[dev.Name] = out[dev.Name].union(prefixSources([]netip.Prefix{p}, v6))
	}
	for i := range n.Own.Routes {
		switch r := &n.Own.Routes[i]; {
		case r.Table != 0 || r.Dst.Addr().Is6() != v6 || !r.Dst.Overlaps(p):
		case r.Dst.Bits() > p.Bits():
			add(r, r.Dst, true)
		case best == nil || r.Dst.Bits() > best.Dst.Bits():
			best = r
		}
	}
	if best != nil {
		add(best, p, false)
	}
}

// sure are those who arrive in every case.
func (w *walk) sure() sources {
	c := w.effort.cells
	x := c.crowd()
	x.join(w.arrived, c.whole())
	x.leave(w.dropped, c.whole())
	return c.sources(x)
}

// may are those who perhaps get to a door, by its paths.
func (n *Net) may(d Door) map[passage]sources {
	out := map[passage]sources{}
	ways, _ := n.ways(d)
	for _, x := range ways {
		p := packet{proto: d.Proto, local: x.to, port: x.port, v6: d.V6}
		first, end := n.stages(p, nil)
		if x.inside != nil {
			first, end = n.within(p, x.inside, x.in), arrival{net: x.inside, in: x.in}
		}
		all := n.everything(p, first)
		e := &effort{cells: cut(all, d.V6), asked: askedMarks(all)}
		devices := n.devices(all, d.V6)
		if x.inside != nil {
			devices = []device{{name: x.in}}
		}
		for _, v := range devices {
			at := passage{x, v.name}
			for _, p.sport = range sourcePorts(all) {
				w := n.walked(d, p, first, end, v.name, e.cells.everybody(), e)
				out[at] = out[at].union(e.cells.sources(w.arrived))
			}
			if e.tooMuch() {
				out[at] = outside(d.V6)
			}
		}
	}
	return out
}
