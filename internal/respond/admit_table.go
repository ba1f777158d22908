package respond

import (
	"cmp"
	"fmt"
	"math/bits"
	"net"
	"slices"
	"time"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"demine/internal/relate"
)

// The table of leases. Its elements end by themselves; what is found in a set
// gets a bit of the mark, and a rule in the host's own chains lets that bit in.
//
//	table inet demine_lease {
//		set ip_24 {
//			type ipv4_addr . inet_proto . inet_service
//			flags timeout
//			elements = { 203.0.113.0 . tcp . 6380 timeout 8h comment "L-7Q2K" }
//		}
//		set ports {
//			type inet_proto . inet_service
//			elements = { tcp . 6380 }
//		}
//		chain leased {
//			meta time > "2026-11-23 18:00:00" accept
//			fib daddr type != local accept
//			ip saddr & 255.255.255.0 . meta l4proto . th dport @ip_24 meta mark set meta mark | 0x00000100
//		}
//		chain prerouting {
//			type filter hook prerouting priority dstnat - 10; policy accept;
//			meta mark set meta mark & 0xfffffeff
//			meta l4proto . th dport @ports jump leased
//		}
//		chain cut {
//			type filter hook prerouting priority dstnat - 9; policy accept;
//			fib daddr type != local accept
//			meta mark & 0x00000100 == 0 ct state established ip saddr . meta l4proto . th dport @cut_ip_32 drop
//		}
//	}
//
// The sets are hashes, one for each family and length of prefix: those with
// intervals are of Linux 5.6. The chain cut is one of its own, so that it still
// holds when the time of the first one is over, and is there only when one of
// its sets has elements. It does not ask for the direction of a connection: when
// its entry in conntrack is lost, the server's next packet begins one that runs
// the other way.
const (
	leaseTable    = relate.LeaseTable
	leaseChain    = "prerouting"
	leasePriority = relate.LeasePriority // behind conntrack (-200) and mangle (-150), before the destination is translated (-100)
	cutChain      = "cut"
	cutPriority   = leasePriority + 1
	metaTime      = expr.MetaKey(30) // NFT_META_TIME_NS
)

// leases is the table as it is or shall be.
type leases struct {
	there      bool
	mark       uint32
	until      time.Time // zero: without such an end
	admissions []Admission
	services   []service   // of which packets are looked at
	cut        []Admission // with Left 0
	cutting    bool        // the chain cut is there
}

// batch makes the messages after which the table is as l says instead of as
// have says.
func (l leases) batch(have leases) []netlink.Message {
	b := nftBatch{family: "inet", table: leaseTable}
	b.add(unix.NFT_MSG_NEWTABLE, netlink.Create, textAttr(unix.NFTA_TABLE_NAME, leaseTable))
	b.elements("", have.admissions, l.admissions)
	b.elements("cut_", have.cut, l.cut)
	b.services(have.services, servicesOf(l.admissions))
	b.chain(leasedChain)
	b.flush(leasedChain)
	if !l.until.IsZero() {
		b.rule(leasedChain, "", after(l.until)...)
	}
	b.rule(leasedChain, "", notLocal()...)
	for _, f := range formsOf(l.admissions) {
		b.rule(leasedChain, "", append(f.lookup(""), setMark(l.mark)...)...)
	}
	b.baseChain(leaseChain, unix.NF_INET_PRE_ROUTING, leasePriority)
	b.flush(leaseChain)
	b.rule(leaseChain, "", clearMark(l.mark)...)
	b.rule(leaseChain, "", toLeased()...)
	if have.cutting {
		b.flush(cutChain)
	}
	if len(l.cut) > 0 {
		b.baseChain(cutChain, unix.NF_INET_PRE_ROUTING, cutPriority)
		b.rule(cutChain, "", notLocal()...)
	} else if have.cutting {
		b.deleteChain(cutChain)
	}
	for _, f := range formsOf(l.cut) {
		drop := []expr.Any{verdict(expr.VerdictDrop, "")}
		b.rule(cutChain, "", slices.Concat(markIs(l.mark, 0), established(), f.lookup("cut_"), drop)...)
	}
	return b.out
}

// form is what the elements of one set have in common.
type form struct {
	v6   bool
	bits int
}

func (a Admission) form() form { return form{a.From.Addr().Is6(), a.From.Bits()} }

// formsOf are those of some admissions, each once, the longest prefix first.
func formsOf(as []Admission) (out []form) {
	for _, a := range as {
		if f := a.form(); !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b form) int { return cmp.Or(cmp.Compare(a.family(), b.family()), b.bits-a.bits) })
	return out
}

func (f form) family() string {
	if f.v6 {
		return "ip6"
	}
	return "ip"
}

// set is the name of the set.
func (f form) set(prefix string) string { return fmt.Sprintf("%s%s_%d", prefix, f.family(), f.bits) }

// lookup asks whether source . protocol . port is in the set. Registers of four
// bytes: the address is in NFT_REG_1 from the first one (number 8) on.
func (f form) lookup(prefix string) []expr.Any {
	offset, size, next := uint32(12), 4, uint32(9) // struct iphdr
	if f.v6 {
		offset, size, next = 8, 16, 12 // struct ipv6hdr
	}
	out := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal([]byte{familyNumbers[f.family()]}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(size)},
	}
	if f.bits < size*8 {
		out = append(out, masked(net.CIDRMask(f.bits, size*8), make([]byte, size)))
	}
	return append(out,
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: next},
		&expr.Payload{DestRegister: next + 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Lookup{SourceRegister: 1, SetName: f.set(prefix)})
}

// after accepts when the wall clock is behind an end (meta time, Linux 5.4). nft
// writes whole seconds.
func after(end time.Time) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: metaTime, Register: 1},
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 8, Size: 8},
		&expr.Cmp{Op: expr.CmpOpGt, Register: 1, Data: be64(uint64(wholeSecond(end).UnixNano()))},
		verdict(expr.VerdictAccept, ""),
	}
}

func wholeSecond(t time.Time) time.Time { return t.Add(time.Second - 1).Truncate(time.Second) }

// notLocal accepts what is not for an address of this host.
func notLocal() []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: native32(unix.RTN_LOCAL)},
		verdict(expr.VerdictAccept, ""),
	}
}

// clearMark takes the bit from whom something else gave it: a host that keeps
// marks with connections (CONNMARK) brings it back after the end.
func clearMark(bit uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		masked(native32(^bit), native32(0)),
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1},
	}
}

func setMark(bit uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		masked(native32(^bit), native32(bit)),
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1},
	}
}

// markIs asks whether mark & mask == value.
func markIs(mask, value uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		masked(native32(mask), native32(0)),
		equal(native32(value)),
	}
}

func established() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		masked(native32(expr.CtStateBitESTABLISHED), native32(0)),
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: native32(0)},
	}
}

// masked is register & mask ^ xor.
func masked(mask, xor []byte) expr.Any {
	return &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: uint32(len(mask)), Mask: mask, Xor: xor}
}

func oneBit(mark uint32) bool { return bits.OnesCount32(mark) == 1 }
