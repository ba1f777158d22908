package respond

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
)

// xtShut begins the names of demine's own chains in iptables-legacy.
const xtShut = "demine-"

// shutsIn are the ports that demine has shut, as the filter in force tells.
func shutsIn(sets []fact.Ruleset) []Shut {
	var out []Shut
	for i := range sets {
		for j := range sets[i].Chains {
			s, ok := shutOf(&sets[i], &sets[i].Chains[j])
			if !ok {
				continue
			}
			k := slices.IndexFunc(out, func(o Shut) bool { return o.Proto == s.Proto && o.Port == s.Port })
			if k < 0 {
				out = append(out, s)
			} else { // IPv4 and IPv6 stand apart
				out[k].Keep = append(out[k].Keep, s.Keep...)
				out[k].Interfaces = append(out[k].Interfaces, s.Interfaces...)
			}
		}
	}
	for i := range out {
		out[i] = out[i].normal()
	}
	slices.SortFunc(out, func(a, b Shut) int { return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port)) })
	return out
}

// shutOf reads one chain; false when it is none of demine's.
func shutOf(rs *fact.Ruleset, c *fact.Chain) (Shut, bool) {
	name, ours := c.Name, isShutTable(rs)
	if rs.Backend == "iptables-legacy" && rs.Table == "filter" && rs.Persisted == "" {
		name, ours = strings.CutPrefix(c.Name, xtShut)
	}
	proto, n, ok := strings.Cut(name, "-")
	port, err := strconv.Atoi(n)
	if !ours || !ok || err != nil || len(c.Rules) == 0 || c.Rules[len(c.Rules)-1].Verdict != "drop" {
		return Shut{}, false
	}
	s := Shut{Proto: proto, Port: port}
	for _, r := range whole(c.Rules[:len(c.Rules)-1]) {
		switch {
		case r.In == "lo":
		case r.In != "":
			s.Interfaces = append(s.Interfaces, strings.Replace(r.In, "+", "*", 1))
		case len(r.Src) > 0:
			s.Keep = append(s.Keep, r.Src...)
		case rs.Family == "ip6":
			s.Keep = append(s.Keep, netip.PrefixFrom(netip.IPv6Unspecified(), 0))
		case rs.Family == "ip":
			s.Keep = append(s.Keep, netip.PrefixFrom(netip.IPv4Unspecified(), 0))
		}
	}
	return s, true
}

func isShutTable(rs *fact.Ruleset) bool {
	return rs.Backend == "nft" && rs.Table == shutTable && rs.Persisted == ""
}

// withoutShuts is the filter as it is once demine's own rules are gone: after
// the next boot.
func withoutShuts(sets []fact.Ruleset) []fact.Ruleset {
	var out []fact.Ruleset
	for _, rs := range sets {
		if isShutTable(&rs) || isLeaseTable(rs) {
			continue
		}
		rs.Chains = slices.Clone(rs.Chains)
		for i := range rs.Chains {
			rs.Chains[i].Rules = slices.DeleteFunc(slices.Clone(rs.Chains[i].Rules), func(r fact.Rule) bool {
				own := strings.HasPrefix(r.Target, xtShut) || rs.Table == xtLeaseTable && r.Target == xtLeaseChain
				return rs.Backend == "iptables-legacy" && r.Verdict == "jump" && own
			})
		}
		out = append(out, rs)
	}
	return out
}
