package yara

import (
	"cmp"
	"errors"
	"regexp/syntax"
	"slices"
)

// Limits of one look at a file. What goes over is not looked at any further,
// and Scan says so.
const (
	maxHits  = 100_000 // of one string
	maxKept  = 1 << 20 // of all strings
	maxSteps = 1 << 25 // of expressions and loops, about a second
)

// ErrTooMuch comes with what was found until a limit was reached.
var ErrTooMuch = errors.New("the rules find more in this file than is followed up")

// found is one place where a string stands.
type found struct{ off, n int }

// scan is one look at one file.
type scan struct {
	r     *Rules
	data  []byte
	hits  [][]found // by string
	done  []bool    // strings that were searched
	truth []bool    // of the rules before
	vars  []value   // of loops
	each  []int     // strings that loops are at
	steps int
	kept  int // places in hits
	over  bool
	now   queue
	then  queue
}

// Scan runs the rules over a whole file. The matches are valid also when the
// error is ErrTooMuch.
func (r *Rules) Scan(data []byte) ([]Match, error) {
	sc := &scan{r: r, data: data, steps: maxSteps, hits: make([][]found, len(r.strs)), done: make([]bool, len(r.strs))}
	sc.find()
	out := sc.judge()
	if sc.over {
		return out, ErrTooMuch
	}
	return out, nil
}

// judge evaluates the conditions in order. Where a global rule does not hold,
// none does.
func (sc *scan) judge() (out []Match) {
	for i := range sc.r.rules {
		x := &sc.r.rules[i]
		yes := x.when(sc).yes()
		sc.truth = append(sc.truth, yes)
		if x.global && !yes {
			return nil
		}
		if yes && !x.private {
			out = append(out, sc.match(x))
		}
	}
	return out
}

func (sc *scan) match(x *rule) Match {
	m := Match{Rule: x.name, Tags: x.tags, meta: x.meta, Offset: -1}
	for i := x.first; i < x.last; i++ {
		if sc.r.strs[i].next != nil {
			sc.of(i)
		}
		if h := sc.hits[i]; len(h) > 0 {
			if m.Count++; m.Offset < 0 || h[0].off < m.Offset {
				m.Offset = h[0].off
			}
		}
	}
	m.Offset = max(0, m.Offset)
	return m
}

// find looks for the atoms and compares the strings around them.
func (sc *scan) find() {
	for i := range sc.r.strs {
		sc.done[i] = len(sc.r.strs[i].atoms) > 0 && sc.r.strs[i].next == nil
	}
	touched := map[int]bool{}
	sc.r.set.Scan(sc.data, func(id, at int) {
		a := &sc.r.atoms[id]
		s := &sc.r.strs[a.str]
		if s.prog != nil && sc.steps < 0 {
			return
		}
		for off := max(0, at-a.most); off <= at-a.least; off++ {
			if n, ok := s.stands(sc, off, a.lit); ok {
				sc.add(a.str, off, n)
				touched[a.str] = true
			}
		}
	})
	for i := range touched {
		sc.sort(i)
	}
}

func (sc *scan) add(i, off, n int) {
	if len(sc.hits[i]) == maxHits || sc.kept == maxKept {
		sc.over = true
		return
	}
	sc.kept++
	sc.hits[i] = append(sc.hits[i], found{off, n})
}

// sort orders the places of a string, each once, the longest match there.
func (sc *scan) sort(i int) {
	slices.SortFunc(sc.hits[i], func(a, b found) int { return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(b.n, a.n)) })
	sc.hits[i] = slices.CompactFunc(sc.hits[i], func(a, b found) bool { return a.off == b.off })
}

// of gives where a string stands.
func (sc *scan) of(i int) []found {
	if !sc.done[i] {
		sc.done[i] = true
		s := &sc.r.strs[i]
		if len(s.atoms) == 0 {
			s.search(sc, func(off, n int) { sc.add(i, off, n) })
			sc.sort(i)
		}
		if s.next != nil {
			sc.hits[i] = chained(sc.hits[i], sc.of(s.tail), s.gap)
		}
	}
	return sc.hits[i]
}

// chained keeps the heads behind which a tail stands, and takes in the nearest.
func chained(heads, tails []found, gap int) (out []found) {
	for _, h := range heads {
		i, _ := slices.BinarySearchFunc(tails, h.off+h.n+gap, func(f found, off int) int { return cmp.Compare(f.off, off) })
		if i < len(tails) {
			out = append(out, found{h.off, tails[i].off + tails[i].n - h.off})
		}
	}
	return out
}

// at reports whether a string stands at off.
func (sc *scan) at(i int, off int64) bool {
	if off < 0 || off > int64(len(sc.data)) {
		return false
	}
	if sc.r.strs[i].next != nil {
		sc.of(i)
	}
	if !sc.done[i] { // not worth a search
		_, ok := sc.r.strs[i].stands(sc, int(off), -1)
		return ok
	}
	_, ok := slices.BinarySearchFunc(sc.hits[i], int(off), func(f found, off int) int { return cmp.Compare(f.off, off) })
	return ok
}

// spend takes steps from the budget and reports whether some are left.
func (sc *scan) spend(n int) bool {
	if sc.steps -= n; sc.steps < 0 {
		sc.over = true
		return false
	}
	return true
}

// queue is a list of instructions, each once, the preferred first.
type queue struct {
	pcs  []uint32
	seen []uint32 // by instruction: the round in which it was added
	at   uint32
}

func (q *queue) clear(n int) {
	if len(q.seen) < n {
		q.seen = append(q.seen, make([]uint32, n-len(q.seen))...)
	}
	q.at++
	q.pcs = q.pcs[:0]
}

// run matches a program at off as backtracking would (Pike's way to do that in
// one pass; see regexp of Go) and gives the end.
func (sc *scan) run(p *program, off int) (end int, ok bool) {
	now, then := &sc.now, &sc.then
	now.clear(len(p.Inst))
	sc.follow(p, now, uint32(p.Start), off)
	limit := min(len(sc.data), off+maxMatch)
	for i := off; len(now.pcs) > 0 && sc.spend(len(now.pcs)); i++ {
		then.clear(len(p.Inst))
	threads:
		for _, pc := range now.pcs {
			switch in := &p.Inst[pc]; {
			case in.Op == syntax.InstMatch:
				end, ok = i, true
				break threads // what comes after is less preferred
			case i < limit && takes(in, sc.data[i]):
				sc.follow(p, then, in.Out, i+1)
			}
		}
		now, then = then, now
	}
	return end, ok
}

func takes(in *syntax.Inst, b byte) bool {
	switch in.Op {
	case syntax.InstRune1:
		return in.Rune[0] == rune(b)
	case syntax.InstRuneAny:
		return true
	case syntax.InstRuneAnyNotNL:
		return b != '\n'
	}
	return in.MatchRune(rune(b))
}

// follow adds the instructions that read a byte and are reached from pc at off.
func (sc *scan) follow(p *program, q *queue, pc uint32, off int) {
	for q.seen[pc] != q.at {
		q.seen[pc] = q.at
		in := &p.Inst[pc]
		switch in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			sc.follow(p, q, in.Out, off)
			pc = in.Arg
		case syntax.InstCapture, syntax.InstNop:
			pc = in.Out
		case syntax.InstEmptyWidth:
			if sc.flags(off)&syntax.EmptyOp(in.Arg) != syntax.EmptyOp(in.Arg) {
				return
			}
			pc = in.Out
		case syntax.InstFail:
			return
		default:
			q.pcs = append(q.pcs, pc)
			return
		}
	}
}

// flags are the anchors that hold between two bytes.
func (sc *scan) flags(off int) syntax.EmptyOp {
	before, after := rune(-1), rune(-1)
	if off > 0 {
		before = rune(sc.data[off-1])
	}
	if off < len(sc.data) {
		after = rune(sc.data[off])
	}
	return syntax.EmptyOpContext(before, after)
}
