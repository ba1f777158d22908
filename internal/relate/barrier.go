package relate

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"demine/internal/fact"
)

// Barrier is what keeps packets out and a doorway goes before: a rule, with those
// that lead to it, or the policy of a base chain.
type Barrier struct {
	Chain string       // family, table and name of the base chain; empty: the rules are too many to be followed
	Rules []*fact.Rule // from the base chain on, the last one drops; none: it is the policy
}

// Barriers are all that would keep some of from out of a door if demine let
// nobody in, in the chains that a doorway can stand in: each rule that may drop
// them, also behind others that do, and the policies. Where a doorway stands does
// not matter: it passes all that is behind it, and some of it may be behind.
func (n *Net) Barriers(d Door, from []netip.Prefix) (out []Barrier) {
	d.Addr = d.Addr.Unmap()
	var found []Barrier
	bare := &Net{Filter: withoutMarks(n.Filter), Own: n.Own, Others: n.Others, Now: n.Now, own: n.own, barriers: &found}
	for _, x := range bare.front(d) {
		bare.follow(d, x, from, func(_ string, _ sources, w *walk) {
			if w.effort.tooMuch() {
				found = append(found, Barrier{})
			}
		})
	}
	n.own = bare.own
	seen := map[string]bool{}
	for _, b := range found {
		if name := b.String(); !seen[name] {
			seen[name] = true
			out = append(out, b)
		}
	}
	return out
}

// withoutMarks are rulesets in which nobody gets the mark of leases.
func withoutMarks(sets []fact.Ruleset) []fact.Ruleset {
	out := slices.Clone(sets)
	for i := range out {
		chains := slices.Clone(out[i].Chains)
		for j := range chains {
			if HoldsLeases(&out[i], &chains[j]) {
				chains[j].Rules = nil
			}
		}
		out[i].Chains = chains
	}
	return out
}

// passes notes a rule that drops, or with nil the policy, when the walk is after
// barriers and a doorway could stand here; then the walk goes on behind it.
func (w *walk) passes(r *fact.Rule) bool {
	c := w.base.chain
	if w.net.barriers == nil || w.base.inside != nil || !doorable(c) {
		return false
	}
	b := Barrier{Chain: w.base.family + " " + w.base.table + " " + c.Name}
	if r != nil {
		b.Rules = append(slices.Clone(w.path), r)
	}
	*w.net.barriers = append(*w.net.barriers, b)
	return true
}

// doorable reports whether a doorway can stand in a chain.
func doorable(c *fact.Chain) bool {
	return c.Type != "nat" && (c.Hook == "input" || c.Hook == "forward")
}

// Rule is the text of what drops; empty: it is the policy.
func (b Barrier) Rule() string {
	if len(b.Rules) == 0 {
		return ""
	}
	return b.Rules[len(b.Rules)-1].Text
}

// Bans reports whether the rule drops some of from by their addresses.
func (b Barrier) Bans(from []netip.Prefix) bool {
	if len(b.Rules) == 0 {
		return false
	}
	r := b.Rules[len(b.Rules)-1]
	return !r.NotSrc && slices.ContainsFunc(r.Src, func(p netip.Prefix) bool {
		return p.Bits() > 0 && slices.ContainsFunc(from, p.Overlaps)
	})
}

// Lists reports whether it depends on a list of addresses that is not read.
func (b Barrier) Lists() bool {
	return slices.ContainsFunc(b.Rules, func(r *fact.Rule) bool { return slices.Contains(r.Unknown, "set") })
}

// Aimed is the text of what makes it one of this port or of these senders: the rule
// that drops, or the last of those that lead to it, that names them. Empty: it is
// against everybody at every port, as a policy is.
func (b Barrier) Aimed() string {
	for _, r := range slices.Backward(b.Rules) {
		if namesPorts(r) || namesSenders(r) {
			return r.Text
		}
	}
	return ""
}

// namesPorts is false of "all but some": that is what is usual for a host.
func namesPorts(r *fact.Rule) bool {
	return len(r.DPort) > 0 && !r.NotDPort && !slices.ContainsFunc(r.DPort, func(p fact.PortRange) bool { return p.From <= 1 && p.To == 65535 })
}

func namesSenders(r *fact.Rule) bool {
	return slices.ContainsFunc(r.Src, func(p netip.Prefix) bool { return p.Bits() > 0 })
}

// longestBarrier is how many bytes tell a barrier from others; of longer ones the
// rest is a sum. So are characters that nobody sees, each of which makes six in JSON.
const longestBarrier = 300

// String names the barrier by what it is, not by its place: the same after the
// same rules were loaded again.
func (b Barrier) String() string {
	var s strings.Builder
	s.WriteString(b.Chain + ": ")
	for i, r := range b.Rules {
		if i > 0 {
			s.WriteString("; ")
		}
		s.WriteString(r.Text)
	}
	if len(b.Rules) == 0 {
		s.WriteString("policy")
	}
	seen := graphic(s.String())
	if seen == s.String() && len(seen) <= longestBarrier {
		return seen
	}
	sum := sha256.Sum256([]byte(s.String()))
	return strings.ToValidUTF8(seen[:min(len(seen), longestBarrier)], "") + "… " + hex.EncodeToString(sum[:8])
}

// graphic leaves out what is no character, or one that nobody sees.
func graphic(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
