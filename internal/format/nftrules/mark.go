package nftrules

import (
	"encoding/binary"
	"fmt"
	"time"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// markMask is a register that holds the mark, changed by "& mask ^ xor".
func (v value) markMask(mask, xor []byte) value {
	if len(mask) != 4 || len(xor) != 4 {
		return value{text: v.text, size: v.size}
	}
	v.mark = xtables.Marked(v.mark, fact.Mark{Mask: ^binary.NativeEndian.Uint32(mask), Value: binary.NativeEndian.Uint32(xor)})
	return v
}

// compareMark is "mark == b" or "mark != b" of a register that may be masked.
func (m *machine) compareMark(v value, b []byte, not bool) {
	if len(b) != 4 {
		m.doubtOf(v, bang(not, "!="), fmt.Sprintf("0x%x", b))
		return
	}
	n := binary.NativeEndian.Uint32(b)
	keep := ^v.mark.Mask
	op := bang(not, "!= ")
	if v.mark != (fact.Mark{}) {
		op = map[bool]string{true: "!= ", false: "== "}[not]
	}
	m.say(word{nft: "meta mark " + changeText(v.mark) + op + fmt.Sprintf("0x%08x", n),
		ipt: "-m mark " + bang(not, "! ") + "--mark " + xtables.MarkText(n, keep)})
	m.each(func(r *fact.Rule) { xtables.NarrowMark(r, fact.Mark{Value: n ^ v.mark.Value, Mask: keep, Not: not}) })
}

// changeText is how nft writes the mask before a comparison.
func changeText(m fact.Mark) string {
	s := ""
	if m.Mask != 0 {
		s = fmt.Sprintf("& 0x%08x ", ^m.Mask)
	}
	if m.Value != 0 {
		s += fmt.Sprintf("^ 0x%08x ", m.Value)
	}
	return s
}

// setMark is "meta mark set" from a register: what is neither a constant nor the
// mark itself is not followed. Registers that hold the mark are of the past then.
func (m *machine) setMark(v value) {
	to := fact.Mark{Mask: xtables.AllMark, Unclear: true}
	switch {
	case v.kind == constant && len(v.data) == 4:
		to = fact.Mark{Mask: xtables.AllMark, Value: binary.NativeEndian.Uint32(v.data)}
	case v.kind == markField:
		to = v.mark
	}
	m.say(word{nft: "meta mark set " + setText(to, v), ipt: fmt.Sprintf("-j MARK --set-xmark 0x%x/0x%x", to.Value, to.Mask)})
	m.each(func(r *fact.Rule) { xtables.SetMark(r, to) })
	for k, r := range m.regs {
		if r.kind == markField {
			m.regs[k] = value{text: r.text, size: r.size}
		}
	}
}

// saveMark is "ct mark set" from a register: of one that holds the mark of the
// packet, those bits go to the connection that it still has as they came.
func (m *machine) saveMark(v value) {
	if v.kind != markField {
		return
	}
	m.say(word{nft: "ct mark set " + setText(v.mark, v)})
	m.each(func(r *fact.Rule) {
		if r.Saves |= ^v.mark.Mask; !r.SetMark.Unclear {
			r.Saves &^= r.SetMark.Mask
		}
	})
}

// setText writes a change as nft does.
func setText(m fact.Mark, v value) string {
	switch {
	case m.Unclear:
		return v.text
	case m.Mask == xtables.AllMark:
		return fmt.Sprintf("0x%08x", m.Value)
	case m.Value == m.Mask:
		return fmt.Sprintf("meta mark | 0x%08x", m.Value)
	case m.Value == 0:
		return fmt.Sprintf("meta mark & 0x%08x", ^m.Mask)
	case m.Mask == 0:
		return fmt.Sprintf("meta mark ^ 0x%08x", m.Value)
	case m.Value&^m.Mask == 0:
		return fmt.Sprintf("meta mark & 0x%08x | 0x%08x", ^m.Mask|m.Value, m.Value)
	}
	return fmt.Sprintf("meta mark & 0x%08x ^ 0x%08x", ^m.Mask, m.Value)
}

// noCondition are the expressions that cannot end a rule before its verdict; those
// that are not known may.
var noCondition = map[string]bool{"meta": true, "payload": true, "ct": true, "fib": true, "immediate": true, "bitwise": true,
	"counter": true, "log": true, "reject": true, "target": true, "nat": true, "redir": true, "masq": true, "tproxy": true,
	"queue": true, "notrack": true, "exthdr": true, "rt": true, "socket": true, "numgen": true, "hash": true, "osf": true,
	"xfrm": true, "tunnel": true, "byteorder": true, "last": true, "dup": true, "flow_offload": true}

// partMark is for a condition behind "meta mark set": the mark is given to those
// whom it excludes too, so that the rule becomes two.
func (m *machine) partMark(name string) {
	if noCondition[name] || !m.marks() {
		return
	}
	done := m.fork(2, func(i int, one []alt) {
		a := &one[0]
		if a.rule.Mark.Mask != 0 && a.rule.SetMark != (fact.Mark{}) { // it was asked for before it was changed
			a.rule.Mark = fact.Mark{}
			xtables.Doubt(&a.rule, "mark")
		}
		if i == 0 {
			a.decide(verdict{"continue", ""})
		} else {
			a.rule.SetMark = fact.Mark{}
		}
	})
	if !done {
		m.finish(verdict{"other", "mark"})
	}
}

// Mark adds "mark & mask is (not) one of values".
func (b *Builder) Mark(values []uint32, mask uint32, not bool) {
	b.m.partMark("")
	v := metaFields[metaMark]
	v.mark.Mask = ^mask
	var in []span
	for _, n := range values {
		in = append(in, one(binary.NativeEndian.AppendUint32(nil, n))...)
	}
	if len(in) == 1 {
		b.m.compareMark(v, in[0].from, not)
	} else {
		b.m.narrow(v, in, not, true, "")
	}
}

// SetMark adds "meta mark set".
func (b *Builder) SetMark(to fact.Mark) {
	b.m.each(func(r *fact.Rule) { xtables.SetMark(r, to) })
}

// marks reports whether a rule that has no verdict yet gives a mark.
func (m *machine) marks() bool {
	for i := range m.alts {
		if !m.alts[i].done && m.alts[i].rule.SetMark != (fact.Mark{}) {
			return true
		}
	}
	return false
}

// compareTime is "meta time > b" and its like, in nanoseconds of the wall clock.
// A whole second becomes a doubt that says it, "meta time > 1800000000".
func (m *machine) compareTime(v value, op uint32, b []byte) {
	words := []string{2: "<", 3: "<=", 4: ">", 5: ">="}
	if len(b) != 8 || op < 2 || op > 5 || binary.BigEndian.Uint64(b)%uint64(time.Second) != 0 {
		m.doubtOf(value{text: v.text}, "", fmt.Sprintf("0x%x", b))
		return
	}
	w := fmt.Sprintf("%s %s %d", v.text, words[op], binary.BigEndian.Uint64(b)/uint64(time.Second))
	m.say(word{nft: w})
	m.doubt(w)
}
