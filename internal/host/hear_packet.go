package host

import (
	"encoding/binary"
	"net/netip"
)

// Numbers of protocols and of IPv6's extension headers (RFC 791, 8200).
const (
	protoTCP       = 6
	extHopByHop    = 0
	extRouting     = 43
	extFragment    = 44
	extDestination = 60

	lenV4, lenV6, lenTCP = 20, 40, 20
)

// packet is a TCP segment with a payload. data is part of what was parsed.
type packet struct {
	src, dst netip.AddrPort
	seq      uint32
	data     []byte
}

// parsePacket reads a packet from the network header on, whole or cut at its
// end; ok is false for everything but a TCP segment with a payload.
func parsePacket(b []byte) (p packet, ok bool) {
	if len(b) == 0 {
		return p, false
	}
	var src, dst netip.Addr
	switch b[0] >> 4 {
	case 4:
		src, dst, b = parseV4(b)
	case 6:
		src, dst, b = parseV6(b)
	default:
		return p, false
	}
	if len(b) < lenTCP {
		return p, false
	}
	head := int(b[12]>>4) * 4
	if head < lenTCP || head >= len(b) {
		return p, false
	}
	p.src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(b))
	p.dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:]))
	p.seq, p.data = binary.BigEndian.Uint32(b[4:]), b[head:]
	return p, true
}

// parseV4 gives the addresses and the TCP header with what follows; nothing
// when there is none.
func parseV4(b []byte) (src, dst netip.Addr, tcp []byte) {
	if len(b) < lenV4 {
		return src, dst, nil
	}
	head := int(b[0]&0xf) * 4
	whole := int(binary.BigEndian.Uint16(b[2:])) // 0 of what the card cuts up (TSO)
	later := binary.BigEndian.Uint16(b[6:])&0x1fff != 0
	if b[9] != protoTCP || later || head < lenV4 || head > len(b) {
		return src, dst, nil
	}
	if whole >= head {
		b = b[:min(whole, len(b))]
	}
	return netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), b[head:]
}

func parseV6(b []byte) (src, dst netip.Addr, tcp []byte) {
	if len(b) < lenV6 {
		return src, dst, nil
	}
	if n := int(binary.BigEndian.Uint16(b[4:])); n > 0 { // 0 of a jumbogram
		b = b[:min(lenV6+n, len(b))]
	}
	next, rest := b[6], b[lenV6:]
	for next == extHopByHop || next == extRouting || next == extDestination || next == extFragment {
		if len(rest) < 8 {
			return src, dst, nil
		}
		n := 8
		switch {
		case next != extFragment:
			n += int(rest[1]) * 8
		case binary.BigEndian.Uint16(rest[2:])>>3 != 0:
			return src, dst, nil // a later fragment
		}
		if n > len(rest) {
			return src, dst, nil
		}
		next, rest = rest[0], rest[n:]
	}
	if next != protoTCP {
		return src, dst, nil
	}
	return netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40])), rest
}

// plainPair has the addresses as packets have them: a socket of both families
// names those of IPv4 in the form of IPv6.
func plainPair(p Pair) Pair {
	plain := func(a netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	}
	return Pair{plain(p.Local), plain(p.Peer)}
}
