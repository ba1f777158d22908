package relate

import (
	"math/bits"
	"net/netip"
	"slices"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// cells are the addresses of all possible senders, cut at every address where
// the prefix of some rule begins or ends, in order: no rule treats two senders
// of one cell differently. A crowd, a bit a cell, is a set of senders.
type cells struct {
	span []span
	size []float64
	v6   bool
}

type crowd []uint64

// extent is the part of a crowd that an operation is about, in words.
type extent struct{ lo, hi int }

// cut makes the cells for the rules of bases.
func cut(bases []base, v6 bool) *cells {
	var edges []netip.Addr
	eachRule(bases, func(r *fact.Rule) {
		for _, p := range r.Src {
			if p.IsValid() && p.Addr().Is4() != v6 {
				edges = append(edges, p.Masked().Addr(), xtables.Last(p).Next())
			}
		}
	})
	edges = slices.DeleteFunc(edges, func(a netip.Addr) bool { return !a.IsValid() })
	slices.SortFunc(edges, netip.Addr.Compare)
	edges = slices.Compact(edges)
	c := &cells{v6: v6}
	for _, s := range outside(v6) {
		i, _ := slices.BinarySearchFunc(edges, s.from, netip.Addr.Compare)
		for ; i < len(edges) && edges[i].Compare(s.to) <= 0; i++ {
			if s.from.Less(edges[i]) {
				c.add(span{s.from, edges[i].Prev()})
				s.from = edges[i]
			}
		}
		c.add(s)
	}
	return c
}

func (c *cells) add(s span) {
	c.span = append(c.span, s)
	c.size = append(c.size, sources{s}.size())
}

func (c *cells) crowd() crowd { return make(crowd, (len(c.span)+63)/64) }

// whole is where all cells are.
func (c *cells) whole() extent { return extent{0, (len(c.span) + 63) / 64} }

// everybody is the crowd of all cells.
func (c *cells) everybody() crowd {
	x := c.crowd()
	c.each(0, len(c.span), func(i int, m uint64) { x[i] |= m })
	return x
}

// each gives the words that hold the cells i…j-1, with a mask of those cells.
func (c *cells) each(i, j int, f func(word int, mask uint64)) {
	for i < j {
		n := min(j-i, 64-i%64)
		f(i/64, (^uint64(0)>>(64-n))<<(i%64))
		i += n
	}
}

// find gives the cells of a prefix as i…j-1.
func (c *cells) find(p netip.Prefix) (i, j int) {
	byFrom := func(s span, a netip.Addr) int { return s.from.Compare(a) }
	i, _ = slices.BinarySearchFunc(c.span, p.Masked().Addr(), byFrom)
	last := xtables.Last(p)
	j, found := slices.BinarySearchFunc(c.span, last, byFrom)
	if found {
		j++
	}
	return i, max(i, j)
}

// pick puts those of here, in a window, that a rule asks for into to, and says
// where they are; the rest of to is not touched.
func (c *cells) pick(to, here crowd, in extent, r *fact.Rule) extent {
	if len(r.Src) == 0 {
		copy(to[in.lo:in.hi], here[in.lo:in.hi])
		return in
	}
	var found [][2]int
	w := extent{in.hi, in.lo}
	mine := false
	for _, p := range r.Src {
		if !p.IsValid() || p.Addr().Is4() == c.v6 {
			continue
		}
		mine = true
		if i, j := c.find(p); i < j {
			found = append(found, [2]int{i, j})
			w = extent{min(w.lo, i/64), max(w.hi, (j+63)/64)}
		}
	}
	if r.NotSrc && mine {
		copy(to[in.lo:in.hi], here[in.lo:in.hi])
		for _, f := range found {
			c.each(max(f[0], in.lo*64), min(f[1], in.hi*64), func(k int, m uint64) { to[k] &^= m })
		}
		return in
	}
	w = extent{max(w.lo, in.lo), min(w.hi, in.hi)}
	if r.NotSrc || w.lo >= w.hi { // "not" addresses of the other family: only packets of that family have one
		return extent{}
	}
	clear(to[w.lo:w.hi])
	for _, f := range found {
		c.each(max(f[0], w.lo*64), min(f[1], w.hi*64), func(k int, m uint64) { to[k] |= here[k] & m })
	}
	return w
}

func (x crowd) empty(w extent) bool {
	for _, b := range x[w.lo:w.hi] {
		if b != 0 {
			return false
		}
	}
	return true
}

// join adds y to x, and leave takes it away, in a extent.
func (x crowd) join(y crowd, w extent) {
	for k := w.lo; k < w.hi; k++ {
		x[k] |= y[k]
	}
}

func (x crowd) leave(y crowd, w extent) {
	for k := w.lo; k < w.hi; k++ {
		x[k] &^= y[k]
	}
}

func (x crowd) whole() extent { return extent{0, len(x)} }

// count is about how many addresses a crowd has in a extent.
func (c *cells) count(x crowd, w extent) (n float64) {
	for k := w.lo; k < w.hi; k++ {
		for b := x[k]; b != 0; b &= b - 1 {
			n += c.size[k*64+bits.TrailingZeros64(b)]
		}
	}
	return n
}

// sources are the addresses of a crowd.
func (c *cells) sources(x crowd) sources {
	var out sources
	for k, b := range x {
		for ; b != 0; b &= b - 1 {
			out = append(out, c.span[k*64+bits.TrailingZeros64(b)])
		}
	}
	return out.merged()
}
