package yara

import (
	"encoding/binary"
	"strings"
)

// stands reads $a, $a at N, $a in (N..M).
func (p *parser) stands() expr {
	which := p.which(p.next())
	switch {
	case p.accept("at"):
		where := p.level(levelAt)
		return func(sc *scan) value {
			v := where(sc)
			return truth(!v.undef && sc.at(which(sc), v.n))
		}
	case p.accept("in"):
		from, to := p.span()
		return func(sc *scan) value { return truth(sc.within(which(sc), from(sc), to(sc)) > 0) }
	}
	return func(sc *scan) value { return truth(len(sc.of(which(sc))) > 0) }
}

// levelAt is where numbers begin in levels.
const levelAt = 5

// which gives the string that a token names; without a name, the one that the
// loop around is at.
func (p *parser) which(t token) func(*scan) int {
	if strings.HasSuffix(t.text, "*") {
		refuse(t.line, "%s stands for several strings", t)
	}
	if t.text == "" {
		if p.each == 0 {
			refuse(t.line, "$ without a name outside of for … of")
		}
		return func(sc *scan) int { return sc.each[len(sc.each)-1] }
	}
	i, ok := p.ids[t.text]
	if !ok {
		refuse(t.line, `no string "$%s" in this rule`, t.text)
	}
	return func(*scan) int { return i }
}

// span reads (N..M).
func (p *parser) span() (from, to expr) {
	p.expect("(")
	from = p.level(levelAt)
	p.expect("..")
	to = p.level(levelAt)
	p.expect(")")
	return from, to
}

// within counts the places of a string that lie between two offsets, both in.
func (sc *scan) within(i int, from, to value) (n int64) {
	if from.undef || to.undef {
		return 0
	}
	for _, f := range sc.of(i) {
		if int64(f.off) >= from.n && int64(f.off) <= to.n {
			n++
		}
	}
	return n
}

// property reads #a, #a in (N..M), @a, @a[i], !a and !a[i].
func (p *parser) property() expr {
	t := p.next()
	which := p.which(t)
	if t.kind == tokCount {
		if p.accept("in") {
			from, to := p.span()
			return func(sc *scan) value {
				a, b := from(sc), to(sc)
				if a.undef || b.undef {
					return undefined
				}
				return num(sc.within(which(sc), a, b))
			}
		}
		return func(sc *scan) value { return num(int64(len(sc.of(which(sc))))) }
	}
	nth := func(*scan) value { return num(1) }
	if p.accept("[") {
		nth = p.expression()
		p.expect("]")
	}
	return func(sc *scan) value {
		i, hits := nth(sc), sc.of(which(sc))
		if i.undef || i.n < 1 || i.n > int64(len(hits)) {
			return undefined
		}
		if f := hits[i.n-1]; t.kind == tokOffset {
			return num(int64(f.off))
		} else {
			return num(int64(f.n))
		}
	}
}

// Quantifiers that are no numbers.
const (
	all  = -1
	none = -2
)

func quantifier(word string) expr {
	n := map[string]int64{"all": all, "none": none, "any": 1}[word]
	return func(*scan) value { return num(n) }
}

// holds decides by how many of some hold. A number of 0 is none, as in YARA
// since 4.1.
func holds(want value, have, some int64) value {
	switch {
	case want.undef:
		return truth(false)
	case want.n == all:
		return truth(have == some)
	case want.n == none || want.n == 0:
		return truth(have == 0)
	}
	return truth(have >= want.n)
}

// enough is holds for loops, where 0 is at least none, as in YARA 4.2.
func enough(want value, have, some int64) value {
	if !want.undef && want.n == 0 {
		return truth(true)
	}
	return holds(want, have, some)
}

// of reads what follows a quantifier: of them, of ($a, $b*), in (N..M).
func (p *parser) of(want expr) expr {
	p.expect("of")
	set := p.set()
	if p.is("at") {
		refuse(p.tok.line, "of … at is not supported")
	}
	if p.accept("in") {
		from, to := p.span()
		return func(sc *scan) value {
			a, b, n := from(sc), to(sc), int64(0)
			for _, i := range set {
				if sc.within(i, a, b) > 0 {
					n++
				}
			}
			return holds(want(sc), n, int64(len(set)))
		}
	}
	return func(sc *scan) value {
		n := int64(0)
		for _, i := range set {
			if len(sc.of(i)) > 0 {
				n++
			}
		}
		return holds(want(sc), n, int64(len(set)))
	}
}

// set reads them or ($a, $b*).
func (p *parser) set() (out []int) {
	line := p.tok.line
	if p.accept("them") {
		for i := p.rulx.first; i < len(p.r.strs); i++ {
			out = append(out, i)
		}
	} else {
		p.expect("(")
		for {
			if p.tok.kind == tokWord {
				refuse(p.tok.line, "sets of rules are not supported")
			}
			if p.tok.kind != tokString {
				refuse(p.tok.line, "%s where a string was expected", p.tok)
			}
			out = append(out, p.member(p.next())...)
			if !p.accept(",") {
				break
			}
		}
		p.expect(")")
	}
	if len(out) == 0 {
		refuse(line, "a set without strings")
	}
	return out
}

// member gives the strings that one token of a set names.
func (p *parser) member(t token) (out []int) {
	prefix, star := strings.CutSuffix(t.text, "*")
	for i := p.rulx.first; i < len(p.r.strs); i++ {
		if name := p.r.strs[i].name; star && strings.HasPrefix(name, prefix) || name != "" && name == t.text {
			out = append(out, i)
		}
	}
	if len(out) == 0 {
		refuse(t.line, "no string %s in this rule", t)
	}
	return out
}

// loop reads for Q of SET : ( … ) and for Q i in (N..M) : ( … ).
func (p *parser) loop() expr {
	var want expr
	switch {
	case p.is("none"):
		refuse(p.tok.line, "for none is not supported: versions of YARA differ in it")
	case p.is("all"), p.is("any"):
		want = quantifier(p.next().text)
	default:
		p.plain = true
		want = p.level(levelAt)
		p.plain = false
	}
	if p.accept("of") {
		set := p.set()
		p.each++
		body := p.body()
		p.each--
		return func(sc *scan) value {
			n := int64(0)
			for _, i := range set {
				sc.each = append(sc.each, i)
				if sc.spend(1) && body(sc).yes() {
					n++
				}
				sc.each = sc.each[:len(sc.each)-1]
			}
			return enough(want(sc), n, int64(len(set)))
		}
	}
	name := p.word("the name of a variable")
	p.expect("in")
	next := p.values()
	p.vars = append(p.vars, name)
	body := p.body()
	p.vars = p.vars[:len(p.vars)-1]
	return func(sc *scan) value {
		have, some := int64(0), int64(0)
		ok := next(sc, func(v value) bool {
			sc.vars = append(sc.vars, v)
			some++
			if body(sc).yes() {
				have++
			}
			sc.vars = sc.vars[:len(sc.vars)-1]
			return sc.spend(1)
		})
		if !ok {
			return undefined
		}
		return enough(want(sc), have, some)
	}
}

func (p *parser) body() expr {
	p.expect(":")
	p.expect("(")
	x := p.expression()
	p.expect(")")
	return x
}

// values reads (N..M) or (N, M, …) and gives what goes through them until it is
// told to stop; false where they are not defined.
func (p *parser) values() func(*scan, func(value) bool) bool {
	p.expect("(")
	list := []expr{p.level(levelAt)}
	if p.accept("..") {
		to := p.level(levelAt)
		p.expect(")")
		return func(sc *scan, tell func(value) bool) bool {
			a, b := list[0](sc), to(sc)
			if a.undef || b.undef {
				return false
			}
			for v := a.n; v <= b.n && tell(num(v)); v++ {
			}
			return a.n <= b.n
		}
	}
	for p.accept(",") {
		list = append(list, p.level(levelAt))
	}
	p.expect(")")
	return func(sc *scan, tell func(value) bool) bool {
		for _, x := range list {
			if !tell(x(sc)) {
				return false
			}
		}
		return true
	}
}

// integer reads uint8(N), int32be(N) …; nil if the word is no such function.
func (p *parser) integer(t token) expr {
	name, signed := strings.CutPrefix(t.text, "int")
	if !signed {
		var ok bool
		if name, ok = strings.CutPrefix(t.text, "uint"); !ok {
			return nil
		}
	}
	name, big := strings.CutSuffix(name, "be")
	size := map[string]int64{"8": 1, "16": 2, "32": 4}[name]
	if size == 0 {
		return nil
	}
	p.expect("(")
	where := p.expression()
	p.expect(")")
	return func(sc *scan) value {
		v := where(sc)
		if v.undef || v.n < 0 || v.n > int64(len(sc.data))-size {
			return undefined
		}
		return num(extend(sc.data[v.n:v.n+size], big, signed))
	}
}

func extend(b []byte, big, signed bool) int64 {
	var n uint32
	switch len(b) {
	case 1:
		n = uint32(b[0])
	case 2:
		if n = uint32(binary.LittleEndian.Uint16(b)); big {
			n = uint32(binary.BigEndian.Uint16(b))
		}
	default:
		if n = binary.LittleEndian.Uint32(b); big {
			n = binary.BigEndian.Uint32(b)
		}
	}
	if !signed {
		return int64(n)
	}
	unused := 32 - 8*len(b)
	return int64(int32(n<<unused) >> unused)
}
