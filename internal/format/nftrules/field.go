package nftrules

import (
	"fmt"
	"net/netip"
	"strings"

	"demine/internal/fact"
)

// kind is what a register was loaded with, as far as fact.Rule can say it.
type kind int

const (
	unknown kind = iota
	constant
	saddr
	daddr
	sport
	dport
	l4proto
	nfproto
	etherType
	iifname
	oifname
	iif
	oif
	ctState
	fibType
	fibRoute
	pktType
	tcpFlags
	markField
	wallTime
)

// value is the content of a register: a field of the packet, perhaps masked, or
// a constant.
type value struct {
	kind    kind
	text    string    // in nft syntax: "tcp dport", "meta mark"
	size    int       // bytes loaded
	v6      bool      // of an address
	mask    []byte    // after a bitwise and; nil: the whole field
	data    []byte    // of a constant
	ordered bool      // in network order
	mark    fact.Mark // what was done to the mark since it was loaded
}

// metaFields are NFT_META_*.
var metaFields = map[uint32]value{
	1: {kind: etherType, text: "meta protocol", size: 2}, 3: {kind: markField, text: "meta mark", size: 4},
	4: {kind: iif, text: "iif", size: 4}, 5: {kind: oif, text: "oif", size: 4},
	6: {kind: iifname, text: "iifname", size: 16}, 7: {kind: oifname, text: "oifname", size: 16},
	15: {kind: nfproto, text: "meta nfproto", size: 1}, 16: {kind: l4proto, text: "meta l4proto", size: 1},
	17: {text: "meta ibrname", size: 16}, 18: {text: "meta obrname", size: 16}, 19: {kind: pktType, text: "meta pkttype", size: 1},
	0: {text: "meta length", size: 4}, 2: {text: "meta priority", size: 4}, 8: {text: "iiftype", size: 2}, 10: {text: "meta skuid", size: 4},
	11: {text: "meta skgid", size: 4}, 20: {text: "meta cpu", size: 4}, 21: {text: "iifgroup", size: 4}, 23: {text: "meta cgroup", size: 4},
	24: {text: "meta random", size: 4}, 25: {text: "meta secpath", size: 1}, 30: {kind: wallTime, text: "meta time", size: 8}, 31: {text: "meta day", size: 1},
	32: {text: "meta hour", size: 4},
}

// ctFields are NFT_CT_*.
var ctFields = map[uint32]value{0: {kind: ctState, text: "ct state", size: 4}, 1: {text: "ct direction", size: 1},
	2: {text: "ct status", size: 4}, 3: {text: "ct mark", size: 4}, 6: {text: "ct helper", size: 16}, 14: {text: "ct packets", size: 8},
	15: {text: "ct bytes", size: 8}, 17: {text: "ct zone", size: 2}, 21: {text: "ct id", size: 4}}

// payloadField names bytes of a header. base is NFT_PAYLOAD_*: 1 the network
// header of family, 2 the transport header of proto.
func payloadField(base, off, size uint32, family, proto string) value {
	v := value{size: int(size), text: fmt.Sprintf("@%s,%d,%d", map[uint32]string{0: "ll", 1: "nh", 2: "th", 3: "ih"}[base], off*8, size*8)}
	switch {
	case base == 1 && family == "ip":
		v.ipField(off, size)
	case base == 1 && family == "ip6":
		v.ip6Field(off, size)
	case base == 2:
		v.transportField(off, size, proto)
	}
	return v
}

// ipField and ip6Field know the addresses, also their first bytes, which nft
// loads for prefixes of whole bytes.
func (v *value) ipField(off, size uint32) {
	switch {
	case off == 12 && size >= 1 && size <= 4:
		v.kind, v.text = saddr, "ip saddr"
	case off == 16 && size >= 1 && size <= 4:
		v.kind, v.text = daddr, "ip daddr"
	case off == 9 && size == 1:
		v.kind, v.text = l4proto, "ip protocol"
	}
}

func (v *value) ip6Field(off, size uint32) {
	v.v6 = true
	switch {
	case off == 8 && size >= 1 && size <= 16:
		v.kind, v.text = saddr, "ip6 saddr"
	case off == 24 && size >= 1 && size <= 16:
		v.kind, v.text = daddr, "ip6 daddr"
	case off == 6 && size == 1:
		v.text = "ip6 nexthdr"
	}
}

func (v *value) transportField(off, size uint32, proto string) {
	name := proto
	switch proto {
	case "tcp", "udp", "icmp", "icmpv6":
	default:
		name = "th"
	}
	switch {
	case strings.HasPrefix(proto, "icmp") && off == 0 && size == 1:
		v.text = name + " type"
	case strings.HasPrefix(proto, "icmp"):
	case off == 0 && size == 2:
		v.kind, v.text = sport, name+" sport"
	case off == 2 && size == 2:
		v.kind, v.text = dport, name+" dport"
	case off == 13 && size == 1 && proto == "tcp":
		v.kind, v.text = tcpFlags, "tcp flags"
	}
}

// span is a set of values of a field: from…to, both in it, in network order.
// prefix marks the name of an interface that may go on.
type span struct{ from, to []byte }

func one(b []byte) []span { return []span{{b, b}} }

// ports reads spans of two bytes.
func ports(in []span) (out []fact.PortRange, ok bool) {
	for _, s := range in {
		if len(s.from) != 2 || len(s.to) != 2 {
			return nil, false
		}
		out = append(out, fact.PortRange{From: be16(s.from), To: be16(s.to)})
	}
	return out, true
}

func be16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }

// addr makes an address of bytes that may be only its first ones; fill is what
// the rest is.
func addr(b []byte, v6 bool, fill byte) (netip.Addr, bool) {
	n := 4
	if v6 {
		n = 16
	}
	if len(b) > n || len(b) == 0 {
		return netip.Addr{}, false
	}
	full := make([]byte, n)
	for i := range full {
		full[i] = fill
	}
	copy(full, b)
	return netip.AddrFromSlice(full)
}

// maskBits is the length of a mask of leading ones.
func maskBits(mask []byte) (int, bool) {
	bits := 0
	for i := range len(mask) * 8 {
		if mask[i/8]&(0x80>>(i%8)) != 0 {
			if bits != i {
				return 0, false
			}
			bits++
		}
	}
	return bits, true
}
