package nftrules

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// step runs one expression. What it does not know is a doubt.
func (m *machine) step(e expression) {
	m.partMark(e.name)
	if f, ok := steps[e.name]; ok {
		f(m, e.at)
		return
	}
	name := e.name
	if name == "" {
		name = "?"
	}
	m.doubt(name)
	m.say(word{nft: name, ipt: "-m " + name})
}

var steps map[string]func(*machine, table)

func init() {
	steps = map[string]func(*machine, table){
		"meta": stepMeta, "payload": stepPayload, "ct": stepCT, "fib": stepFib, "immediate": stepImmediate,
		"bitwise": stepBitwise, "cmp": stepCmp, "range": stepRange, "lookup": stepLookup, "counter": stepCounter,
		"limit": stepLimit, "log": stepLog, "reject": stepReject, "match": stepMatch, "target": stepTarget,
		"nat": stepNAT, "redir": stepRedir, "masq": stepMasq, "tproxy": stepTProxy, "queue": stepQueue,
		"connlimit": stepConnlimit, "notrack": stepNotrack, "objref": stepObjref, "dynset": stepDynset,
		"exthdr": loader("exthdr", 1), "rt": loader("rt", 1), "socket": loader("socket", 2), "numgen": loader("numgen", 1),
		"hash": loader("hash", 2), "osf": loader("osf", 1), "xfrm": loader("ipsec", 1), "tunnel": loader("tunnel", 2),
		"byteorder": stepByteorder, "last": nothing, "dup": nothing, "flow_offload": nothing,
	}
}

func nothing(*machine, table) {}

// loader is an expression that loads the register of attribute dreg with
// something that no field can say.
func loader(text string, dreg uint16) func(*machine, table) {
	return func(m *machine, t table) { m.load(t.u32(dreg), value{text: text, size: 4}) }
}

// metaMark is NFT_META_MARK.
const metaMark = 3

// stepMeta: NFTA_META_DREG 1, KEY 2, SREG 3 (it sets; no condition).
func stepMeta(m *machine, t table) {
	switch {
	case t[3] != nil && t.u32(2) == metaMark:
		m.setMark(m.regs[reg(t.u32(3))])
		return
	case t[3] != nil:
		m.say(word{nft: "meta set"})
		return
	}
	v, ok := metaFields[t.u32(2)]
	if !ok {
		v = value{text: fmt.Sprintf("meta %d", t.u32(2)), size: 4}
	}
	m.load(t.u32(1), v)
}

// stepPayload: NFTA_PAYLOAD_DREG 1, BASE 2, OFFSET 3, LEN 4, SREG 5 (it writes).
func stepPayload(m *machine, t table) {
	if t[5] != nil {
		return
	}
	m.load(t.u32(1), payloadField(t.u32(2), t.u32(3), t.u32(4), m.family(), m.proto()))
}

// ctMark is NFT_CT_MARK.
const ctMark = 3

// stepCT: NFTA_CT_DREG 1, KEY 2, DIRECTION 3, SREG 4 (it sets).
func stepCT(m *machine, t table) {
	switch {
	case t[4] != nil && t.u32(2) == ctMark:
		m.saveMark(m.regs[reg(t.u32(4))])
		return
	case t[4] != nil:
		return
	}
	v, ok := ctFields[t.u32(2)]
	if !ok {
		v = value{text: fmt.Sprintf("ct %d", t.u32(2)), size: 4}
	}
	m.load(t.u32(1), v)
}

// stepFib: NFTA_FIB_DREG 1, RESULT 2, FLAGS 3. Known are the type of the
// destination and whether the source has a way back through the same interface.
func stepFib(m *machine, t table) {
	v := value{text: "fib", size: 4}
	switch result, flags := t.u32(2), t.u32(3); {
	case result == 3 && flags&3 == 2:
		v.kind, v.text = fibType, "fib daddr type"
	case result == 1 && flags&1 != 0 && flags&8 != 0:
		v.kind, v.text = fibRoute, "fib saddr . iif oif"
	}
	m.load(t.u32(1), v)
}

// stepImmediate: NFTA_IMMEDIATE_DREG 1, DATA 2.
func stepImmediate(m *machine, t table) {
	data := nest(t[2])
	if v, ok := verdictOf(nest(data[2])); ok {
		m.verdict(v)
		return
	}
	m.load(t.u32(1), value{kind: constant, data: data[1], size: len(data[1])})
}

func (m *machine) verdict(v verdict) {
	m.say(word{nft: v.nft(), ipt: v.ipt()})
	m.finish(v)
}

func (m *machine) finish(v verdict) {
	for i := range m.alts {
		m.alts[i].decide(v)
	}
}

func (a *alt) decide(v verdict) {
	if !a.done {
		a.rule.Verdict, a.rule.Target, a.done = v.word, v.chain, true
	}
}

// stepBitwise: NFTA_BITWISE_SREG 1, DREG 2, LEN 3, MASK 4, XOR 5, OP 6. Only a
// mask without xor keeps the field.
func stepBitwise(m *machine, t table) {
	v := m.regs[reg(t.u32(1))]
	mask, xor := t.data(4), t.data(5)
	if v.kind == markField && t.u32(6) == 0 {
		m.load(t.u32(2), v.markMask(mask, xor))
		return
	}
	if t.u32(6) != 0 || len(mask) == 0 || anySet(xor) || v.mask != nil {
		v = value{text: v.text, size: v.size}
	}
	v.mask = mask
	m.load(t.u32(2), v)
}

func anySet(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return true
		}
	}
	return false
}

// stepByteorder: NFTA_BYTEORDER_SREG 1, DREG 2, OP 3 (NFT_BYTEORDER_HTON 1).
func stepByteorder(m *machine, t table) {
	v := m.regs[reg(t.u32(1))]
	if v.kind == wallTime && t.u32(3) == 1 {
		v.ordered = true
	} else {
		v = value{text: v.text, size: v.size}
	}
	m.load(t.u32(2), v)
}

// stepCmp: NFTA_CMP_SREG 1, OP 2 (NFT_CMP_EQ, NEQ, LT, LTE, GT, GTE), DATA 3.
func stepCmp(m *machine, t table) {
	v, b := m.regs[reg(t.u32(1))], t.data(3)
	op := t.u32(2)
	switch {
	case v.kind == wallTime && v.ordered:
		m.compareTime(v, op, b)
		return
	case op <= 1 && v.kind == markField:
		m.compareMark(v, b, op == 1)
		return
	case op <= 1:
		m.compare(v, b, op == 1)
		return
	}
	s, ok := orderSpan(op, b)
	if !ok || v.mask != nil || !v.bigEndian() {
		m.doubtOf(v, []string{"==", "!=", "<", "<=", ">", ">="}[min(op, 5)], fmt.Sprintf("0x%x", b))
		return
	}
	joined := op == 3 && m.lower != nil && m.lower.place == len(m.words) && m.lower.v.text == v.text
	if joined { // a-b is ">= a" and "<= b"
		m.words = m.words[:len(m.words)-1]
		s.from = m.lower.from
	}
	m.narrow(v, []span{s}, false, false, "")
	if !joined {
		m.words[len(m.words)-1].nft = v.text + " " + []string{2: "<", 3: "<=", 4: ">", 5: ">="}[op] + " " + v.word(b, m.ifname)
	}
	if op == 5 {
		m.lower = &bound{v, b, len(m.words)}
	}
}

// bigEndian reports whether the bytes of a field are in the order of its
// values, so that less and greater mean something.
func (v value) bigEndian() bool {
	switch v.kind {
	case saddr, daddr, sport, dport, l4proto:
		return true
	}
	return false
}

// orderSpan is the span of "< b", "<= b", "> b" and ">= b".
func orderSpan(op uint32, b []byte) (span, bool) {
	low, high := make([]byte, len(b)), make([]byte, len(b))
	for i := range high {
		high[i] = 0xff
	}
	switch op {
	case 2:
		p, ok := before(b)
		return span{low, p}, ok
	case 3:
		return span{low, b}, true
	case 4:
		p, ok := after(b)
		return span{p, high}, ok
	case 5:
		return span{b, high}, true
	}
	return span{}, false
}

func before(b []byte) ([]byte, bool) { return shift(b, 0x00, 0xff) }
func after(b []byte) ([]byte, bool)  { return shift(b, 0xff, 0x00) }

// shift is b minus one (end 0x00, wrap 0xff) or plus one (end 0xff, wrap 0x00);
// false when there is none.
func shift(b []byte, end, wrap byte) ([]byte, bool) {
	out := append([]byte(nil), b...)
	for i := len(out) - 1; i >= 0; i-- {
		if out[i] != end {
			if wrap == 0xff {
				out[i]--
			} else {
				out[i]++
			}
			return out, true
		}
		out[i] = wrap
	}
	return nil, false
}

// compare is "v == b" or "v != b", with the mask that v may have.
func (m *machine) compare(v value, b []byte, not bool) {
	switch {
	case v.mask == nil:
		m.narrow(v, one(b), not, false, "")
	case v.kind == ctState && len(v.mask) == 4 && len(b) == 4 && !anySet(b):
		m.states(v, binary.NativeEndian.Uint32(v.mask), !not)
	case v.text == ctFields[2].text && len(v.mask) == 4 && binary.NativeEndian.Uint32(v.mask) == dstNAT && len(b) == 4 && !anySet(b):
		w := "ct status " + bang(!not, "! ") + "dnat"
		m.say(word{nft: strings.Replace(w, "! ", "!= ", 1), ipt: "-m conntrack " + bang(!not, "! ") + "--ctstatus DNAT"})
		m.doubt(w)
	case v.kind == tcpFlags && len(v.mask) == 1 && len(b) == 1:
		m.flags(v.mask[0], b[0], not)
	case (v.kind == saddr || v.kind == daddr) && len(v.mask) == len(b):
		m.prefix(v, b, not)
	default:
		m.doubtOf(v, "", fmt.Sprintf("& 0x%x %s 0x%x", v.mask, map[bool]string{false: "==", true: "!="}[not], b))
	}
}

// dstNAT is IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h.
const dstNAT = 1 << 5

// states is "ct state a,b" (any of the bits) or its opposite.
func (m *machine) states(v value, mask uint32, not bool) {
	words, ok := stateWords(mask)
	text := strings.Join(words, ",")
	m.say(word{nft: "ct state " + bang(not, "!= ") + text, ipt: "-m conntrack " + bang(not, "! ") + "--ctstate " + strings.ToUpper(text)})
	m.each(func(r *fact.Rule) {
		xtables.NarrowState(r, words, not)
		if !ok {
			xtables.Doubt(r, v.text)
		}
	})
}

func bang(not bool, s string) string {
	if not {
		return s
	}
	return ""
}

func (m *machine) flags(mask, want byte, not bool) {
	w := xtables.FlagsWord(mask, want, not)
	nft := "tcp flags " + bang(not, "!= ") + strings.ToLower(xtables.FlagsText(want)+" / "+xtables.FlagsText(mask))
	m.say(word{nft: nft, ipt: "-m " + strings.Replace(w, "tcp ", "tcp ", 1), implied: "tcp"})
	m.doubt(w)
}

func (m *machine) prefix(v value, b []byte, not bool) {
	bits, ok := maskBits(v.mask)
	a, ok2 := addr(b, v.v6, 0)
	if !ok || !ok2 {
		m.doubtOf(v, "&", fmt.Sprintf("0x%x == 0x%x", v.mask, b))
		return
	}
	p := netip.PrefixFrom(a, bits).Masked()
	if p.Addr() != a { // bits outside of the mask: nothing is equal to it
		m.each(func(r *fact.Rule) {
			if !not {
				xtables.Never(r)
			}
		})
		return
	}
	m.say(word{nft: v.text + " " + bang(not, "!= ") + prefixText(p), implied: familyWord(v.v6)})
	m.each(func(r *fact.Rule) { narrowAddr(r, v.kind, []netip.Prefix{p}, not) })
}

func familyWord(v6 bool) string {
	if v6 {
		return "ip6"
	}
	return "ip"
}

func narrowAddr(r *fact.Rule, k kind, p []netip.Prefix, not bool) {
	if k == saddr {
		xtables.NarrowSrc(r, p, not)
	} else {
		xtables.NarrowDst(r, p, not)
	}
}

// stepRange: NFTA_RANGE_SREG 1, OP 2 (0 eq, 1 neq), FROM_DATA 3, TO_DATA 4.
func stepRange(m *machine, t table) {
	v, s := m.regs[reg(t.u32(1))], span{t.data(3), t.data(4)}
	if v.mask != nil || !v.bigEndian() {
		m.doubtOf(v, "", fmt.Sprintf("0x%x-0x%x", s.from, s.to))
		return
	}
	m.narrow(v, []span{s}, t.u32(2) == 1, false, "")
}

// impliedBy is the protocol or family that a field's name says.
func impliedBy(name string) string {
	first, _, _ := strings.Cut(name, " ")
	switch first {
	case "icmp":
		return "icmp ip"
	case "icmpv6":
		return "icmpv6 ip6"
	case "ip", "ip6", "tcp", "udp":
		return first
	}
	return ""
}

// doubtOf notes a condition on v that no field says, and its words.
func (m *machine) doubtOf(v value, op, right string) {
	name := v.text
	if name == "" {
		name = "?"
	}
	ipt := "-m " + strings.TrimPrefix(strings.TrimPrefix(name, "meta "), "ct ")
	if name == "meta mark" {
		name = "mark"
		ipt += fmt.Sprintf(" %s--mark 0x%s", bang(op == "!=", "! "), strings.TrimLeft(right, "0x"))
	}
	text := strings.Join(strings.Fields(v.text+" "+op+" "+right), " ")
	m.say(word{nft: text, ipt: ipt, implied: impliedBy(name)})
	m.doubt(name)
}
