package nftrules

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"demine/internal/format/xtables"
)

// hit is one entry of a set: the values and, of a verdict map, the verdict.
type hit struct {
	span
	to  table
	own own
}

// hits are the entries of a set. In a set of intervals the kernel gives each
// beginning and each end (exclusive) as an element of its own. ok is false when
// there is an entry that the keys do not say (a catch-all).
func (s *Set) hits() ([]hit, bool) {
	if !s.isCached {
		s.cached, s.cachedOK = s.readHits()
		s.isCached = true
	}
	return s.cached, s.cachedOK
}

func (s *Set) readHits() (out []hit, ok bool) {
	var begins, ends []element
	for _, e := range s.elements {
		switch {
		case e.flags&elemCatchall != 0:
			return nil, false
		case e.keyEnd != nil:
			out = append(out, hit{span{e.key, e.keyEnd}, e.verdict, e.own})
		case s.flags&setInterval == 0:
			out = append(out, hit{span{e.key, e.key}, e.verdict, e.own})
		case e.flags&elemIntervalEnd != 0:
			ends = append(ends, e)
		default:
			begins = append(begins, e)
		}
	}
	out = append(out, intervals(begins, ends)...)
	slices.SortFunc(out, func(a, b hit) int { return cmp.Or(bytes.Compare(a.from, b.from), bytes.Compare(a.span.to, b.span.to)) })
	return out, true
}

// intervals joins each beginning with the nearest end or beginning behind it.
func intervals(begins, ends []element) (out []hit) {
	edges := slices.Concat(begins, ends)
	byKey := func(a, b element) int { return bytes.Compare(a.key, b.key) }
	slices.SortFunc(edges, byKey)
	for _, b := range begins {
		i, _ := slices.BinarySearchFunc(edges, b, byKey)
		for i < len(edges) && bytes.Equal(edges[i].key, b.key) {
			i++
		}
		last := bytes.Repeat([]byte{0xff}, len(b.key))
		if i < len(edges) {
			last, _ = before(edges[i].key)
		}
		out = append(out, hit{span{b.key, last}, b.verdict, b.own})
	}
	return out
}

// stepLookup: NFTA_LOOKUP_SET 1, SREG 2, DREG 3 (a map), FLAGS 5 (1 inverts). A
// destination of 0 is the verdict.
func stepLookup(m *machine, t table) {
	s := m.dump.set(m.rule.family, m.rule.table, t.str(1))
	fields := m.keys(reg(t.u32(2)), s)
	left := fieldsText(fields)
	if t[3] != nil && t.u32(3) != 0 {
		m.load(t.u32(3), value{text: left + " map"})
		return
	}
	if s == nil || len(fields) == 0 {
		m.unread(left, "@"+t.str(1), t[3] != nil)
		return
	}
	hits, ok := s.hits()
	name := s.Name
	if s.flags&setAnonymous != 0 {
		name = ""
	}
	switch {
	case !ok:
		m.unread(left, "@"+s.Name, t[3] != nil)
	case t[3] != nil:
		m.vmap(fields, hits, name)
	case len(fields) == 1:
		spans := make([]span, len(hits))
		for i, h := range hits {
			spans[i] = h.span
		}
		m.narrow(fields[0], spans, t.u32(5)&1 != 0, true, name)
	default:
		m.tuple(fields, hits, t.u32(5)&1 != 0, name)
	}
}

// keys are the fields that make up a key: the registers from the first one on,
// each padded to four bytes, until they are as long as the key of the set.
func (m *machine) keys(first uint32, s *Set) (out []value) {
	want := 1
	if s != nil {
		want = max(s.keyLen, 1)
	}
	for got := 0; got < want && len(out) < 8; {
		v, ok := m.regs[first+uint32(got/4)]
		if !ok || v.size == 0 {
			return nil
		}
		out = append(out, v)
		got += (v.size + 3) &^ 3
	}
	return out
}

func fieldsText(f []value) string {
	var s []string
	for _, v := range f {
		s = append(s, v.text)
	}
	return strings.Join(s, " . ")
}

// unread is a lookup whose key or set is not understood.
func (m *machine) unread(left, right string, isMap bool) {
	m.doubtOf(value{text: left}, bang(isMap, "vmap"), right)
	if isMap {
		m.finish(verdict{"other", "vmap"})
	}
}

// vmap makes a rule of each entry of a verdict map.
func (m *machine) vmap(fields []value, hits []hit, name string) {
	text := m.vmapText(fields, hits, name)
	left := fieldsText(fields)
	for _, f := range fields {
		if f.kind == unknown || f.mask != nil {
			m.unread(left, "@"+name, true)
			return
		}
	}
	m.say(word{nft: text, implied: m.implied(fields)})
	if len(hits) == 0 {
		m.finish(verdict{"continue", ""})
		return
	}
	apart := m.apart()
	if !m.fork(len(hits), func(i int, one []alt) { apart.entry(one, fields, hits[i]) }) {
		m.doubt(left + " vmap")
		m.finish(verdict{"other", "vmap"})
	}
}

// implied is what the names of the fields say.
func (m *machine) implied(fields []value) string {
	var s []string
	for _, f := range fields {
		s = append(s, impliedBy(f.text))
	}
	return strings.Join(s, " ")
}

// entry narrows a by one entry of a map and gives it the verdict.
func (m *machine) entry(one []alt, fields []value, h hit) {
	m.key(one, fields, h.span)
	v, ok := verdictOf(h.to)
	if !ok {
		v = verdict{"other", ""}
	}
	one[0].decide(v)
}

// apart is a machine for alternatives of the same rule.
func (m *machine) apart() *machine { return &machine{dump: m.dump, ifname: m.ifname, rule: m.rule} }

// key narrows one alternative, which is not among those of m, by a key, field by
// field.
func (m *machine) key(one []alt, fields []value, s span) {
	m.alts = one
	at := 0
	for _, f := range fields {
		part, ok := s.cut(at, f.size)
		if len(fields) == 1 {
			part, ok = s, true
		}
		at += (f.size + 3) &^ 3
		if !ok {
			m.alts[0].rule.Unknown = append(m.alts[0].rule.Unknown, f.text)
			continue
		}
		if !m.apply(f, []span{part}, false) {
			m.doubt(f.text)
		}
	}
}

func (s span) cut(at, n int) (span, bool) {
	if at+n > len(s.from) || at+n > len(s.to) {
		return span{}, false
	}
	return span{s.from[at : at+n], s.to[at : at+n]}, true
}

// tuple is a lookup of a concatenation in a set: a rule of each entry.
func (m *machine) tuple(fields []value, hits []hit, not bool, name string) {
	left := fieldsText(fields)
	right := "@" + name
	if name == "" {
		right = "{ … }"
	}
	if len(hits) == 0 && !not {
		m.say(word{nft: left + " " + right, implied: m.implied(fields)})
		m.each(xtables.Never)
		return
	}
	apart := m.apart()
	if not || !m.fork(len(hits), func(i int, one []alt) {
		apart.key(one, fields, hits[i].span)
		hits[i].own.apply(&one[0].rule)
	}) {
		m.doubtOf(value{text: left}, bang(not, "!="), right)
		return
	}
	m.say(word{nft: left + " " + right, implied: m.implied(fields)})
}

func (m *machine) vmapText(fields []value, hits []hit, name string) string {
	left := fieldsText(fields) + " vmap "
	if name != "" {
		return left + "@" + name
	}
	var s []string
	for i, h := range hits {
		if i == 16 {
			s = append(s, "…")
			break
		}
		v, _ := verdictOf(h.to)
		key := "…"
		if len(fields) == 1 {
			key = fields[0].spanText(h.span, m.ifname)
		}
		s = append(s, key+" : "+v.nft())
	}
	return left + "{ " + strings.Join(s, ", ") + " }"
}
