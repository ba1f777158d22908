package nftrules

import (
	"bytes"
	"encoding/binary"
	"iter"

	"demine/internal/fact"
)

// attrs walks netlink attributes (struct nlattr: length, type, payload, padded
// to four bytes). It ends silently at the first one that does not fit.
func attrs(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			n := int(binary.NativeEndian.Uint16(b))
			if n < 4 || n > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&0x3fff, b[4:n]) {
				return
			}
			b = b[min((n+3)&^3, len(b)):]
		}
	}
}

// table is the attributes of one nest by type; the first of a kind counts.
type table map[uint16][]byte

func nest(b []byte) table {
	if len(b) == 0 {
		return nil
	}
	t := table{}
	for typ, v := range attrs(b) {
		if _, ok := t[typ]; !ok {
			t[typ] = v
		}
	}
	return t
}

// u32 and u64 read numbers in network order, 0 when missing; shorter ones are
// taken as they are.
func (t table) u32(typ uint16) uint32 { return uint32(t.u64(typ)) }

func (t table) u64(typ uint16) uint64 { return number(t[typ]) }

func number(b []byte) (v uint64) {
	if len(b) > 8 {
		return 0
	}
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return v
}

// str is a string up to its NUL, as text; raw is its bytes.
func (t table) str(typ uint16) string { return fact.Text([]byte(t.raw(typ))) }

func (t table) raw(typ uint16) string {
	b, _, _ := bytes.Cut(t[typ], []byte{0})
	return string(b)
}

// data is the value inside a nest of NFTA_DATA_VALUE.
func (t table) data(typ uint16) []byte { return dataOf(t[typ]) }

func dataOf(b []byte) []byte {
	for typ, v := range attrs(b) {
		if typ == 1 {
			return v
		}
	}
	return nil
}
