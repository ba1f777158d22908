package yara

import (
	"bytes"
	"slices"

	"demine/internal/format/pattern"
)

// str is one string of a rule: texts, or an expression.
type str struct {
	name  string
	line  int
	lits  []literal
	prog  *program // nil for texts
	full  bool
	atoms []atom
	slow  []byte // of an expression without atoms: a fixed part, shorter than the set takes
	back  int    // how far before slow it begins
	next  *str   // what has to stand behind it, at least gap bytes on; nil: nothing
	gap   int
	tail  int // number of next
}

// literal is one text, as it is or as a variant of it.
type literal struct {
	bytes        []byte
	nocase, wide bool
}

// atom is a fixed part of a string. Where it stands, the string may begin
// least to most bytes before.
type atom struct {
	str, lit    int
	bytes       []byte
	nocase      bool
	least, most int
}

// text makes the variants that the modifiers ask for.
func (s *str) text(b []byte, m modifiers) {
	if len(b) == 0 {
		refuse(s.line, "an empty text")
	}
	s.full = m.full
	var base []literal
	if m.ascii || !m.wide {
		base = append(base, literal{b, m.nocase, false})
	}
	if m.wide {
		base = append(base, literal{widen(b), m.nocase, true})
	}
	for _, l := range base {
		if !m.xor {
			s.lits = append(s.lits, l)
			continue
		}
		for k := m.from; k <= m.to; k++ {
			s.lits = append(s.lits, literal{xored(l.bytes, byte(k)), false, l.wide})
		}
	}
	for i, l := range s.lits {
		if len(l.bytes) < pattern.MinLen {
			s.atoms = nil
			return // all variants are as short, or the wide one is searched with it
		}
		s.atoms = append(s.atoms, atom{lit: i, bytes: l.bytes[:min(len(l.bytes), pattern.MaxLen)], nocase: l.nocase})
	}
}

func widen(b []byte) []byte {
	out := make([]byte, 2*len(b))
	for i, c := range b {
		out[2*i] = c
	}
	return out
}

func xored(b []byte, key byte) []byte {
	out := bytes.Clone(b)
	for i := range out {
		out[i] ^= key
	}
	return out
}

// stands reports whether the string stands at off, and how long it is there.
// lit names the variant to compare; -1: any.
func (s *str) stands(sc *scan, off, lit int) (n int, ok bool) {
	if off < 0 || off >= len(sc.data) {
		return 0, false
	}
	if s.prog != nil {
		end, ok := sc.run(s.prog, off)
		return end - off, ok && end > off && (!s.full || alone(sc.data, off, end, false))
	}
	for i := range s.lits {
		l := &s.lits[i]
		if lit >= 0 && i != lit {
			continue
		}
		end := off + len(l.bytes)
		if end <= len(sc.data) && l.same(sc.data[off:end]) && (!s.full || alone(sc.data, off, end, l.wide)) {
			return len(l.bytes), true
		}
	}
	return 0, false
}

func (l *literal) same(b []byte) bool {
	if !l.nocase {
		return bytes.Equal(b, l.bytes)
	}
	for i, c := range l.bytes {
		if lower(c) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// alone reports whether no letter or digit stands right before off or at end.
func alone(b []byte, off, end int, wide bool) bool {
	if wide {
		return !(off >= 2 && b[off-1] == 0 && alphanumeric(b[off-2])) &&
			!(end+1 < len(b) && b[end+1] == 0 && alphanumeric(b[end]))
	}
	return !(off >= 1 && alphanumeric(b[off-1])) && !(end < len(b) && alphanumeric(b[end]))
}

func alphanumeric(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }

// search finds a string that has no atoms wherever it stands.
func (s *str) search(sc *scan, tell func(off, n int)) {
	look := func(off, lit int) {
		if n, ok := s.stands(sc, off, lit); ok {
			tell(off, n)
		}
	}
	if s.prog != nil {
		each(sc.data, s.slow, func(at int) { look(at-s.back, -1) })
		return
	}
	for i, l := range s.lits {
		for _, c := range slices.Compact([]byte{lower(l.bytes[0]), upper(l.bytes[0])}) {
			if l.nocase || c == l.bytes[0] {
				first := bytes.Clone(l.bytes)
				first[0] = c
				if l.nocase {
					first = first[:1]
				}
				each(sc.data, first, func(at int) { look(at, i) })
			}
		}
	}
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c &^ 0x20
	}
	return c
}

// each calls tell for every place of w in b.
func each(b, w []byte, tell func(at int)) {
	for from := 0; ; {
		n := bytes.Index(b[from:], w)
		if n < 0 {
			return
		}
		tell(from + n)
		from += n + 1
	}
}
