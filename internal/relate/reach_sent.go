package relate

import (
	"net/netip"
	"slices"

	"demine/internal/fact"
)

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
