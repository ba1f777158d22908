package xtables

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"

	"demine/internal/fact"
)

// entry is one struct ipt_entry or ip6t_entry, cut into its parts.
type entry struct {
	off, size  int
	head       fact.Rule // what the fixed part says, and the counters
	fragment   string    // "-f", only in IPv4
	matches    []match
	target     string // empty: the standard target
	targetRev  uint8
	targetData []byte
	verdict    int32
	isGoto     bool
	isError    bool
	errorName  string
}

type match struct {
	name string
	rev  uint8
	data []byte
}

// layout says where the two families differ: the size of struct ipt_ip and
// ip6t_ip6 up to nfcache, of the whole entry, and of an address.
type layout struct {
	addr, ip, head    int
	proto, flags, inv int
	fGoto             byte
}

var layouts = map[string]layout{
	"ip":  {addr: 4, ip: 84, head: 112, proto: 80, flags: 82, inv: 83, fGoto: 0x02},
	"ip6": {addr: 16, ip: 136, head: 168, proto: 128, flags: 131, inv: 132, fGoto: 0x04},
}

// The inverting flags, IPT_INV_*, the same in both families.
const (
	invIn, invOut, invTOS, invSrc, invDst, invFrag, invProto = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40
)

// partHead is the size of the fixed part of struct xt_entry_match and
// xt_entry_target.
const partHead = 32

func decodeEntry(family string, b []byte) (entry, error) {
	l, ok := layouts[family]
	if !ok {
		return entry{}, fmt.Errorf("%w: family %q", ErrMalformed, family)
	}
	if len(b) < l.head {
		return entry{}, fmt.Errorf("%w: cut off", ErrMalformed)
	}
	target, next := int(order.Uint16(b[l.ip+4:])), int(order.Uint16(b[l.ip+6:]))
	if target < l.head || next < target+partHead || next > len(b) || next%8 != 0 {
		return entry{}, fmt.Errorf("%w: offsets %d, %d", ErrMalformed, target, next)
	}
	e := entry{size: next, isGoto: b[l.flags]&l.fGoto != 0}
	e.decodeHead(family, l, b)
	if err := e.decodeMatches(b[l.head:target]); err != nil {
		return entry{}, err
	}
	e.decodeTarget(b[target:next])
	return e, nil
}

func (e *entry) decodeHead(family string, l layout, b []byte) {
	r, a, inv := &e.head, l.addr, b[l.inv]
	smsk, dmsk := b[2*a:3*a], b[3*a:4*a]
	narrowMasked(r, b[:a], smsk, inv&invSrc != 0, NarrowSrc, "source mask")
	narrowMasked(r, b[a:2*a], dmsk, inv&invDst != 0, NarrowDst, "destination mask")
	names := b[4*a:]
	if n := ifName(names[0:16], names[32:48]); n != "" {
		NarrowIn(r, n, inv&invIn != 0)
	}
	if n := ifName(names[16:32], names[48:64]); n != "" {
		NarrowOut(r, n, inv&invOut != 0)
	}
	if p := Proto(strconv.Itoa(int(order.Uint16(b[l.proto:])))); p != "" {
		NarrowProto(r, p, inv&invProto != 0)
	}
	e.decodeFlags(family, l, b)
	r.Counter = true
	r.Packets = order.Uint64(b[l.head-16:])
	r.Bytes = order.Uint64(b[l.head-8:])
}

func (e *entry) decodeFlags(family string, l layout, b []byte) {
	flags, inv := b[l.flags], b[l.inv]
	if family == "ip" && flags&0x01 != 0 { // IPT_F_FRAG: second and later fragments
		e.fragment = bang(inv&invFrag != 0) + "-f"
		if inv&invFrag == 0 {
			Doubt(&e.head, "fragment")
		}
	}
	if family == "ip6" && flags&0x02 != 0 { // IP6T_F_TOS
		Doubt(&e.head, "tos")
	}
	if inv&^0x7f != 0 {
		Doubt(&e.head, "flags")
	}
}

func narrowMasked(r *fact.Rule, addr, mask []byte, not bool, narrow func(*fact.Rule, []netip.Prefix, bool), word string) {
	bits, ok := maskBits(mask)
	if !ok {
		Doubt(r, word)
		return
	}
	if bits == 0 && !not {
		return
	}
	a, _ := netip.AddrFromSlice(addr)
	narrow(r, []netip.Prefix{netip.PrefixFrom(a, bits).Masked()}, not)
}

// maskBits is the length of a mask of leading ones; false for any other mask.
func maskBits(mask []byte) (int, bool) {
	bits := 0
	for i := range len(mask) * 8 {
		set := mask[i/8]&(0x80>>(i%8)) != 0
		if set && bits != i {
			return 0, false
		}
		if set {
			bits++
		}
	}
	return bits, true
}

// ifName reads an interface and its mask: a mask that ends before the name's
// NUL makes the name a prefix, written with a plus.
func ifName(name, mask []byte) string {
	n := bytes.IndexByte(mask, 0)
	if n < 0 {
		n = len(mask)
	}
	if n == 0 {
		return ""
	}
	s := cString(name)
	if n <= len(s) {
		return fact.Text([]byte(s[:n])) + "+"
	}
	return fact.Text([]byte(s))
}

func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

func (e *entry) decodeMatches(b []byte) error {
	for len(b) > 0 {
		if len(b) < partHead {
			return fmt.Errorf("%w: match cut off", ErrMalformed)
		}
		n := int(order.Uint16(b))
		if n < partHead || n > len(b) {
			return fmt.Errorf("%w: match of %d bytes", ErrMalformed, n)
		}
		e.matches = append(e.matches, match{fact.Text([]byte(cString(b[2:31]))), b[31], b[partHead:n]})
		b = b[n:]
	}
	return nil
}

func (e *entry) decodeTarget(b []byte) {
	if n := int(order.Uint16(b)); n >= partHead && n <= len(b) {
		b = b[:n]
	}
	e.target, e.targetRev, e.targetData = fact.Text([]byte(cString(b[2:31]))), b[31], b[partHead:]
	switch {
	case e.target == "" && len(e.targetData) >= 4:
		e.verdict = int32(order.Uint32(e.targetData))
	case e.target == "":
		e.target = "?"
	case e.target == "ERROR":
		e.isError, e.errorName = true, fact.Text([]byte(cString(e.targetData[:min(30, len(e.targetData))])))
	}
}
