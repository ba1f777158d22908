package relate

import (
	"net/netip"
	"slices"

	"demine/internal/fact"
)

// effective leaves out rules of a filter that would let the same in without
// them: rules that open the same door are taken away together.
func (n *Net) effective(in []opener) (out []opener) {
	unnamed := n.unnamedPort()
	matters := map[string]bool{}
	for _, c := range in {
		door := doorOf(c.rule, unnamed)
		key := door.Proto + door.Addr.String() + string(rune(door.Port))
		if _, done := matters[key]; !done {
			matters[key] = n.narrows(door, in)
		}
		if matters[key] {
			out = append(out, c)
		}
	}
	return out
}

// doorOf is a door that a rule opens; unnamed is a port for those that name
// none.
func doorOf(r *fact.Rule, unnamed int) Door {
	d := Door{Proto: r.Proto, Port: unnamed}
	if d.Proto == "" {
		d.Proto = "tcp"
	}
	if len(r.DPort) > 0 && !r.NotDPort {
		d.Port = int(r.DPort[0].From)
	}
	if len(r.Dst) == 1 && r.Dst[0].IsSingleIP() && !r.NotDst {
		d.Addr = r.Dst[0].Addr()
	}
	return d
}

// unnamedPort is one that no rule names.
func (n *Net) unnamedPort() int {
	for p := 61000; p > 1024; p-- {
		if !n.names(p) {
			return p
		}
	}
	return 61000
}

func (n *Net) names(port int) bool {
	for i := range n.Filter {
		for _, c := range n.Filter[i].Chains {
			for j := range c.Rules {
				r := &c.Rules[j]
				if hasPort(r.DPort, port) && !slices.ContainsFunc(r.DPort, func(x fact.PortRange) bool { return x.To-x.From > 30000 }) {
					return true
				}
			}
		}
	}
	return false
}

// narrows: without the rules that are for it fewer get to a door.
func (n *Net) narrows(d Door, all []opener) bool {
	gone := map[*fact.Rule]bool{}
	for _, c := range all {
		if doorOf(c.rule, d.Port).Port == d.Port && (c.rule.Proto == "" || c.rule.Proto == d.Proto) || hasPort(c.rule.DPort, d.Port) {
			gone[c.rule] = true
		}
	}
	less := &Net{Filter: without(n.Filter, gone), Own: n.Own, Others: n.Others}
	for _, v6 := range []bool{false, true} {
		at := d
		if at.V6 = v6; !at.Addr.IsValid() {
			at.Addr = map[bool]netip.Addr{false: netip.IPv4Unspecified(), true: netip.IPv6Unspecified()}[v6]
		} else if at.Addr.Is6() != v6 {
			continue
		}
		a, b := n.Reach(at), less.Reach(at)
		if rank(a.From) != rank(b.From) || !slices.Equal(a.Sources, b.Sources) || !slices.Equal(a.Except, b.Except) {
			return true
		}
	}
	return false
}

// without are the rulesets in force less some rules; what is not changed is not
// copied.
func without(sets []fact.Ruleset, gone map[*fact.Rule]bool) (out []fact.Ruleset) {
	for _, rs := range sets {
		if rs.Persisted != "" {
			continue
		}
		rs.Chains = slices.Clone(rs.Chains)
		for j := range rs.Chains {
			rs.Chains[j].Rules = fewer(rs.Chains[j].Rules, gone)
		}
		out = append(out, rs)
	}
	return out
}

func fewer(rules []fact.Rule, gone map[*fact.Rule]bool) []fact.Rule {
	n := 0
	for k := range rules {
		if gone[&rules[k]] {
			n++
		}
	}
	if n == 0 {
		return rules
	}
	kept := make([]fact.Rule, 0, len(rules)-n)
	for k := range rules {
		if !gone[&rules[k]] {
			kept = append(kept, rules[k])
		}
	}
	return kept
}
