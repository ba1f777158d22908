package yara

import (
	"regexp/syntax"

	"demine/internal/format/pattern"
)

// atomsOf finds fixed texts of which one stands in every match, near its
// beginning; nil if there are none. Of several choices it takes the one whose
// shortest text is the longest.
func atomsOf(re *syntax.Regexp) []atom {
	switch re.Op {
	case syntax.OpCapture, syntax.OpPlus:
		return atomsOf(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return atomsOf(re.Sub[0])
		}
	case syntax.OpAlternate:
		var all []atom
		for _, sub := range re.Sub {
			as := atomsOf(sub)
			if len(as) == 0 {
				return nil
			}
			all = append(all, as...)
		}
		return all
	case syntax.OpLiteral, syntax.OpConcat:
		var best []atom
		for _, as := range choices(re) {
			if worth(as) > worth(best) {
				best = as
			}
		}
		return best
	}
	return nil
}

// choices are the runs of fixed bytes of a sequence, and what its parts hold.
func choices(re *syntax.Regexp) (out [][]atom) {
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	var run atom
	least, most := 0, 0
	flush := func() {
		if len(run.bytes) > 0 {
			run.bytes = run.bytes[:min(len(run.bytes), pattern.MaxLen)]
			out = append(out, []atom{run})
		}
		run = atom{}
	}
	for _, sub := range parts {
		from, to := width(sub)
		b, nocase, ok := fixed(sub)
		switch {
		case to == 0: // an anchor
		case ok:
			if len(run.bytes) == 0 {
				run.least, run.most = least, most
			}
			run.bytes = append(run.bytes, b...)
			run.nocase = run.nocase || nocase
			if sub.Op != syntax.OpLiteral { // what it repeats stands at least once
				flush()
			}
		default:
			flush()
			var as []atom
			for _, a := range atomsOf(sub) {
				a.least, a.most = a.least+least, a.most+most
				if a.most > maxBefore {
					as = nil
					break
				}
				as = append(as, a)
			}
			if len(as) > 0 {
				out = append(out, as)
			}
		}
		least, most = least+from, most+to
		if most > maxBefore { // nothing further on is near the beginning
			break
		}
	}
	flush()
	return out
}

// fixed is the bytes of a literal, or of one that stands once or more often.
func fixed(re *syntax.Regexp) (b []byte, nocase, ok bool) {
	if re.Op == syntax.OpPlus || re.Op == syntax.OpRepeat && re.Min > 0 {
		re = re.Sub[0]
	}
	if re.Op != syntax.OpLiteral {
		return nil, false, false
	}
	nocase = re.Flags&syntax.FoldCase != 0
	for _, r := range re.Rune {
		if r > 0xff || nocase && r >= 0x80 {
			return nil, false, false
		}
		b = append(b, byte(r))
	}
	return b, nocase, true
}

const unbounded = maxBefore + 1

// width is how many bytes an expression matches, at least and at most; from
// unbounded on it does not matter how many.
func width(re *syntax.Regexp) (least, most int) {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune), len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, 1
	case syntax.OpCapture:
		return width(re.Sub[0])
	case syntax.OpStar:
		return 0, unbounded
	case syntax.OpPlus:
		least, _ = width(re.Sub[0])
		return least, unbounded
	case syntax.OpQuest:
		_, most = width(re.Sub[0])
		return 0, most
	case syntax.OpRepeat:
		least, most = width(re.Sub[0])
		if re.Max < 0 {
			return least * re.Min, unbounded
		}
		return least * re.Min, min(unbounded, most*re.Max)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			from, to := width(sub)
			least, most = least+from, min(unbounded, most+to)
		}
	case syntax.OpAlternate:
		least, most = width(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			from, to := width(sub)
			least, most = min(least, from), max(most, to)
		}
	}
	return least, most
}

func shortest(as []atom) int {
	n := pattern.MaxLen
	for _, a := range as {
		n = min(n, len(a.bytes))
	}
	return n
}

// worth ranks choices: long texts, and few of them that can begin in few places.
func worth(as []atom) int {
	if len(as) == 0 {
		return 0
	}
	spread := 0
	for _, a := range as {
		spread += a.most - a.least
	}
	return 1 + min(shortest(as), 2*pattern.MinLen)<<20 - min(spread, 1<<18) - len(as)
}

// fixedPart is the longest run of fixed bytes, and how far after the beginning
// it stands.
func fixedPart(re *syntax.Regexp) (b []byte, back int) {
	for _, as := range choices(re) {
		if a := as[0]; len(as) == 1 && a.least == a.most && len(a.bytes) > len(b) {
			b, back = a.bytes, a.least
		}
	}
	return b, back
}
