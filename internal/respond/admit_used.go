package respond

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Of linux/netfilter/nfnetlink_conntrack.h, nf_conntrack_common.h and
// nf_conntrack_tcp.h.
const (
	ctaStatus, ctaProtoInfo = 3, 4
	ctaTCP, ctaTCPState     = 1, 1
	ctSeenReply             = 1 << 1
	ctTCPEstablished        = 3
)

func (liveFilter) Used(_ context.Context, as []Admission) (map[string]int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	local, err := localAddrs()
	if err != nil {
		return nil, err
	}
	at := map[[2]int][]Admission{} // a thousand leases, a million connections
	for _, a := range as {
		k := [2]int{int(a.protoNumber()), a.Port}
		at[k] = append(at[k], a)
	}
	out, known := map[string]int{}, 0
	for _, v6 := range []bool{false, true} {
		err := connections(v6, func(c connection) {
			known++
			if !c.up || !local[c.orig.dst.Addr()] {
				return
			}
			for _, a := range at[[2]int{int(c.orig.proto), int(c.orig.dst.Port())}] {
				if a.From.Contains(c.orig.src.Addr()) {
					out[a.Lease]++
					return
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if known == 0 {
		return nil, fmt.Errorf("conntrack knows of no connection: %w", ErrUnavailable)
	}
	return out, nil
}

// established reports from the attributes of an entry whether a connection is one.
func (c connection) established(a attributes) bool {
	if c.orig.proto == unix.IPPROTO_TCP {
		s := cutAttrs(cutAttrs(a.get(ctaProtoInfo)).get(ctaTCP)).get(ctaTCPState)
		return len(s) == 1 && s[0] == ctTCPEstablished
	}
	s := a.get(ctaStatus)
	return len(s) == 4 && binary.BigEndian.Uint32(s)&ctSeenReply != 0
}
