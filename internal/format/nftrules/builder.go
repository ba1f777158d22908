package nftrules

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// Builder makes rules from conditions that are written in the language of nft,
// with the same machine that reads the kernel's expressions: a rule of a file
// and the same rule in force have the same fields.
type Builder struct{ m machine }

// NewBuilder begins a rule of a table of a family; r has what is known already
// (Text, Origin).
func NewBuilder(family string, r fact.Rule) *Builder {
	none := func(uint32) string { return "" }
	return &Builder{machine{dump: &Dump{}, ifname: none, rule: &ruleMsg{family: family}, alts: []alt{{rule: r}}}}
}

// Rules ends the rule: one, or several that together say it, all with the text
// and place of the first.
func (b *Builder) Rules() []fact.Rule {
	out := make([]fact.Rule, 0, len(b.m.alts))
	for i := range b.m.alts {
		a := &b.m.alts[i]
		text := a.rule.Text
		b.m.closeFamily(a)
		if a.rule.Verdict == "" {
			a.rule.Verdict = "continue"
		}
		a.rule.Text = text
		xtables.Settle(&a.rule)
		out = append(out, a.rule)
	}
	return out
}

// Doubt notes a condition that is not understood.
func (b *Builder) Doubt(word string) {
	b.m.partMark("")
	b.m.doubt(word)
}

// Each changes every rule that has no verdict yet.
func (b *Builder) Each(f func(*fact.Rule)) { b.m.each(f) }

// Comment is the comment of the rule; it may come behind the verdict.
func (b *Builder) Comment(s string) {
	for i := range b.m.alts {
		b.m.alts[i].rule.Comment = s
	}
}

// Verdict ends the rule.
func (b *Builder) Verdict(word, chain string) { b.m.finish(verdict{word, chain}) }

// Field is the left side of a condition.
type Field struct{ v value }

// Text is the field in the language of nft.
func (f Field) Text() string { return f.v.text }

// IsState and IsFlags report whether a list of words is a mask of bits.
func (f Field) IsState() bool { return f.v.kind == ctState }
func (f Field) IsFlags() bool { return f.v.kind == tcpFlags }

// shortFields are names that nft also takes without "meta".
var shortFields = map[string]string{"mark": "meta mark", "pkttype": "meta pkttype", "skuid": "meta skuid", "skgid": "meta skgid",
	"cpu": "meta cpu", "cgroup": "meta cgroup", "meta iif": "iif", "meta oif": "oif", "meta iifname": "iifname", "meta oifname": "oifname",
	"meta iiftype": "iiftype", "meta iifgroup": "iifgroup", "iif": "iifname", "oif": "oifname"}

// Field finds a field by its two words ("tcp dport", "iifname"), and narrows the
// rule to the protocol and family that have it. ok is false for one that is not
// known; then it is only good for a doubt.
func (b *Builder) Field(name string) (f Field, ok bool) {
	b.m.partMark("")
	for range 2 { // meta iif → iif → iifname
		if long, ok := shortFields[name]; ok {
			name = long
		}
	}
	for _, fields := range []map[uint32]value{metaFields, ctFields} {
		for _, v := range fields {
			if v.text == name {
				return Field{v}, true
			}
		}
	}
	first, second, _ := strings.Cut(name, " ")
	v := value{text: name}
	switch {
	case first == "ip" || first == "ip6":
		v = b.networkField(first, second)
	case name == "fib daddr type":
		v = value{kind: fibType, text: name, size: 4}
	case second == "sport" || second == "dport" || second == "flags" || second == "type" || second == "code":
		v = b.transportField(first, second)
	}
	return Field{v}, v.kind != unknown || v.size != 0
}

func (b *Builder) networkField(family, name string) value {
	b.Family(family)
	v := value{text: family + " " + name, size: 1, v6: family == "ip6"}
	switch {
	case name == "saddr":
		v.kind = saddr
	case name == "daddr":
		v.kind = daddr
	case family == "ip" && name == "protocol":
		v.kind = l4proto
	}
	if v.kind == saddr || v.kind == daddr {
		v.size = map[bool]int{false: 4, true: 16}[v.v6]
	}
	return v
}

// Family narrows to a family as nft does, by a hidden condition, in tables of
// both.
func (b *Builder) Family(f string) {
	if b.m.rule.family == "inet" {
		b.m.narrow(metaFields[15], one([]byte{map[string]byte{"ip": 2, "ip6": 10}[f]}), false, false, "")
	}
}

func (b *Builder) transportField(proto, name string) value {
	v := value{text: proto + " " + name, size: 1}
	number, known := protoByte(proto)
	switch proto {
	case "icmp":
		b.Family("ip")
	case "icmpv6":
		b.Family("ip6")
	case "th":
		known = false
	}
	if known {
		b.m.narrow(metaFields[16], one([]byte{number}), false, false, "")
	} else if proto != "th" {
		b.Doubt(proto)
	}
	switch {
	case name == "sport":
		v.kind, v.size = sport, 2
	case name == "dport":
		v.kind, v.size = dport, 2
	case name == "flags" && proto == "tcp":
		v.kind = tcpFlags
	}
	return v
}

func protoByte(s string) (byte, bool) {
	n := map[string]string{"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58"}[xtables.Proto(s)]
	if n == "" {
		n = xtables.Proto(s)
	}
	v, err := strconv.ParseUint(n, 10, 8)
	return byte(v), err == nil
}

// Flags adds "tcp flags & mask == want".
func (b *Builder) Flags(mask, want byte, not bool) { b.m.flags(mask, want, not) }

// States adds "ct state a,b": any of the words.
func (b *Builder) States(words []string, not bool) {
	b.m.each(func(r *fact.Rule) {
		for _, w := range words {
			if !slices.Contains(xtables.States, w) {
				xtables.Doubt(r, "ct state")
			}
		}
		xtables.NarrowState(r, words, not)
	})
}

// Match adds "fields op values": op is "", "==", "!=", "<", ">", "<=" or ">=".
// set says that the values stand in braces or in a named set. Values that are
// not understood make it a doubt.
func (b *Builder) Match(fields []Field, op string, values []string, set bool) {
	not := op == "!="
	hits, ok := b.hits(fields, values)
	i := slices.Index([]string{"", "!=", "<", "<=", ">", ">="}, op)
	switch {
	case !ok:
		b.doubtOf(fields)
	case i >= 2 && len(hits) == 1 && fields[0].v.bigEndian():
		if s, ok := orderSpan(uint32(i), hits[0].from); ok {
			b.m.narrow(fields[0].v, []span{s}, false, false, "")
		} else {
			b.m.each(xtables.Never)
		}
	case i >= 2:
		b.doubtOf(fields)
	case len(fields) == 1:
		b.m.narrow(fields[0].v, spansOf(hits), not, set, "")
	default:
		b.m.tuple(b.values(fields), hits, not, "")
	}
}

func (b *Builder) doubtOf(fields []Field) {
	b.m.doubtOf(value{text: fieldsText(b.values(fields))}, "", "")
}

func (b *Builder) values(fields []Field) (out []value) {
	for _, f := range fields {
		out = append(out, f.v)
	}
	return out
}

func spansOf(hits []hit) []span {
	out := make([]span, len(hits))
	for i, h := range hits {
		out[i] = h.span
	}
	return out
}

// Entry is one entry of a verdict map.
type Entry struct{ Key, Verdict, Chain string }

// VMap adds "fields vmap { … }".
func (b *Builder) VMap(fields []Field, entries []Entry) {
	var hits []hit
	for _, e := range entries {
		h, ok := b.hits(fields, []string{e.Key})
		if !ok || len(h) != 1 {
			b.doubtOf(fields)
			b.Verdict("other", "vmap")
			return
		}
		h[0].to = verdictTable(e.Verdict, e.Chain)
		hits = append(hits, h[0])
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return bytes.Compare(a.from, b.from) })
	b.m.vmap(b.values(fields), hits, "")
}

// verdictTable writes a verdict as the kernel does.
func verdictTable(word, chain string) table {
	code := map[string]int32{"drop": 0, "accept": 1, "continue": -1, "jump": -3, "goto": -4, "return": -5, "queue": 3}[word]
	return table{1: binary.BigEndian.AppendUint32(nil, uint32(code)), 2: []byte(chain)}
}

// hits reads values: of one field, or of several with " . " between them. They
// come sorted, as from the kernel.
func (b *Builder) hits(fields []Field, values []string) (out []hit, ok bool) {
	for _, s := range values {
		var h hit
		parts := []string{s}
		if len(fields) > 1 {
			parts = strings.Split(s, " . ")
		}
		if len(parts) != len(fields) {
			return nil, false
		}
		for i, f := range fields {
			x, ok := f.v.parse(strings.TrimSpace(parts[i]))
			if !ok {
				return nil, false
			}
			h.join(x)
		}
		out = append(out, h)
	}
	slices.SortStableFunc(out, func(a, b hit) int { return bytes.Compare(a.from, b.from) })
	return out, true
}

// join appends a part of a key, padded as registers are.
func (h *hit) join(x span) {
	pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
	if h.span.from == nil {
		h.span = x
		return
	}
	h.span.from = append(pad(bytes.Clone(h.span.from)), x.from...)
	h.span.to = append(pad(bytes.Clone(h.span.to)), x.to...)
}

// parse reads a value of the field: a word, a range or a prefix.
func (v value) parse(s string) (span, bool) {
	s = strings.Trim(s, `"`)
	switch v.kind {
	case saddr, daddr:
		return parseAddr(s, v.v6)
	case sport, dport:
		p, ok := xtables.Ports(s, "-")
		return span{binary.BigEndian.AppendUint16(nil, p.From), binary.BigEndian.AppendUint16(nil, p.To)}, ok
	case l4proto:
		n, ok := protoByte(s)
		return span{[]byte{n}, []byte{n}}, ok
	case iifname, oifname:
		return parseName(s)
	}
	return v.parseWord(s)
}

func (v value) parseWord(s string) (span, bool) {
	index := func(words []string) (span, bool) {
		i := slices.Index(words, strings.ToLower(s))
		b := []byte{byte(i)}
		if v.size == 4 {
			b = binary.NativeEndian.AppendUint32(nil, uint32(i))
		}
		return span{b, b}, i >= 0
	}
	var b []byte
	switch v.kind {
	case nfproto:
		b = map[string][]byte{"ipv4": {2}, "ipv6": {10}}[s]
	case etherType:
		b = map[string][]byte{"ip": {8, 0}, "ip6": {0x86, 0xdd}}[s]
	case ctState:
		for _, x := range stateBits {
			if x.name == s {
				b = binary.NativeEndian.AppendUint32(nil, x.bit)
			}
		}
	case fibType:
		return index([]string{"unspec", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit"})
	case pktType:
		if s == "host" {
			s = "unicast"
		}
		return index(pktWords)
	default:
		b = []byte(s) // of a field that is a doubt anyway
	}
	return span{b, b}, len(b) > 0
}

func parseAddr(s string, v6 bool) (span, bool) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		if p, err := netip.ParsePrefix(s); err == nil && p.Addr().Is6() == v6 {
			return span{p.Masked().Addr().AsSlice(), xtables.Last(p).AsSlice()}, true
		}
		to = from
	}
	a, err1 := netip.ParseAddr(from)
	z, err2 := netip.ParseAddr(to)
	if err1 != nil || err2 != nil || a.Zone() != "" || z.Zone() != "" || a.Is6() != v6 || z.Is6() != v6 || z.Less(a) {
		return span{}, false
	}
	return span{a.AsSlice(), z.AsSlice()}, true
}

// parseName makes the bytes that the kernel compares: 16 of them, or fewer for
// a name that ends in an asterisk.
func parseName(s string) (span, bool) {
	if prefix, ok := strings.CutSuffix(s, "*"); ok && len(prefix) < 16 && prefix != "" {
		return span{[]byte(prefix), []byte(prefix)}, true
	}
	if s == "" || len(s) > 15 {
		return span{}, false
	}
	b := make([]byte, 16)
	copy(b, s)
	return span{b, b}, true
}
