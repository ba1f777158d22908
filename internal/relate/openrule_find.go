package relate

import (
	"net/netip"
	"slices"
	"strings"

	"demine/internal/fact"
)

// opener is a rule that may open something, and where it stands. Of one on the
// way to a container, exposure is the listener that it is about.
type opener struct {
	set      *fact.Ruleset
	chain    string
	rule     *fact.Rule
	exposure *Exposure
}

// maxOpeners bounds the rules that are looked at: a list of addresses may be one
// of them each.
const maxOpeners = 512

// openers are the rules that let somebody in who would not get in without them.
func (n *Net) openers(x *Index) (out []opener) {
	for i := range n.Filter {
		rs := &n.Filter[i]
		if rs.Persisted != "" || ours(rs) {
			continue
		}
		in := reached(rs, "input")
		for j := range rs.Chains {
			c := &rs.Chains[j]
			for k := range c.Rules {
				if in[c.Name] && len(out) < maxOpeners && n.mayOpen(&c.Rules[k]) {
					out = append(out, opener{set: rs, chain: c.Name, rule: &c.Rules[k]})
				}
			}
		}
	}
	return append(n.effective(out), n.toContainers(x)...)
}

// reached are the chains that packets of one hook come through, filters alone.
func reached(rs *fact.Ruleset, hook string) map[string]bool {
	out := map[string]bool{}
	var queue []string
	for i := range rs.Chains {
		if c := &rs.Chains[i]; c.Hook == hook && c.Type != "nat" && (rs.Backend == "nft" || rs.Table == "filter") {
			queue = append(queue, c.Name)
		}
	}
	for len(queue) > 0 {
		name := queue[0]
		if queue = queue[1:]; out[name] {
			continue
		}
		out[name] = true
		for i := range rs.Chains {
			for j := range rs.Chains[i].Rules {
				if r := &rs.Chains[i].Rules[j]; rs.Chains[i].Name == name && (r.Verdict == "jump" || r.Verdict == "goto") {
					queue = append(queue, r.Target)
				}
			}
		}
	}
	return out
}

// mayOpen: it accepts the first packet of a connection that comes from outside.
// What asks for a mark is for those whom another rule chose.
func (n *Net) mayOpen(r *fact.Rule) bool {
	switch {
	case r.Verdict != "accept", r.Mark.Mask != 0:
		return false
	case r.Proto != "" && (r.NotProto || r.Proto != "tcp" && r.Proto != "udp"):
		return false
	case len(r.CTState) > 0 && slices.Contains(r.CTState, "new") == r.NotState:
		return false
	case len(r.SPort) > 0, r.Out != "" && !r.NotOut, r.In != "" && !r.NotIn && (r.In == "lo" || n.isInner(r.In)):
		return false
	}
	src := askedSources(r)
	return len(src) == 0 || r.NotSrc || slices.ContainsFunc(src, func(p netip.Prefix) bool { return !n.isInside(p) })
}

// isInner: the interface leads to containers, virtual machines or a tunnel.
func (n *Net) isInner(name string) bool {
	name = strings.TrimSuffix(name, "+")
	if n.Own != nil {
		for i := range n.Own.Interfaces {
			if n.Own.Interfaces[i].Name == name {
				return inner(name) || n.toInside(&n.Own.Interfaces[i])
			}
		}
	}
	return inner(name)
}

// isInside: only this host and what runs on it have such addresses.
func (n *Net) isInside(p netip.Prefix) bool {
	if p.Addr().IsLoopback() || p.Addr().IsMulticast() || p.Addr().IsLinkLocalUnicast() {
		return true
	}
	if n.Own == nil {
		return false
	}
	for i := range n.Own.Interfaces {
		w := &n.Own.Interfaces[i]
		for _, a := range w.Addrs {
			if a.Addr() == p.Addr() && p.IsSingleIP() || n.toInside(w) && a.Masked().Overlaps(p) && a.Bits() <= p.Bits() {
				return true
			}
		}
	}
	return false
}

// askedSources are those that a rule names; a prefix of all addresses names
// none.
func askedSources(r *fact.Rule) (out []netip.Prefix) {
	for _, p := range r.Src {
		if p.Bits() > 0 {
			out = append(out, p.Masked())
		}
	}
	slices.SortFunc(out, comparePrefixes)
	return slices.Compact(out)
}

func comparePrefixes(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

// toContainers are the rules that let others in to published ports of
// containers.
func (n *Net) toContainers(x *Index) (out []opener) {
	for i := range x.Exposures {
		e := &x.Exposures[i]
		if e.From != "anywhere" && e.From != "some" || e.Why != "rule" || len(e.Published) == 0 {
			continue
		}
		for j := range n.Filter {
			rs := &n.Filter[j]
			if rs.Persisted != "" || rs.Backend != e.Backend || ours(rs) {
				continue
			}
			forward := reached(rs, "forward")
			for k := range rs.Chains {
				c := &rs.Chains[k]
				for m := range c.Rules {
					r := &c.Rules[m]
					if c.Name == e.Chain && forward[c.Name] && r.N == e.RuleN && r.Text == e.Because && r.Verdict == "accept" && r.Mark.Mask == 0 {
						out = append(out, opener{rs, c.Name, r, e})
					}
				}
			}
		}
	}
	return out
}
