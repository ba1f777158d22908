package xtables

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"demine/internal/fact"
)

// AllMark is every bit of a mark.
const AllMark = 0xffffffff

// NarrowMark adds a condition on the mark to what r asks for. A condition on one
// bit never has Not, so that it can be put together with others.
func NarrowMark(r *fact.Rule, m fact.Mark) {
	if m.Not && bits.OnesCount32(m.Mask) == 1 && m.Value&^m.Mask == 0 {
		m.Value, m.Not = m.Value^m.Mask, false
	}
	have := r.Mark
	switch {
	case m.Value&^m.Mask != 0 || m.Mask == 0: // nothing under a mask has bits outside of it
		if m.Not == (m.Value == 0) {
			Never(r)
		}
	case have.Mask == 0:
		r.Mark = m
	case have == m:
	case have.Not || m.Not:
		Doubt(r, "mark")
	case (have.Value^m.Value)&have.Mask&m.Mask != 0:
		Never(r)
	default:
		r.Mark = fact.Mark{Value: have.Value | m.Value, Mask: have.Mask | m.Mask}
	}
}

// SetMark adds "mark = mark &^ Mask ^ Value" to what r does.
func SetMark(r *fact.Rule, m fact.Mark) { r.SetMark = Marked(r.SetMark, m) }

// Marked is what two changes of a mark do together, the second after the first.
func Marked(a, b fact.Mark) fact.Mark {
	if (a.Unclear || b.Unclear) && a != (fact.Mark{}) && b != (fact.Mark{}) {
		return fact.Mark{Mask: a.Mask | a.Value | b.Mask | b.Value, Unclear: true}
	}
	return fact.Mark{Mask: a.Mask | b.Mask, Value: a.Value&^b.Mask ^ b.Value, Unclear: a.Unclear || b.Unclear}
}

// readMark reads struct xt_mark_info (revision 0, of longs) and xt_mark_mtinfo1.
func readMark(rev uint8, b []byte, r *fact.Rule) {
	m := fact.Mark{Value: order.Uint32(b), Mask: order.Uint32(b[4:]), Not: b[8] != 0}
	if rev == 0 {
		m = fact.Mark{Value: long(b), Mask: long(b[8:]), Not: b[16] != 0}
	}
	say(r, "-m mark %s--mark %s", bang(m.Not), MarkText(m.Value, m.Mask))
	NarrowMark(r, m)
}

// long is an unsigned long of the kernel, whose upper half no mark has.
func long(b []byte) uint32 { return uint32(binary.NativeEndian.Uint64(b)) }

// MarkText is a mark as iptables-save writes it for the match.
func MarkText(mark, mask uint32) string {
	if mask == AllMark {
		return fmt.Sprintf("0x%x", mark)
	}
	return fmt.Sprintf("0x%x/0x%x", mark, mask)
}

// ParseMark reads "0x10", "16" and "0x10/0xff".
func ParseMark(s string) (mark, mask uint32, ok bool) {
	value, under, masked := strings.Cut(s, "/")
	mark, ok = ParseBits(value)
	if mask = AllMark; masked && ok {
		mask, ok = ParseBits(under)
	}
	return mark, mask, ok
}

// ParseBits reads a number of 32 bits as the tools do: also 0x10 and 020.
func ParseBits(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 0, 32)
	return uint32(n), err == nil
}

// mark reads struct xt_mark_target_info (revisions 0 and 1, where a mode of 1 is
// and, of 2 is or) and xt_mark_tginfo2.
func mark(rev uint8, b []byte, r *fact.Rule) {
	m := fact.Mark{Mask: AllMark, Unclear: true}
	switch {
	case rev == 2 && len(b) >= 8:
		m = fact.Mark{Value: order.Uint32(b), Mask: order.Uint32(b[4:])}
	case rev == 0 && len(b) >= 8, rev == 1 && len(b) >= 9 && b[8] == 0:
		m = fact.Mark{Value: long(b), Mask: AllMark}
	case rev == 1 && len(b) >= 9 && b[8] == 1:
		m = fact.Mark{Mask: ^long(b)}
	case rev == 1 && len(b) >= 9 && b[8] == 2:
		m = fact.Mark{Value: long(b), Mask: long(b)}
	}
	if !m.Unclear {
		say(r, "--set-xmark 0x%x/0x%x", m.Value, m.Mask)
	}
	SetMark(r, m)
}

// connmark reads struct xt_connmark_tginfo1 and 2: a mode of 1 gives the connection
// the mark of the packet, one of 2 the packet that of its connection, which is not
// followed.
func connmark(rev uint8, b []byte, r *fact.Rule) {
	m := fact.Mark{Mask: AllMark, Unclear: true}
	switch {
	case rev == 1 && len(b) >= 13 && b[12] == 1, rev == 2 && len(b) >= 15 && b[14] == 1:
		r.Saves = order.Uint32(b[8:])
		say(r, "--save-mark --nfmask 0x%x --ctmask 0x%x", r.Saves, order.Uint32(b[4:]))
		return
	case rev == 1 && len(b) >= 13 && b[12] != 2, rev == 2 && len(b) >= 15 && b[14] != 2:
		return
	case rev == 1 && len(b) >= 13:
		m.Mask = order.Uint32(b[4:]) | order.Uint32(b[8:])
		say(r, "--restore-mark --nfmask 0x%x --ctmask 0x%x", order.Uint32(b[8:]), order.Uint32(b[4:]))
	}
	SetMark(r, m)
}

// unclearMark is a target that gives a mark that is not followed.
func unclearMark(_ uint8, _ []byte, r *fact.Rule) {
	SetMark(r, fact.Mark{Mask: AllMark, Unclear: true})
}

// setTarget reads struct xt_set_info_target_v3, whose third set (none: 65535)
// may give the packet a mark.
func setTarget(rev uint8, b []byte, r *fact.Rule) {
	if rev >= 3 && len(b) >= 12 && order.Uint16(b[8:]) != 65535 {
		unclearMark(rev, b, r)
	}
}
