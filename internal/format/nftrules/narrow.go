package nftrules

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// narrow is "v is (not) in spans": of one value, or of a set. name is the set's
// own name, when it has one. It may fork the rule.
func (m *machine) narrow(v value, in []span, not, set bool, name string) {
	right := v.spansText(in, set, m.ifname)
	if name != "" {
		right = "@" + name
	}
	if len(in) > maxSpans || m.dump.parts > maxParts {
		m.tooMany(v, in, not, right)
		return
	}
	m.dump.parts += len(in)
	said := m.condition(v, right, in, not)
	if m.apply(v, in, not) || v.alternates() && !not && m.forkOn(v, in) {
		m.say(said)
		return
	}
	m.doubtOf(v, bang(not, "!="), right)
}

// tooMany is a set with more values than a rule can hold. One that holds only a
// small part of all addresses is a list of somebody in particular: whoever is
// not known is not "listed".
func (m *machine) tooMany(v value, in []span, not bool, right string) {
	word := v.text + " set"
	if v.kind == saddr && !not && v.mask == nil && smallPart(in) {
		word = "listed"
	}
	m.say(listWord(v, not, right))
	m.doubt(word)
}

func listWord(v value, not bool, right string) word {
	return word{nft: v.text + " " + bang(not, "!= ") + right, implied: impliedBy(v.text)}
}

// smallPart reports whether the spans, by their first four bytes, are less than
// a sixteenth of all that there could be.
func smallPart(in []span) bool {
	sum := uint64(0)
	for _, s := range in {
		if len(s.from) < 4 || len(s.to) < 4 {
			return false
		}
		from, to := binary.BigEndian.Uint32(s.from), binary.BigEndian.Uint32(s.to)
		if to < from {
			return false
		}
		sum += uint64(to-from) + 1
	}
	return sum < 1<<28
}

// alternates reports whether several values of v can be said by several rules.
func (v value) alternates() bool {
	switch v.kind {
	case l4proto, iifname, oifname, iif, oif, nfproto, etherType, fibType, pktType, ctState, markField:
		return v.mask == nil
	}
	return false
}

func (m *machine) forkOn(v value, in []span) bool {
	for _, s := range in {
		if string(s.from) != string(s.to) {
			return false
		}
	}
	return m.fork(len(in), func(i int, one []alt) { m.single(&one[0], v, in[i].from, false) })
}

// apply narrows every alternative by a field that takes any number of values, or
// by one value; false, and nothing is done, when one fact.Rule cannot say that.
func (m *machine) apply(v value, in []span, not bool) bool {
	switch {
	case v.mask != nil && (v.kind == saddr || v.kind == daddr):
		p, ok := masked(v, in)
		return ok && m.each(func(r *fact.Rule) { narrowAddr(r, v.kind, p, not) })
	case v.mask != nil:
		return false
	case v.kind == saddr || v.kind == daddr:
		p, ok := prefixes(v, in)
		return ok && m.each(func(r *fact.Rule) { narrowAddr(r, v.kind, p, not) })
	case v.kind == sport || v.kind == dport:
		p, ok := ports(in)
		return ok && m.each(func(r *fact.Rule) { narrowPort(r, v.kind, p, not) })
	case v.kind == ctState:
		words, ok := exactStates(in)
		return ok && m.each(func(r *fact.Rule) { xtables.NarrowState(r, words, not) })
	case len(in) == 0 && v.kind != unknown:
		return not || m.each(xtables.Never)
	case len(in) == 1 && string(in[0].from) == string(in[0].to) && (v.alternates() || v.kind == fibRoute):
		for i := range m.alts {
			if !m.alts[i].done {
				m.single(&m.alts[i], v, in[0].from, not)
			}
		}
		return true
	}
	return false
}

func prefixes(v value, in []span) (out []netip.Prefix, ok bool) {
	for _, s := range in {
		from, ok1 := addr(s.from, v.v6, 0)
		to, ok2 := addr(s.to, v.v6, 0xff)
		if ok1 && ok2 && from == to {
			out = append(out, netip.PrefixFrom(from, from.BitLen()))
			continue
		}
		p := xtables.Prefixes(from, to)
		if !ok1 || !ok2 || p == nil {
			return nil, false
		}
		out = append(out, p...)
	}
	return out, true
}

// masked are the addresses that have one of some values under the mask of v, a
// prefix. No address has a value with bits outside of it.
func masked(v value, in []span) (out []netip.Prefix, ok bool) {
	bits, ok := maskBits(v.mask)
	for _, s := range in {
		a, good := addr(s.from, v.v6, 0)
		if !good || !ok || len(s.from) != len(v.mask) || string(s.from) != string(s.to) {
			return nil, false
		}
		if p := netip.PrefixFrom(a, bits); p.Masked().Addr() == a {
			out = append(out, p)
		}
	}
	return out, ok
}

func narrowPort(r *fact.Rule, k kind, p []fact.PortRange, not bool) {
	if k == sport {
		xtables.NarrowSPort(r, p, not)
	} else {
		xtables.NarrowDPort(r, p, not)
	}
}

// exactStates reads states that are compared whole: one bit each.
func exactStates(in []span) (words []string, ok bool) {
	for _, s := range in {
		if len(s.from) != 4 || string(s.from) != string(s.to) {
			return nil, false
		}
		w, ok := stateWords(binary.NativeEndian.Uint32(s.from))
		if !ok || len(w) != 1 {
			return nil, false
		}
		words = append(words, w[0])
	}
	return words, true
}

// single narrows one alternative by one value of a field.
func (m *machine) single(a *alt, v value, b []byte, not bool) {
	r := &a.rule
	switch v.kind {
	case l4proto:
		m.singleProto(r, b, not)
	case nfproto, etherType:
		m.singleFamily(a, v, b, not)
	case iifname:
		xtables.NarrowIn(r, ifaceName(b), not)
	case oifname:
		xtables.NarrowOut(r, ifaceName(b), not)
	case iif, oif:
		m.singleIndex(r, v, b, not)
	case fibType:
		types := v.word(b, m.ifname)
		addrType(r, types, not)
	case fibRoute: // 0: there is none
		missing := !anySet(b)
		xtables.Doubt(r, map[bool]string{true: "rpfilter --invert", false: "rpfilter"}[missing != not])
	case markField:
		if len(b) != 4 {
			xtables.Doubt(r, "mark")
			return
		}
		n := binary.NativeEndian.Uint32(b)
		xtables.NarrowMark(r, fact.Mark{Value: n ^ v.mark.Value, Mask: ^v.mark.Mask, Not: not})
	case pktType:
		xtables.Doubt(r, "pkttype "+bang(not, "! ")+"--pkt-type "+packetType(b))
	default:
		xtables.Doubt(r, v.text)
	}
}

// packetType is the word of iptables for a type of packet.
func packetType(b []byte) string {
	if len(b) == 1 && int(b[0]) < len(pktWords) {
		return pktWords[b[0]]
	}
	return fmt.Sprintf("0x%x", b)
}

func (m *machine) singleProto(r *fact.Rule, b []byte, not bool) {
	if len(b) != 1 || b[0] == 0 {
		xtables.Doubt(r, "meta l4proto")
		return
	}
	xtables.NarrowProto(r, protoWord(b[0]), not)
}

// singleFamily notes the family; one that is excluded leaves the other of the
// two.
func (m *machine) singleFamily(a *alt, v value, b []byte, not bool) {
	f := familyOf(b)
	if f == "" {
		if !not {
			xtables.Never(&a.rule)
		}
		return
	}
	if not {
		f = map[string]string{"ip": "ip6", "ip6": "ip"}[f]
	}
	if a.family != "" && a.family != f || m.rule.family != "inet" && m.rule.family != f {
		xtables.Never(&a.rule)
	}
	a.family = f
}

func (m *machine) singleIndex(r *fact.Rule, v value, b []byte, not bool) {
	name := ""
	if len(b) == 4 {
		name = m.ifname(binary.NativeEndian.Uint32(b))
	}
	switch {
	case name == "":
		xtables.Doubt(r, fmt.Sprintf("%s 0x%x", v.text, b))
	case v.kind == iif:
		xtables.NarrowIn(r, name, not)
	default:
		xtables.NarrowOut(r, name, not)
	}
}

func addrType(r *fact.Rule, types string, not bool) {
	text := r.Text
	xtables.AddrType(r, "dst", strings.ToUpper(types), not)
	r.Text = text
}

// condition is the words of a condition that is understood.
func (m *machine) condition(v value, right string, in []span, not bool) word {
	w := word{nft: v.text + " " + bang(not, "!= ") + right}
	switch v.kind {
	case saddr, daddr:
		w.implied = familyWord(v.v6)
	case sport, dport:
		p := m.proto()
		w.implied = p
		w.ipt = fmt.Sprintf("-m %s %s--%s %s", p, bang(not, "! "), v.kind.iptPort(), iptPorts(in))
	case l4proto:
		if len(in) == 1 && !not && v.text == "meta l4proto" {
			w.says = v.word(in[0].from, m.ifname)
		}
	case nfproto:
		if len(in) == 1 && !not {
			w.says = familyOf(in[0].from)
		}
	}
	return w
}

func (k kind) iptPort() string {
	if k == sport {
		return "sport"
	}
	return "dport"
}

func iptPorts(in []span) string {
	if len(in) != 1 || len(in[0].from) != 2 || len(in[0].to) != 2 {
		return "…"
	}
	if from, to := be16(in[0].from), be16(in[0].to); from != to {
		return fmt.Sprintf("%d:%d", from, to)
	}
	return fmt.Sprint(be16(in[0].from))
}
