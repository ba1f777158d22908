package nftrules

import (
	"fmt"
	"net/netip"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// stepCounter: NFTA_COUNTER_BYTES 1, PACKETS 2.
func stepCounter(m *machine, t table) {
	m.each(func(r *fact.Rule) { r.Counter, r.Bytes, r.Packets = true, t.u64(1), t.u64(2) })
	if !m.ipt {
		m.say(word{nft: "counter"})
	}
}

var units = map[uint64]string{1: "second", 60: "minute", 3600: "hour", 86400: "day", 604800: "week"}

// stepLimit: NFTA_LIMIT_RATE 1, UNIT 2 (seconds), BURST 3, TYPE 4, FLAGS 5 (1: over).
func stepLimit(m *machine, t table) {
	rate, unit, burst, over := t.u64(1), units[t.u64(2)], t.u32(3), t.u32(5)&1 != 0
	nft := fmt.Sprintf("limit rate %s%d/%s", bang(over, "over "), rate, unit)
	if t.u32(4) == 1 {
		nft = fmt.Sprintf("limit rate %s%d bytes/%s", bang(over, "over "), rate, unit)
	}
	ipt := fmt.Sprintf("-m limit --limit %d/%s", rate, strings.NewReplacer("second", "sec", "minute", "min").Replace(unit))
	if burst != 5 {
		ipt += fmt.Sprintf(" --limit-burst %d", burst)
		if burst != 0 && t.u32(4) == 0 {
			nft += fmt.Sprintf(" burst %d packets", burst)
		}
	}
	m.say(word{nft: nft, ipt: ipt})
	m.doubt("limit" + bang(over, " over"))
}

// stepConnlimit: NFTA_CONNLIMIT_COUNT 1, FLAGS 2 (1: over).
func stepConnlimit(m *machine, t table) {
	over := t.u32(2)&1 != 0
	m.say(word{nft: fmt.Sprintf("ct count %s%d", bang(over, "over "), t.u32(1))})
	m.doubt("connlimit " + map[bool]string{true: "above", false: "upto"}[over])
}

// stepLog: NFTA_LOG_GROUP 1, PREFIX 2, SNAPLEN 3, QTHRESHOLD 4, LEVEL 5.
func stepLog(m *machine, t table) {
	nft, target, option := "log", "LOG", " --log-prefix "
	if _, ok := t[1]; ok {
		nft, target, option = fmt.Sprintf("log group %d", t.u32(1)), "NFLOG", " --nflog-prefix "
	}
	ipt := "-j " + target
	if p := t.str(2); p != "" {
		nft += fmt.Sprintf(" prefix %q", p)
		ipt += option + xtables.Quote(p)
	}
	m.say(word{nft: nft, ipt: ipt})
	m.each(func(r *fact.Rule) { r.Target = target })
}

// stepReject: NFTA_REJECT_TYPE 1 (0 ICMP, 1 TCP reset, 2 ICMPX), ICMP_CODE 2.
func stepReject(m *machine, t table) {
	s := "reject"
	if t.u32(1) == 1 {
		s = "reject with tcp reset"
	}
	m.say(word{nft: s})
	m.finish(verdict{"reject", ""})
}

// stepMatch: NFTA_MATCH_NAME 1, REV 2, INFO 3, the bytes of iptables.
func stepMatch(m *machine, t table) {
	m.compat(func(r *fact.Rule) { xtables.Match(t.str(1), uint8(t.u32(2)), t[3], r) })
}

// stepTarget: NFTA_TARGET_NAME 1, REV 2, INFO 3.
func stepTarget(m *machine, t table) {
	m.compat(func(r *fact.Rule) { xtables.Target(t.str(1), uint8(t.u32(2)), t[3], r) })
	for i := range m.alts {
		m.alts[i].done = m.alts[i].done || m.alts[i].rule.Verdict != "continue"
	}
}

// compat runs a decoder of xtables and takes the words that it leaves in Text.
func (m *machine) compat(f func(*fact.Rule)) {
	if m.head == nil && len(m.alts) > 0 {
		h := m.alts[0].rule
		m.head = &h
	}
	text := ""
	m.each(func(r *fact.Rule) {
		r.Text = ""
		f(r)
		text, r.Text = r.Text, ""
	})
	m.say(word{nft: text, ipt: text})
}

// stepNAT: NFTA_NAT_TYPE 1 (0 snat, 1 dnat), FAMILY 2, REG_ADDR_MIN 3,
// REG_ADDR_MAX 4, REG_PROTO_MIN 5, REG_PROTO_MAX 6, FLAGS 7 (1 and 2 are set
// too where addresses and ports are; 32 maps whole networks).
func stepNAT(m *machine, t table) {
	v, s := verdict{"other", "snat"}, "snat"
	if t.u32(1) == 1 {
		v, s = verdict{"dnat", "dnat"}, "dnat"
	}
	to := m.natTo(t, 3, 5)
	to.Unclear = to.Unclear || t.u32(7)&32 != 0
	if w := natText(to); w != "" {
		s += " to " + w
	}
	m.say(word{nft: s})
	if v.word == "dnat" {
		m.each(func(r *fact.Rule) { r.NatTo = to })
	}
	m.onlyFamily(byte(t.u32(2)))
	m.finish(v)
}

// onlyFamily: in a table of both families, address translation of one lets the
// other pass (nft_nat_inet_eval).
func (m *machine) onlyFamily(number byte) {
	if f := familyOf([]byte{number}); f == "" || m.rule.family != "inet" {
		return
	}
	for i := range m.alts {
		if !m.alts[i].done {
			m.singleFamily(&m.alts[i], metaFields[15], []byte{number}, false)
		}
	}
}

// natTo reads the registers of the attributes addr and addr+1, port and port+1.
// What is not a constant is unclear.
func (m *machine) natTo(t table, addr, port uint16) (to fact.NatTo) {
	constant := func(at uint16) []byte {
		if t[at] == nil {
			return nil
		}
		b := m.regs[reg(t.u32(at))].data
		to.Unclear = to.Unclear || b == nil
		return b
	}
	if addr != 0 {
		to.Addr, _ = netip.AddrFromSlice(constant(addr))
		if to.Last, _ = netip.AddrFromSlice(constant(addr + 1)); !to.Last.IsValid() {
			to.Last = to.Addr
		}
	}
	if b := constant(port); len(b) == 2 {
		to.Port = fact.PortRange{From: be16(b), To: be16(b)}
	}
	if b := constant(port + 1); len(b) == 2 && to.Port.From != 0 {
		to.Port.To = max(to.Port.From, be16(b))
	}
	return to
}

func natText(to fact.NatTo) string {
	s := ""
	if to.Addr.IsValid() {
		s = to.Addr.String()
		if to.Addr.Is6() {
			s = "[" + s + "]"
		}
		if to.Last != to.Addr {
			s += "-" + to.Last.String()
		}
	}
	if to.Port.From != 0 {
		s += fmt.Sprintf(":%d", to.Port.From)
		if to.Port.To != to.Port.From {
			s += fmt.Sprintf("-%d", to.Port.To)
		}
	}
	return s
}

// stepRedir: NFTA_REDIR_REG_PROTO_MIN 1, REG_PROTO_MAX 2.
func stepRedir(m *machine, t table) {
	s := "redirect"
	to := m.natTo(t, 0, 1)
	if w := natText(to); w != "" {
		s += " to " + w
	}
	m.say(word{nft: s})
	m.each(func(r *fact.Rule) { r.NatTo = to })
	m.finish(verdict{"redirect", "redirect"})
}

func stepMasq(m *machine, _ table) {
	m.say(word{nft: "masquerade"})
	m.finish(verdict{"other", "masquerade"})
}

// stepTProxy hands the packet to a socket of another address or port, so for
// the question who reaches a port it is a kind of dnat.
func stepTProxy(m *machine, _ table) {
	m.say(word{nft: "tproxy"})
	m.each(func(r *fact.Rule) { r.Verdict, r.Target, r.NatTo.Unclear = "dnat", "tproxy", true })
}

func stepQueue(m *machine, _ table) {
	m.say(word{nft: "queue"})
	m.finish(verdict{"other", "queue"})
}

func stepNotrack(m *machine, _ table) {
	m.say(word{nft: "notrack"})
	m.each(func(r *fact.Rule) { r.Target = "NOTRACK" })
}

// stepObjref: NFTA_OBJREF_IMM_TYPE 1, IMM_NAME 2. Quotas (2), limits (4) and
// connection limits (5) can stop a packet; counters and helpers cannot.
func stepObjref(m *machine, t table) {
	switch typ := t.u32(1); typ {
	case 1, 3, 6, 7, 8, 9:
		m.say(word{nft: "object " + t.str(2)})
	default:
		m.say(word{nft: "object " + t.str(2)})
		m.doubt("object")
	}
}

// stepDynset: NFTA_DYNSET_SET_NAME 1, EXPR 7, EXPRESSIONS 10. Noting the sender
// in a set is no condition; a rate inside of it is.
func stepDynset(m *machine, t table) {
	m.say(word{nft: "add @" + t.str(1)})
	if t[7] == nil && t[10] == nil {
		return
	}
	list := expressions(t[10])
	if t[7] != nil {
		e := nest(t[7])
		list = append(list, expression{e.str(1), nest(e[2])})
	}
	for _, e := range list {
		m.step(e)
	}
}
