package respond

import (
	"net/netip"
	"slices"

	"demine/internal/fact"
	"demine/internal/relate"
)

// opening is a rule in force that lets everybody in to one port and does
// nothing else.
type opening struct {
	at  RuleAt
	set int // index of its ruleset
}

// openingsOf finds them in every table of every backend and family: several may
// open the same port.
func openingsOf(sets []fact.Ruleset, proto string, port int) (out []opening) {
	for i := range sets {
		rs := &sets[i]
		if rs.Persisted != "" || isShutTable(rs) {
			continue
		}
		into := inputOnly(rs)
		for j := range rs.Chains {
			c := &rs.Chains[j]
			if !into[c.Name] {
				continue
			}
			for _, r := range whole(c.Rules) {
				if opensOnly(c.Rules, r.N, proto, port) {
					out = append(out, opening{RuleAt{rs.Backend, rs.Family, rs.Table, c.Name, r.N, r.Text}, i})
				}
			}
		}
	}
	return out
}

// opensOnly reports whether the rule at place n lets in whoever comes to the
// port, and only to that port.
func opensOnly(rules []fact.Rule, n int, proto string, port int) bool {
	found := false
	for i := range rules {
		if rules[i].N != n {
			continue
		}
		if !opens(&rules[i], proto, port) {
			return false
		}
		found = true
	}
	return found
}

func opens(r *fact.Rule, proto string, port int) bool {
	exact := len(r.DPort) == 1 && int(r.DPort[0].From) == port && r.DPort[0].From == r.DPort[0].To && !r.NotDPort
	from := !slices.ContainsFunc(r.Src, func(p netip.Prefix) bool { return p.Bits() > 0 }) && !r.NotSrc
	fresh := len(r.CTState) == 0 || !r.NotState && slices.Contains(r.CTState, "new")
	return r.Verdict == "accept" && r.Proto == proto && !r.NotProto && exact && from && fresh &&
		len(r.SPort) == 0 && r.Out == "" && (r.In != "lo" || r.NotIn) && len(r.Unknown) == 0 &&
		r.Mark.Mask == 0 && r.SetMark == (fact.Mark{})
}

// inputOnly are the chains that only packets to this host come through: base
// chains of input, and user chains that no other hook leads to.
func inputOnly(rs *fact.Ruleset) map[string]bool {
	in, other := map[string]bool{}, map[string]bool{}
	for i := range rs.Chains {
		c := &rs.Chains[i]
		switch {
		case c.Hook == "":
		case c.Hook == "input" && c.Type == "filter" && (rs.Backend == "nft" || rs.Table == "filter"):
			follow(rs, c.Name, in)
		default:
			follow(rs, c.Name, other)
		}
	}
	for name := range other {
		delete(in, name)
	}
	return in
}

// follow marks a chain and those that it can jump to.
func follow(rs *fact.Ruleset, name string, seen map[string]bool) {
	if seen[name] {
		return
	}
	seen[name] = true
	for i := range rs.Chains {
		if rs.Chains[i].Name != name {
			continue
		}
		for _, r := range rs.Chains[i].Rules {
			if r.Verdict == "jump" || r.Verdict == "goto" {
				follow(rs, r.Target, seen)
			}
		}
	}
}

// less are the rulesets without some rules.
func less(sets []fact.Ruleset, gone []opening) []fact.Ruleset {
	out := slices.Clone(sets)
	for i := range out {
		out[i].Chains = slices.Clone(out[i].Chains)
		for j := range out[i].Chains {
			c := &out[i].Chains[j]
			c.Rules = slices.DeleteFunc(slices.Clone(c.Rules), func(r fact.Rule) bool {
				return slices.ContainsFunc(gone, func(o opening) bool { return o.set == i && o.at.Chain == c.Name && o.at.N == r.N })
			})
		}
	}
	return out
}

// reachOf is who reaches a port over one family through the host's own rules,
// those of demine's own left aside: they are gone with the next boot.
func reachOf(sets []fact.Ruleset, proto string, port int, v6 bool) relate.Reach {
	local := netip.IPv4Unspecified()
	if v6 {
		local = netip.IPv6Unspecified()
	}
	return relate.ReachOf(withoutShuts(sets), proto, local, port, v6)
}

// wideOpen: anybody may get in, or it cannot be told that not.
func wideOpen(r relate.Reach) bool { return r.From == "anywhere" || r.From == "cannot-tell" }
