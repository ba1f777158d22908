package relate

import (
	"math/bits"
	"slices"

	"demine/internal/fact"
)

// marking is what is known of a packet's mark: the bits of value are set, those
// of hazy may be.
type marking struct{ value, hazy uint32 }

// after is the marking behind a rule that changes the mark.
func (k marking) after(m fact.Mark) marking {
	if m.Unclear {
		k.hazy |= m.Mask
	} else {
		k = marking{k.value&^m.Mask ^ m.Value, k.hazy &^ m.Mask}
	}
	k.value &^= k.hazy
	return k
}

// meets judges a condition on the mark.
func (k marking) meets(m fact.Mark) truth {
	switch {
	case m.Mask == 0:
		return sureYes
	case (k.value^m.Value)&m.Mask&^k.hazy != 0:
		return truthOf(m.Not)
	case m.Mask&k.hazy != 0:
		return unsure
	}
	return truthOf(!m.Not)
}

// arriving is the marking of a packet that comes into a namespace, nil for
// demine's own. A bit that rules set is not set yet; of one that they only ask
// for nobody knows, since tc, eBPF and drivers mark packets as well: but demine
// took its own bit because nobody has it.
func (n *Net) arriving(in *fact.Network) marking {
	if k, ok := n.marks[in]; ok {
		return k
	}
	sets := n.Filter
	if in != nil {
		sets = in.Firewall
	}
	given := uint32(0)
	eachMark(sets, func(r *fact.Rule) {
		given |= r.SetMark.Value
		if isDoorway(r) {
			given |= r.Mark.Mask
		}
	})
	if n.marks == nil {
		n.marks = map[*fact.Network]marking{}
	}
	n.marks[in] = marking{hazy: ^given}
	return n.marks[in]
}

func eachMark(sets []fact.Ruleset, f func(*fact.Rule)) {
	for i := range sets {
		if sets[i].Persisted != "" {
			continue
		}
		for j := range sets[i].Chains {
			for k := range sets[i].Chains[j].Rules {
				if r := &sets[i].Chains[j].Rules[k]; r.Mark.Mask != 0 || r.SetMark != (fact.Mark{}) {
					f(r)
				}
			}
		}
	}
}

// askedMarks are the bits that rules of bases ask for: no other matters.
func askedMarks(bases []base) (bits uint32) {
	eachRule(bases, func(r *fact.Rule) { bits |= r.Mark.Mask })
	return bits
}

// flock is a crowd whose packets have one marking.
type flock struct {
	mark marking
	set  crowd
}

// flocks are crowds apart by their marking. Their memory is used again.
type flocks struct {
	list []flock // the first n are in use
	n    int
}

// maxFlocks bounds the markings that are kept apart at one place; what is more
// has any.
const maxFlocks = 16

// of is the crowd of a marking; a new one is empty in a extent.
func (g *flocks) of(k marking, c *cells, in extent) crowd {
	for i := range g.n {
		if g.list[i].mark == k {
			return g.list[i].set
		}
	}
	if any := (marking{hazy: ^uint32(0)}); g.n >= maxFlocks-1 && k != any {
		return g.of(any, c, in)
	}
	if g.n == len(g.list) {
		g.list = append(g.list, flock{set: c.crowd()})
	}
	x := &g.list[g.n]
	g.n++
	x.mark = k
	clear(x.set[in.lo:in.hi])
	return x.set
}

// join adds others in a extent.
func (g *flocks) join(h *flocks, c *cells, in extent) {
	for _, x := range h.used() {
		g.of(x.mark, c, in).join(x.set, in)
	}
}

func (g *flocks) used() []flock { return g.list[:g.n] }

func (g *flocks) empty(in extent) bool {
	return !slices.ContainsFunc(g.used(), func(x flock) bool { return !x.set.empty(in) })
}

// FreeMark is a bit of the mark that no rule in force mentions but demine's; false
// when there is none. Changes of the whole mark mention none: they only clear it.
func FreeMark(sets []fact.Ruleset) (uint32, bool) {
	used := uint32(0)
	othersMarks(sets, func(r *fact.Rule) { used |= mentioned(r) })
	for _, n := range freeBits {
		if bit := uint32(1) << n; used&bit == 0 {
			return bit, true
		}
	}
	return 0, false
}

// isDoorway reports whether a rule has the form of a doorway of leases.
func isDoorway(r *fact.Rule) bool {
	return r.Comment == LeaseComment && r.Verdict == "accept" && bits.OnesCount32(r.Mark.Mask) == 1
}

// mentioned are the bits that a rule asks for or changes.
func mentioned(r *fact.Rule) (bits uint32) {
	for _, m := range []fact.Mark{r.Mark, r.SetMark} {
		if bits |= m.Value; m.Mask != ^uint32(0) {
			bits |= m.Mask
		}
	}
	return bits
}

// MarkTaken is a rule in force that mentions a bit and is not demine's; nil: there
// is none.
func MarkTaken(sets []fact.Ruleset, bit uint32) (by *fact.Rule) {
	othersMarks(sets, func(r *fact.Rule) {
		if by == nil && mentioned(r)&bit != 0 {
			by = r
		}
	})
	return by
}

// othersMarks gives the rules about marks that are not demine's: what is left of
// leases is used again.
func othersMarks(sets []fact.Ruleset, f func(*fact.Rule)) {
	eachMark(withoutMarks(sets), func(r *fact.Rule) {
		if !isDoorway(r) {
			f(r)
		}
	})
}

// freeBits is the order in which bits are taken: first those that no software is
// known to take later (Calico has the upper half unless told otherwise, Tailscale
// 16 to 23, kube-proxy 14 and 15, CNI 13, Cilium 8 to 11, AWS 7).
var freeBits = []int{12, 6, 5, 4, 27, 26, 25, 24, 28, 29, 30, 31, 7, 13, 23, 22, 21, 20, 11, 10, 9, 8, 3, 2, 1, 0}
