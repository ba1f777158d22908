package relate

import (
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
