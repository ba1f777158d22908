package host

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
)

// pairFilter lets TCP segments with a payload of these connections pass, in
// both directions, cut to snapLen. It reads from the network header on, as a
// SOCK_DGRAM packet socket shows it. Of IPv6 addresses it compares the last
// four bytes, and lets pass what has extension headers: the reader looks again.
func pairFilter(pairs []Pair) []bpf.Instruction {
	v4, v6 := startV4, startV6
	for _, p := range pairs {
		if p.Local.Addr().Is4() {
			v4 = append(v4[:len(v4):len(v4)], matchPair(p, 12, 16)...)
		} else {
			v6 = append(v6[:len(v6):len(v6)], matchPair(p, 20, 36)...)
		}
	}
	if len(v6) == len(startV6) {
		v6 = nil
	}
	v6 = append(v6[:len(v6):len(v6)], nothing)
	out := []bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4}, // version
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 6, SkipTrue: 1},
		bpf.Jump{Skip: uint32(len(v6))},
	}
	return append(append(append(out, v6...), v4...), nothing)
}

var (
	nothing = bpf.RetConstant{Val: 0}
	all     = bpf.RetConstant{Val: snapLen}
)

// startV4: TCP, not a later fragment, with a payload. X is then where the TCP
// header begins.
var startV4 = append(append([]bpf.Instruction{
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 4, SkipTrue: 1},
	nothing,
	bpf.LoadAbsolute{Off: 9, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoTCP, SkipTrue: 1},
	nothing,
	bpf.LoadAbsolute{Off: 6, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: 0x1fff, SkipTrue: 1},
	nothing,
	bpf.LoadMemShift{Off: 0},
}, withPayload...), bpf.LoadMemShift{Off: 0})

var startV6 = append(append([]bpf.Instruction{
	bpf.LoadAbsolute{Off: 6, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoTCP, SkipTrue: 5},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: extHopByHop, SkipTrue: 3},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: extRouting, SkipTrue: 2},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: extDestination, SkipTrue: 1},
	nothing,
	all,
	bpf.LoadConstant{Dst: bpf.RegX, Val: lenV6},
}, withPayload...), bpf.LoadConstant{Dst: bpf.RegX, Val: lenV6})

// withPayload: the packet is longer than its headers. X is where the TCP header
// begins, and is changed. A frame that was filled up passes too.
var withPayload = []bpf.Instruction{
	bpf.LoadIndirect{Off: 12, Size: 1},
	bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0},
	bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 2},
	bpf.ALUOpX{Op: bpf.ALUOpAdd},
	bpf.TAX{},
	bpf.LoadExtension{Num: bpf.ExtLen},
	bpf.JumpIfX{Cond: bpf.JumpGreaterThan, SkipTrue: 1},
	nothing,
}

// matchPair lets both directions of a connection pass; src and dst are where
// the last four bytes of the addresses stand.
func matchPair(p Pair, src, dst uint32) []bpf.Instruction {
	return append(matchWay(p.Local, p.Peer, src, dst), matchWay(p.Peer, p.Local, src, dst)...)
}

func matchWay(from, to netip.AddrPort, src, dst uint32) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadIndirect{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(from.Port())<<16 | uint32(to.Port()), SkipFalse: 5},
		bpf.LoadAbsolute{Off: src, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: lastWord(from.Addr()), SkipFalse: 3},
		bpf.LoadAbsolute{Off: dst, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: lastWord(to.Addr()), SkipFalse: 1},
		all,
	}
}

func lastWord(a netip.Addr) uint32 {
	b := a.AsSlice()
	return binary.BigEndian.Uint32(b[len(b)-4:])
}
