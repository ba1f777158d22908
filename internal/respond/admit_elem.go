package respond

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// elementComment is NFTNL_UDATA_SET_ELEM_COMMENT of libnftnl/udata.h.
const elementComment userdata.Type = 0

// The types of nft's user space (enum datatypes of datatype.h), six bits each in
// the type of a key.
const (
	typeIPv4Addr, typeIPv6Addr     = 7, 8
	typeInetProto, typeInetService = 12, 13
	typeBits                       = 6
)

// elementsAtOnce is how many go into one message: an attribute has at most
// 64 KiB and an element not more than 400 bytes.
const elementsAtOnce = 100

// key is what identifies an element.
type key struct {
	from  netip.Prefix
	proto string
	port  int
}

func (a Admission) key() key { return key{a.From, a.Proto, a.Port} }

// bytes are the registers that it is compared with.
func (k key) bytes() []byte {
	return append(k.from.Addr().AsSlice(), service{k.proto, k.port}.bytes()...)
}

// elements makes the sets and changes in them what is not as it was: an element
// that gets another time goes and comes in the same transaction.
func (b *nftBatch) elements(prefix string, have, want []Admission) {
	have, want = unlike(have, want)
	for _, f := range formsOf(want) {
		b.set(f, prefix)
	}
	was, is := map[key]Admission{}, map[key]Admission{}
	for _, a := range have {
		was[a.key()] = a
	}
	for _, a := range want {
		is[a.key()] = a
	}
	same := func(a Admission) bool { return was[a.key()] == is[a.key()] }
	gone := slices.DeleteFunc(slices.Clone(have), same)
	come := slices.DeleteFunc(slices.Clone(want), same)
	b.each(gone, prefix, func(set string, list []byte) { b.elems(unix.NFT_MSG_DELSETELEM, 0, set, list) }, false)
	b.each(come, prefix, func(set string, list []byte) { b.elems(unix.NFT_MSG_NEWSETELEM, netlink.Create, set, list) }, true)
}

// unlike leaves out what both begin and end with: most elements are as they were,
// in the same order, and so are their sets.
func unlike(a, b []Admission) ([]Admission, []Admission) {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}

// each calls f with the elements of each set, not too many at once.
func (b *nftBatch) each(as []Admission, prefix string, f func(set string, list []byte), whole bool) {
	for _, form := range formsOf(as) {
		of := slices.DeleteFunc(slices.Clone(as), func(a Admission) bool { return a.form() != form })
		for some := range slices.Chunk(of, elementsAtOnce) {
			var list []byte
			for _, a := range some {
				list = append(list, a.element(whole)...)
			}
			f(form.set(prefix), list)
		}
	}
}

func (b *nftBatch) elems(typ int, flags netlink.HeaderFlags, set string, list []byte) {
	b.add(typ, flags, textAttr(unix.NFTA_SET_ELEM_LIST_TABLE, b.table), textAttr(unix.NFTA_SET_ELEM_LIST_SET, set),
		nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS, list))
}

// element is its attributes, with its time and its comment unless only the key
// is asked for.
func (a Admission) element(whole bool) []byte {
	out := nest(unix.NFTA_SET_ELEM_KEY, attr(unix.NFTA_DATA_VALUE, a.key().bytes()))
	if whole && a.Left > 0 {
		out = append(out, attr(unix.NFTA_SET_ELEM_TIMEOUT, be64(uint64(a.Left.Milliseconds())))...)
	}
	if whole {
		out = append(out, attr(unix.NFTA_SET_ELEM_USERDATA, userdata.AppendString(nil, elementComment, a.Lease))...)
	}
	return nest(unix.NFTA_LIST_ELEM, out)
}

// set makes a set; those for cuts have no timeouts.
func (b *nftBatch) set(f form, prefix string) {
	kind, size := uint32(typeIPv4Addr), uint32(4)
	if f.v6 {
		kind, size = typeIPv6Addr, 16
	}
	kind = (kind<<typeBits|typeInetProto)<<typeBits | typeInetService
	flags := uint32(unix.NFT_SET_TIMEOUT)
	if prefix != "" {
		flags = 0
	}
	b.newSet(f.set(prefix), flags, kind, size+8)
}

func (b *nftBatch) newSet(name string, flags, kind, size uint32) {
	b.add(unix.NFT_MSG_NEWSET, netlink.Create,
		textAttr(unix.NFTA_SET_TABLE, b.table), textAttr(unix.NFTA_SET_NAME, name),
		attr(unix.NFTA_SET_FLAGS, be32(flags)), attr(unix.NFTA_SET_KEY_TYPE, be32(kind)), attr(unix.NFTA_SET_KEY_LEN, be32(size)),
		attr(unix.NFTA_SET_ID, be32(uint32(len(b.out))))) // any number that no other set of the batch has
}

// admissionOf reads an element of a set of a form; false when it is of no shape
// that demine gives it.
func admissionOf(f form, element attributes) (Admission, bool) {
	b, size := cutAttrs(element.get(unix.NFTA_SET_ELEM_KEY)).get(unix.NFTA_DATA_VALUE), 4
	if f.v6 {
		size = 16
	}
	if len(b) != size+8 {
		return Admission{}, false
	}
	addr, _ := netip.AddrFromSlice(b[:size])
	to, ok := serviceOf(b[size:])
	if !ok {
		return Admission{}, false
	}
	a := Admission{From: netip.PrefixFrom(addr, f.bits), Proto: to.proto, Port: to.port}
	a.Lease = commentOf(element.get(unix.NFTA_SET_ELEM_USERDATA))
	if v := element.get(unix.NFTA_SET_ELEM_EXPIRATION); len(v) == 8 {
		a.Left = time.Duration(min(binary.BigEndian.Uint64(v), 1<<40)) * time.Millisecond
	}
	return a, true
}

// commentOf reads what user space has written to an element: type, length and
// value, again and again.
func commentOf(b []byte) string {
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		v := b[2 : 2+int(b[1])]
		if b[0] == byte(elementComment) {
			return string(bytes.TrimSuffix(v, []byte{0}))
		}
		b = b[2+len(v):]
	}
	return ""
}
