package xtables

import (
	"net/netip"
	"strings"
	"time"
)

// Criteria are what a rule made here matches; none match everything.
type Criteria struct {
	Proto string       // tcp, udp; empty: any
	DPort uint16       // with Proto
	Src   netip.Prefix // of the table's family
	In    string       // interface; a trailing * is a prefix

	Mark        uint32    // all of these bits are set in the packet's mark; 0: any
	Unmarked    uint32    // none of these
	NotLocal    bool      // it is not for an address of this host
	Established bool      // of a connection that is
	Until       time.Time // by the wall clock of this host, to the second and with it; zero: always
	List        string    // a list of "recent" has the address of all zeros: see ListInfo
	Comment     string    // for people, at most 255 bytes
}

// Verdict is that of a standard target.
type Verdict int32

// NF_DROP, NF_ACCEPT and XT_RETURN as the kernel writes them.
const (
	Drop   Verdict = -1
	Accept Verdict = -2
	Return Verdict = verdictReturn
	// Jump is for an Entry with the name of a chain.
	Jump Verdict = 0
)

// maxChainName is XT_EXTENSION_MAXNAMELEN without the NUL.
const maxChainName = 28

const (
	standardTarget = 40 // struct xt_standard_target, padded
	errorTarget    = 64 // struct xt_error_target, padded
	portMatch      = 48 // struct xt_entry_match and xt_tcp or xt_udp, padded
)

// NewEntry makes a rule of a family.
func NewEntry(family string, m Criteria, v Verdict) Entry {
	return newEntry(family, m, newPart("", 0, order.AppendUint32(nil, uint32(v)), standardTarget))
}

// NewMark makes a rule that changes the mark to mark &^ mask ^ value and goes on.
func NewMark(family string, m Criteria, value, mask uint32) Entry {
	info := order.AppendUint32(order.AppendUint32(nil, value), mask) // struct xt_mark_tginfo2
	return newEntry(family, m, newPart("MARK", 2, info, 0))
}

func newEntry(family string, m Criteria, target []byte) Entry {
	l := layouts[family]
	b := make([]byte, l.head)
	m.head(l, b)
	b = append(b, m.matches()...)
	order.PutUint16(b[l.ip+4:], uint16(len(b)))
	b = append(b, target...)
	order.PutUint16(b[l.ip+6:], uint16(len(b)))
	return Entry{Bytes: b}
}

// matches are those of a rule, what costs least first: the kernel asks them in
// their order.
func (m Criteria) matches() []byte {
	b := m.ports()
	if m.Mark != 0 {
		b = append(b, newMatch("mark", 1, MarkInfo(m.Mark))...)
	}
	if m.Unmarked != 0 {
		b = append(b, newMatch("mark", 1, markInfo(0, m.Unmarked))...)
	}
	if m.NotLocal {
		b = append(b, newMatch("addrtype", 1, notLocal())...)
	}
	if m.Established {
		b = append(b, newMatch("conntrack", 3, established())...)
	}
	if !m.Until.IsZero() {
		b = append(b, newMatch("time", 0, untilInfo(m.Until))...)
	}
	if m.List != "" {
		b = append(b, newMatch("recent", 1, ListInfo(m.List))...)
	}
	if m.Comment != "" {
		b = append(b, newMatch("comment", 0, CommentInfo(m.Comment))...)
	}
	return b
}

// head fills struct ipt_ip or ip6t_ip6.
func (m Criteria) head(l layout, b []byte) {
	if m.Src.IsValid() && m.Src.Addr().BitLen() == l.addr*8 {
		copy(b, m.Src.Masked().Addr().AsSlice())
		for i := range m.Src.Bits() {
			b[2*l.addr+i/8] |= 0x80 >> (i % 8)
		}
	}
	if m.In != "" {
		name, prefix := strings.CutSuffix(m.In, "*")
		name = name[:min(len(name), 15)]
		copy(b[4*l.addr:], name)
		n := len(name) + 1 // with its NUL
		if prefix {
			n--
		}
		for i := range n {
			b[4*l.addr+32+i] = 0xff
		}
	}
	if p := protoNumber[m.Proto]; p != 0 {
		order.PutUint16(b[l.proto:], p)
		if l.addr == 16 {
			b[l.flags] |= 0x01 // IP6T_F_PROTO
		}
	}
}

var protoNumber = map[string]uint16{"tcp": 6, "udp": 17}

// ports is the match "tcp" or "udp" with a destination port.
func (m Criteria) ports() []byte {
	if protoNumber[m.Proto] == 0 {
		return nil
	}
	b := make([]byte, portMatch-partHead)
	order.PutUint16(b[2:], 65535) // source ports 0 to 65535
	order.PutUint16(b[4:], m.DPort)
	order.PutUint16(b[6:], m.DPort)
	return newMatch(m.Proto, 0, b)
}

// newMatch is a struct xt_entry_match.
func newMatch(name string, revision byte, info []byte) []byte {
	return newPart(name, revision, info, 0)
}

// newPart is a struct xt_entry_match or xt_entry_target with its own structure,
// padded to XT_ALIGN or to a size.
func newPart(name string, revision byte, info []byte, size int) []byte {
	b := make([]byte, max(size, partHead+(len(info)+7)&^7))
	order.PutUint16(b, uint16(len(b)))
	copy(b[2:], name)
	b[partHead-1] = revision
	copy(b[partHead:], info)
	return b
}

// MarkInfo is struct xt_mark_mtinfo1, padded: all of these bits are set.
func MarkInfo(mark uint32) []byte { return markInfo(mark, mark) }

func markInfo(value, mask uint32) []byte {
	b := make([]byte, 16)
	order.PutUint32(b, value)
	order.PutUint32(b[4:], mask)
	return b
}

// notLocal is struct xt_addrtype_info_v1 with XT_ADDRTYPE_LOCAL, inverted.
func notLocal() []byte {
	b := make([]byte, 8)
	order.PutUint16(b[2:], 1<<2)
	order.PutUint32(b[4:], 1<<1)
	return b
}

// established is struct xt_conntrack_mtinfo3 with the state alone.
func established() []byte {
	b := make([]byte, 164)
	order.PutUint16(b[ctFlagsAt:], ctState)
	order.PutUint16(b[ctFlagsAt+4:], 1<<1)
	return b
}

// untilInfo is struct xt_time_info: every day and hour until date_stop, in UTC.
func untilInfo(end time.Time) []byte {
	b := make([]byte, timeInfo)
	order.PutUint32(b[4:], uint32(end.Unix()))
	order.PutUint32(b[12:], maxDaytime)
	order.PutUint32(b[16:], allMonthdays)
	b[20] = allWeekdays
	return b
}

// ListInfo is struct xt_recent_mtinfo_v1 under a mask of no bits: it matches every
// packet or none. Lists begin empty, and nothing saves them.
func ListInfo(name string) []byte {
	b := make([]byte, 228)
	b[8] = 1 << 0 // XT_RECENT_CHECK
	copy(b[10:209], name)
	return b
}

// CommentInfo is struct xt_comment_info.
func CommentInfo(text string) []byte {
	b := make([]byte, 256)
	copy(b[:255], text)
	return b
}

// errorEntry is the entry before a user chain, which carries its name.
func errorEntry(family, name string) []byte {
	l := layouts[family]
	b := make([]byte, l.head+errorTarget)
	order.PutUint16(b[l.ip+4:], uint16(l.head))
	order.PutUint16(b[l.ip+6:], uint16(len(b)))
	order.PutUint16(b[l.head:], errorTarget)
	copy(b[l.head+2:], "ERROR")
	copy(b[l.head+partHead:], name)
	return b
}
