package respond

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Of a packet is asked first whether it is for a port of any lease, in one set:
// most are for none, and must not pay for each length of prefix, the time of day
// and the question whose an address is. A port that stays there behind its leases
// costs time and lets nobody in.
const (
	portSet     = "ports"
	leasedChain = "leased" // where packets go that are for one of them
)

// service is a protocol and a port.
type service struct {
	proto string
	port  int
}

// bytes are the registers that it is compared with.
func (s service) bytes() []byte {
	proto := byte(unix.IPPROTO_TCP)
	if s.proto == "udp" {
		proto = unix.IPPROTO_UDP
	}
	return []byte{proto, 0, 0, 0, byte(s.port >> 8), byte(s.port), 0, 0}
}

func serviceOf(b []byte) (s service, ok bool) {
	if len(b) != 8 {
		return s, false
	}
	s.port = int(binary.BigEndian.Uint16(b[4:]))
	switch b[0] {
	case unix.IPPROTO_TCP:
		s.proto = "tcp"
	case unix.IPPROTO_UDP:
		s.proto = "udp"
	default:
		return s, false
	}
	return s, true
}

// servicesOf are those of some admissions, each once.
func servicesOf(as []Admission) (out []service) {
	for _, a := range as {
		out = append(out, service{a.Proto, a.Port})
	}
	slices.SortFunc(out, func(a, b service) int { return cmp.Or(cmp.Compare(a.proto, b.proto), a.port-b.port) })
	return slices.Compact(out)
}

// services makes the set, and changes in it what is not as it was.
func (b *nftBatch) services(have, want []service) {
	b.newSet(portSet, 0, typeInetProto<<typeBits|typeInetService, 8)
	less := func(from, what []service) (list [][]byte) {
		there := map[service]bool{}
		for _, s := range what {
			there[s] = true
		}
		for _, s := range from {
			if !there[s] {
				list = append(list, nest(unix.NFTA_LIST_ELEM, nest(unix.NFTA_SET_ELEM_KEY, attr(unix.NFTA_DATA_VALUE, s.bytes()))))
			}
		}
		return list
	}
	for some := range slices.Chunk(less(have, want), elementsAtOnce) {
		b.elems(unix.NFT_MSG_DELSETELEM, 0, portSet, slices.Concat(some...))
	}
	for some := range slices.Chunk(less(want, have), elementsAtOnce) {
		b.elems(unix.NFT_MSG_NEWSETELEM, netlink.Create, portSet, slices.Concat(some...))
	}
}

// toLeased goes on in the other chain with what is for one of the ports.
func toLeased() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Payload{DestRegister: 9, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}, // the four bytes behind NFT_REG_1's first
		&expr.Lookup{SourceRegister: 1, SetName: portSet},
		verdict(expr.VerdictJump, leasedChain),
	}
}
