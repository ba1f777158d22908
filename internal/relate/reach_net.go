package relate

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"demine/internal/fact"
)

// Net is what decides who reaches a listener: the packet filter of demine's own
// network namespace, its interfaces and routes (nil: not known), and the other
// namespaces. It is not for use by several goroutines at once.
type Net struct {
	Filter []fact.Ruleset
	Own    *fact.Network
	Others []*fact.Network
	Now    time.Time // when they were looked at; zero: not known

	own    [2][]netip.Addr                     // addresses, once they were asked for: of IPv4 and of IPv6
	jumps  map[*fact.Ruleset]map[string][]jump // by the chain that they lead to, once asked for
	marks  map[*fact.Network]marking           // of packets that come in, once asked for
	bounds []int                               // ports where the range of some rule begins or ends, once asked for
	cut    bool                                // of the last door, more is possible than is tried

	barriers *[]Barrier // not nil: what a doorway can pass is noted here, and passed
}

// NetOf is the Net of a snapshot.
func NetOf(s *fact.Snapshot) *Net {
	n := &Net{Filter: s.Firewall, Now: s.Taken}
	for i := range s.Network {
		switch w := &s.Network[i]; {
		case !w.Own:
			n.Others = append(n.Others, w)
		case len(w.Interfaces) > 0:
			n.Own = w
		}
	}
	return n
}

func (n *Net) other(ns uint64) *fact.Network {
	for _, o := range n.Others {
		if o.NetNS == ns && (n.Own == nil || n.Own.NetNS != ns) {
			return o
		}
	}
	return nil
}

// Has reports whether an address is one of the host itself.
func (n *Net) Has(a netip.Addr) bool { return n.Own != nil && owner(n.Own, a) != nil }

// owner is the interface of a namespace that has an address, or nil.
func owner(n *fact.Network, a netip.Addr) *fact.Interface {
	for i := range n.Interfaces {
		for _, p := range n.Interfaces[i].Addrs {
			if p.Addr() == a {
				return &n.Interfaces[i]
			}
		}
	}
	return nil
}

func byIndex(n *fact.Network, index int) *fact.Interface {
	for i := range n.Interfaces {
		if n.Interfaces[i].Index == index {
			return &n.Interfaces[i]
		}
	}
	return nil
}

// arrival is where a packet goes after the routing.
type arrival struct {
	here bool          // to this namespace
	lost bool          // nowhere: no route, or the host does not pass packets on
	out  string        // interface by which it leaves
	net  *fact.Network // namespace that it comes into; nil: another machine
	in   string        // interface by which it comes in there
}

// route asks the routing of demine's own namespace. Policy routing is not
// asked.
func (n *Net) route(p packet) arrival {
	if n.Own == nil || !p.local.IsValid() || p.local.IsUnspecified() || owner(n.Own, p.local) != nil {
		return arrival{here: true}
	}
	if p.v6 && !n.Own.Forwards6 || !p.v6 && !n.Own.Forwards4 {
		return arrival{lost: true}
	}
	var best *fact.Route
	for i := range n.Own.Routes {
		if r := &n.Own.Routes[i]; r.Table == 0 && r.Dst.Contains(p.local) && (best == nil || r.Dst.Bits() > best.Dst.Bits()) {
			best = r
		}
	}
	if best == nil {
		return arrival{lost: true}
	}
	dev := byIndex(n.Own, best.Dev)
	if dev == nil {
		return arrival{lost: true}
	}
	to := arrival{out: dev.Name}
	to.net, to.in = n.behind(p.local, dev)
	return to
}

// behind finds the namespace in which an address is, reached by an interface:
// the two ends of a veth name each other, and this end is the interface or a
// port of it.
func (n *Net) behind(a netip.Addr, dev *fact.Interface) (*fact.Network, string) {
	for _, o := range n.Others {
		if i := owner(o, a); i != nil && n.ends(i, dev) {
			return o, i.Name
		}
	}
	return nil, ""
}

func (n *Net) ends(far, dev *fact.Interface) bool {
	h := byIndex(n.Own, far.Peer)
	return h != nil && h.Peer == far.Index && (h.Index == dev.Index || h.Master == dev.Index)
}

// device is an interface by which packets of other hosts come in. Only of an
// unnamed one it is not known whether there is any: no rule names it.
type device struct {
	name string
	leads
	nets []netip.Prefix // of its addresses
}

// leads says where an interface leads to, the widest first.
type leads int

const (
	toAll  leads = iota // the way to everywhere
	toLAN               // a network beside it
	toOwn               // containers, virtual machines, tunnels
	unsaid              // any that no rule names
)

// unnamed is an interface that no rule names.
const unnamed = "\x00"

// maxDevices bounds the interfaces that are tried: routers have hundreds.
const maxDevices = 32

// devices are the interfaces to try: one of those that no rule treats
// differently.
func (n *Net) devices(bases []base, v6 bool) []device {
	if n.Own == nil {
		return namedDevices(bases)
	}
	var out []device
	seen := map[string]bool{}
	rules := ruleDevices(bases)
	all := slices.ContainsFunc(n.Own.Interfaces, func(i fact.Interface) bool { return n.leads(&i, v6) == toAll })
	for i := range n.Own.Interfaces {
		w := &n.Own.Interfaces[i]
		if w.Loop || !w.Up || w.Master != 0 {
			continue
		}
		d := device{name: w.Name, leads: n.leads(w, v6)}
		if d.leads == toLAN && !all { // no way to everywhere: then these are all there is
			d.leads = toAll
		}
		for _, a := range w.Addrs {
			if a.Addr().Is6() == v6 && !a.Addr().IsLinkLocalUnicast() {
				d.nets = append(d.nets, a.Masked())
			}
		}
		if key := signature(rules, w.Name) + string(rune('0'+d.leads)); !seen[key] {
			seen[key] = true
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b device) int { return cmp.Compare(a.leads, b.leads) })
	if len(out) > maxDevices {
		out, n.cut = out[:maxDevices], true
	}
	return out
}

// signature tells which of the conditions on interfaces hold for one.
func signature(patterns []string, name string) string {
	b := make([]byte, len(patterns), len(patterns)+1)
	for i, p := range patterns {
		b[i] = '0'
		if sameDevice(p, name) {
			b[i] = '1'
		}
	}
	return string(b)
}

func ruleDevices(bases []base) (out []string) {
	seen := map[string]bool{}
	eachRule(bases, func(r *fact.Rule) {
		if r.In != "" && !seen[r.In] {
			seen[r.In] = true
			out = append(out, r.In)
		}
	})
	return out
}

func (n *Net) leads(i *fact.Interface, v6 bool) leads {
	everywhere, other := false, false
	for _, r := range n.Own.Routes {
		if r.Dev == i.Index && r.Dst.Bits() == 0 && r.Dst.Addr().Is6() == v6 {
			everywhere, other = everywhere || r.Table == 0, other || r.Table != 0
		}
	}
	switch {
	case everywhere:
		return toAll
	case n.toInside(i):
		return toOwn
	case other: // a second uplink, with a table of its own
		return toAll
	}
	return toLAN
}

// toInside reports whether an interface leads to containers, virtual machines or
// a tunnel.
func (n *Net) toInside(i *fact.Interface) bool {
	port := func(p fact.Interface) bool { return p.Master == i.Index && p.Kind != "veth" && p.Kind != "tun" }
	switch {
	case inner(i.Name), i.Kind == "wireguard", i.Kind == "tun", i.Kind == "dummy", i.Kind == "ifb":
		return true
	case i.Kind == "bridge":
		return !slices.ContainsFunc(n.Own.Interfaces, port)
	}
	return i.Kind == "veth" && slices.ContainsFunc(n.Others, func(o *fact.Network) bool {
		return slices.ContainsFunc(o.Interfaces, func(far fact.Interface) bool { return far.Index == i.Peer && far.Peer == i.Index })
	})
}

// namedDevices are those that rules name, judged by their names, and one that
// they do not.
func namedDevices(bases []base) []device {
	out := []device{{name: unnamed, leads: unsaid}}
	for _, p := range ruleDevices(bases) {
		d := device{name: strings.Replace(p, "+", "0", 1)}
		if inner(d.name) {
			d.leads = toOwn
		}
		if d.name != "lo" && len(out) < maxTries {
			out = append(out, d)
		}
	}
	return out
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

// joined makes one answer of those for each device. Of interfaces that only
// rules know of, it is not told which of them lead outside: a port that is shut
// on them and open on others is "cannot-tell".
func joined(ds []device, rs []Reach, v6 bool) Reach {
	var widest [4]*Reach
	var nets [4][]netip.Prefix
	for i := range ds {
		k, r := ds[i].leads, rs[i]
		if widest[k] == nil || rank(r.From) > rank(widest[k].From) {
			nets[k] = ds[i].nets
		}
		if widest[k] != nil {
			r = both(*widest[k], r, v6)
		}
		widest[k] = &r
	}
	out, other := widest[toAll], widest[unsaid]
	switch {
	case out != nil && other != nil && rank(out.From) < rank(other.From):
		r := *out
		r.From, r.Why = "cannot-tell", "interface"
		return r
	case out == nil && other != nil:
		out = other
	case out == nil:
		out = &Reach{From: "nobody", Why: "isolated"}
	}
	if out.From != "nobody" {
		return *out
	}
	for _, k := range []leads{toLAN, toOwn} {
		if in := widest[k]; in != nil && in.From != "nobody" {
			r := *in
			if r.From == "anywhere" {
				r.Sources = nets[k]
			}
			r.From, r.Why = "some", "interface"
			return r
		}
	}
	return *out
}

var ranks = []string{"nobody", "some", "cannot-tell", "anywhere"}

func rank(from string) int { return slices.Index(ranks, from) }

// both is who gets there by one of two ways, with the words of the wider.
func both(a, b Reach, v6 bool) Reach {
	if rank(b.From) > rank(a.From) {
		a, b = b, a
	}
	switch {
	case a.From == "anywhere" && len(a.Except) > 0:
		left := prefixSources(a.Except, v6)
		switch b.From {
		case "anywhere":
			left = left.and(prefixSources(b.Except, v6))
		case "some", "cannot-tell":
			left = left.minus(prefixSources(b.Sources, v6))
		}
		a.Except = left.prefixes()
	case (a.From == "some" || a.From == "cannot-tell") && len(b.Sources) > 0:
		all := prefixSources(a.Sources, v6).union(prefixSources(b.Sources, v6))
		if a.Sources = all.prefixes(); a.From == "some" && all.anywhere(v6) {
			a.From, a.Sources = "anywhere", nil
			a.Except = outside(v6).minus(all).prefixes()
		}
	}
	return a
}
