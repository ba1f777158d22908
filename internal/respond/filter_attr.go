package respond

import (
	"encoding/binary"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// attribute is one netlink attribute, its type without flags.
type attribute struct {
	typ  uint16
	data []byte
}

type attributes []attribute

// attrsOf cuts the attributes of a message of nf_tables.
func attrsOf(m netlink.Message) attributes {
	if len(m.Data) < 4 {
		return nil
	}
	return cutAttrs(m.Data[4:])
}

// cutAttrs stops at what is cut off.
func cutAttrs(b []byte) attributes { return appendAttrs(nil, b) }

func appendAttrs(out attributes, b []byte) attributes {
	for len(b) >= unix.SizeofNlAttr {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofNlAttr || n > len(b) {
			return out
		}
		out = append(out, attribute{binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER), b[unix.SizeofNlAttr:n]})
		b = b[min((n+3)&^3, len(b)):]
	}
	return out
}

func (a attributes) get(typ uint16) []byte {
	for _, x := range a {
		if x.typ == typ {
			return x.data
		}
	}
	return nil
}

// text is an attribute that ends with a NUL.
func (a attributes) text(typ uint16) string {
	b := a.get(typ)
	if n := len(b); n > 0 && b[n-1] == 0 {
		b = b[:n-1]
	}
	return string(b)
}

// only gives the attributes of some types as bytes, as they were.
func (a attributes) only(types ...uint16) []byte {
	var out []byte
	for _, x := range a {
		for _, t := range types {
			if x.typ == t {
				out = append(out, attr(t, x.data)...)
			}
		}
	}
	return out
}

// attr is one attribute, padded.
func attr(typ uint16, data []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofNlAttr+len(data)))
	b = append(binary.NativeEndian.AppendUint16(b, typ), data...)
	return append(b, make([]byte, -len(b)&3)...)
}

func nest(typ uint16, data ...[]byte) []byte {
	var all []byte
	for _, d := range data {
		all = append(all, d...)
	}
	return attr(typ|unix.NLA_F_NESTED, all)
}

func textAttr(typ uint16, s string) []byte { return attr(typ, append([]byte(s), 0)) }

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func native32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
