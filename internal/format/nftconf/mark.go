package nftconf

import (
	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// mark is what comes behind "meta mark": "& 0xff == 1", "{ 1, 2 }", "set 1".
func (r *reader) mark() {
	if r.peek() == "set" {
		r.next()
		r.b.SetMark(r.change())
		return
	}
	mask, ok := uint32(xtables.AllMark), true
	for r.peek() == "&" || r.peek() == "and" {
		r.next()
		bits, good := xtables.ParseBits(r.next())
		mask, ok = mask&bits, ok && good
	}
	op, values, _, good := r.right()
	var numbers []uint32
	for _, s := range values {
		n, isNumber := xtables.ParseBits(s)
		numbers, good = append(numbers, n), good && isNumber
	}
	if !ok || !good || op != "" && op != "!=" || len(numbers) == 0 {
		r.unknown("mark")
		return
	}
	r.b.Mark(numbers, mask, op == "!=")
}

// change is what comes behind "meta mark set": a number, or the mark with some
// bits changed.
func (r *reader) change() (m fact.Mark) {
	unclear := fact.Mark{Mask: xtables.AllMark, Unclear: true}
	switch w := r.value(); {
	case w == "meta" && r.peek() == "mark":
		r.next()
	case w == "mark":
	case w == "ct":
		r.next()
		m = unclear
	default:
		n, ok := xtables.ParseBits(w)
		if m = (fact.Mark{Value: n, Mask: xtables.AllMark}); !ok {
			m = unclear
		}
	}
	for {
		op := r.peek()
		if op != "&" && op != "and" && op != "|" && op != "or" && op != "^" && op != "xor" {
			return m
		}
		r.next()
		n, ok := xtables.ParseBits(r.next())
		to := unclear
		switch {
		case !ok:
		case op == "&" || op == "and":
			to = fact.Mark{Mask: ^n}
		case op == "|" || op == "or":
			to = fact.Mark{Value: n, Mask: n}
		default:
			to = fact.Mark{Value: n}
		}
		m = xtables.Marked(m, to)
	}
}
