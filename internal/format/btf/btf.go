// Package btf reads the types that a kernel describes itself with, as
// /sys/kernel/btf/vmlinux gives them (Documentation/bpf/btf.rst): enough of
// them to name a function and to find the members of a struct.
package btf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// Kinds of types of the kernel's uapi/linux/btf.h that callers ask for.
const (
	Struct = 4
	Func   = 12
)

const (
	magic     = 0xeb9f
	headerLen = 24
	typeLen   = 12 // struct btf_type
	memberLen = 12 // struct btf_member
)

// order: a kernel describes itself in the machine's own.
var order = binary.NativeEndian

// errCut: the bytes end before what they announce.
var errCut = errors.New("cut-off BTF")

// Types are those of one kernel, by number from 1 on, and their names.
type Types struct {
	types   []byte
	strings []byte
}

// Type is one of them. Its name and members are as of the Types that gave it.
type Type struct {
	Kind int
	name uint32
	bits bool   // offsets of members carry the sizes of bit fields
	rest []byte // what follows the common part
}

// Parse checks the header. The Types keep b.
func Parse(b []byte) (*Types, error) {
	if len(b) < headerLen {
		return nil, errCut
	}
	if order.Uint16(b) != magic || b[2] != 1 {
		return nil, errors.New("not BTF of version 1 of this machine")
	}
	word := func(at int) uint64 { return uint64(order.Uint32(b[at:])) }
	head := word(4)
	section := func(at int) []byte {
		from := head + word(at)
		to := from + word(at+4)
		if to > uint64(len(b)) {
			return nil
		}
		return b[from:to]
	}
	t := &Types{types: section(8), strings: section(16)}
	if t.types == nil || t.strings == nil {
		return nil, errCut
	}
	return t, nil
}

// All gives the types in the order of their numbers. It ends with an error at
// one that is cut off or of a kind that this package does not know: where the
// next one begins is unknown then.
func (t *Types) All() iter.Seq2[Type, error] {
	return func(yield func(Type, error) bool) {
		for b := t.types; len(b) > 0; {
			typ, size, err := t.first(b)
			if err != nil {
				yield(Type{}, err)
				return
			}
			if !yield(typ, nil) {
				return
			}
			b = b[size:]
		}
	}
}

func (t *Types) first(b []byte) (Type, int, error) {
	if len(b) < typeLen {
		return Type{}, 0, errCut
	}
	info := order.Uint32(b[4:])
	typ := Type{Kind: int(info >> 24 & 31), name: order.Uint32(b), bits: info>>31 != 0}
	more, ok := following(typ.Kind, int(info&0xffff))
	if !ok {
		return typ, 0, fmt.Errorf("BTF kind %d is not known", typ.Kind)
	}
	if typeLen+more > len(b) {
		return typ, 0, errCut
	}
	typ.rest = b[typeLen : typeLen+more]
	return typ, typeLen + more, nil
}

// following is how many bytes follow the common part of a type (btf.rst, 2.2).
func following(kind, n int) (int, bool) {
	switch kind {
	case 2, 7, 8, 9, 10, 11, 12, 16, 18: // pointer, forward, typedef, qualifiers, function, float, type tag
		return 0, true
	case 1, 14, 17: // integer, variable, declaration tag
		return 4, true
	case 3: // array
		return 12, true
	case 4, 5, 15, 19: // struct, union, section, enum of 64 bits
		return 12 * n, true
	case 6, 13: // enum, prototype
		return 8 * n, true
	}
	return 0, false
}

// Named reports whether that is the name of the type.
func (t *Types) Named(typ Type, name string) bool { return t.isString(typ.name, name) }

func (t *Types) isString(at uint32, s string) bool {
	if uint64(at) >= uint64(len(t.strings)) {
		return false
	}
	rest, ok := bytes.CutPrefix(t.strings[at:], []byte(s))
	return ok && len(rest) > 0 && rest[0] == 0
}

// Offset is where a member of a struct begins, in bytes. A bit field and what
// lies in a member without a name have none.
func (t *Types) Offset(typ Type, member string) (int, bool) {
	if typ.Kind != Struct {
		return 0, false
	}
	for m := typ.rest; len(m) >= memberLen; m = m[memberLen:] {
		if !t.isString(order.Uint32(m), member) {
			continue
		}
		bits := order.Uint32(m[8:])
		if typ.bits {
			if bits>>24 != 0 {
				return 0, false
			}
			bits &= 1<<24 - 1
		}
		return int(bits / 8), bits%8 == 0
	}
	return 0, false
}
