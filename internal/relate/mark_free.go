package relate

import (
	"fmt"
	"math/bits"
	"slices"

	"demine/internal/fact"
)

// FreeMark is a bit of the mark that nobody uses but demine: no rule in force asks
// for it, changes it or keeps it with a connection, and the policy routing does not
// ask for it (see fact.Network.Marks). Changes of the whole mark mention none: they
// only clear it. 0: there is none, and by uses the one that would be the first.
func (n *Net) FreeMark() (bit uint32, by string) {
	used := uint32(0)
	var routing []fact.Mark
	if n.Own != nil {
		routing = n.Own.Marks
	}
	markUsers(n.Filter, routing, func(bits uint32, _ func() string) { used |= bits })
	for _, n := range freeBits {
		if bit := uint32(1) << n; used&bit == 0 {
			return bit, ""
		}
	}
	return 0, MarkTaken(n.Filter, routing, 1<<freeBits[0])
}

// MarkTaken is a rule in force, in the words of its tool, that uses a bit and is
// not demine's; empty: there is none.
func MarkTaken(sets []fact.Ruleset, routing []fact.Mark, bit uint32) (by string) {
	markUsers(sets, routing, func(bits uint32, text func() string) {
		if by == "" && bits&bit != 0 {
			by = text()
		}
	})
	return by
}

// markUsers gives the bits that others use, and who does.
func markUsers(sets []fact.Ruleset, routing []fact.Mark, f func(bits uint32, text func() string)) {
	sets = withoutMarks(sets) // what is left of leases is used again
	eachMark(sets, func(r *fact.Rule) {
		if !isDoorway(r) {
			f(mentioned(r.Mark)|mentioned(r.SetMark), func() string { return r.Text })
		}
	})
	eachSaved(sets, func(r *fact.Rule) { f(saved(r), func() string { return r.Text }) })
	for _, m := range routing {
		f(mentioned(m), func() string { return fmt.Sprintf("ip rule fwmark 0x%x/0x%x", m.Value, m.Mask) })
	}
}

// isDoorway reports whether a rule has the form of a doorway of leases.
func isDoorway(r *fact.Rule) bool {
	return r.Comment == LeaseComment && r.Verdict == "accept" && bits.OnesCount32(r.Mark.Mask) == 1
}

func mentioned(m fact.Mark) uint32 {
	if m.Mask == ^uint32(0) {
		return m.Value
	}
	return m.Value | m.Mask
}

// saved are the bits that a rule may give to a connection of packets that have
// them: not those that it asks to be clear.
func saved(r *fact.Rule) uint32 {
	if r.Mark.Not {
		return r.Saves
	}
	return r.Saves &^ (r.Mark.Mask &^ r.Mark.Value)
}

// manglePriority is NF_IP_PRI_MANGLE, where demine gives its mark at the earliest:
// see LeaseChain.
const manglePriority = -150

// eachSaved gives the rules that keep the mark of packets that came in with their
// connections, and that such a packet meets behind demine's own.
func eachSaved(sets []fact.Ruleset, f func(*fact.Rule)) {
	for i := range sets {
		rs := &sets[i]
		saves := func(c fact.Chain) bool {
			return slices.ContainsFunc(c.Rules, func(r fact.Rule) bool { return r.Saves != 0 })
		}
		if rs.Persisted != "" || !slices.ContainsFunc(rs.Chains, saves) {
			continue
		}
		for _, c := range chainsBehind(rs) {
			for k := range c.Rules {
				if c.Rules[k].Saves != 0 {
					f(&c.Rules[k])
				}
			}
		}
	}
}

// chainsBehind are the chains of a ruleset that a packet may meet that comes in
// and has demine's mark.
func chainsBehind(rs *fact.Ruleset) (out []*fact.Chain) {
	for i := range rs.Chains {
		switch c := &rs.Chains[i]; c.Hook {
		case "input", "forward", "postrouting":
			out = append(out, c)
		case "prerouting":
			if c.Priority > manglePriority {
				out = append(out, c)
			}
		}
	}
	for i := 0; i < len(out); i++ { // and those that they lead to
		for j := range rs.Chains {
			c := &rs.Chains[j]
			leads := func(r fact.Rule) bool { return (r.Verdict == "jump" || r.Verdict == "goto") && r.Target == c.Name }
			if !slices.Contains(out, c) && slices.ContainsFunc(out[i].Rules, leads) {
				out = append(out, c)
			}
		}
	}
	return out
}

// freeBits is the order in which bits are taken: first those that no software is
// known to take later (Calico has the upper half unless told otherwise, Tailscale
// 16 to 23, kube-proxy 14 and 15, CNI 13, Cilium 8 to 11, AWS 7).
var freeBits = []int{12, 6, 5, 4, 27, 26, 25, 24, 28, 29, 30, 31, 7, 13, 23, 22, 21, 20, 11, 10, 9, 8, 3, 2, 1, 0}
