package lease

import (
	"net/netip"
	"slices"

	"demine/internal/fact"
	"demine/internal/relate"
	"demine/internal/respond"
)

// answer is whether all of a network come in.
type answer int

const (
	no answer = iota
	yes
	unclear
)

// lets says whether a Reach lets all of a network in. Part of it is "no".
func lets(r relate.Reach, from netip.Prefix) answer {
	within := func(ps []netip.Prefix) bool { return covered(from, ps) }
	switch {
	case r.From == "anywhere" && !slices.ContainsFunc(r.Except, from.Overlaps),
		(r.From == "some" || r.From == "cannot-tell") && within(r.Sources):
		return yes
	case r.From == "cannot-tell":
		return unclear
	}
	return no
}

// covered reports whether networks together hold all of another one.
func covered(p netip.Prefix, by []netip.Prefix) bool {
	part := false
	for _, q := range by {
		if q.Bits() <= p.Bits() && q.Contains(p.Addr()) {
			return true
		}
		part = part || p.Contains(q.Addr())
	}
	if !part || p.Bits() == p.Addr().BitLen() {
		return false
	}
	low, high := halves(p)
	return covered(low, by) && covered(high, by)
}

func halves(p netip.Prefix) (low, high netip.Prefix) {
	b := p.Addr().AsSlice()
	b[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	a, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(p.Addr(), p.Bits()+1), netip.PrefixFrom(a, p.Bits()+1)
}

// Prove says of the host before and after whether exactly what was planned came
// true: all of the sources come in, and nobody else who did not before. If not
// it is a *respond.Refusal.
func (p *Plan) Prove(before, after *fact.Snapshot) error {
	if err := unread(after); err != nil {
		return err
	}
	b, a := relate.NetOf(before), relate.NetOf(after)
	for _, o := range p.doors {
		proof := a.Admits(b, o.door, o.from, p.Mark)
		if !proof.Opens {
			return respond.Refuse("refuse.lease.unproven", "port", p.Port, "reach", reached(proof.Why))
		}
		if len(proof.Others) > 0 {
			return respond.Refuse("refuse.lease.too-wide", "port", p.Port, "from", proof.Others[0].String())
		}
	}
	return nil
}
