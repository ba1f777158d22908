package report

import (
	"demine/internal/explain"
	"demine/internal/fact"
)

// graphFigure is what belongs together, from the left (what was first) to the
// right.
type graphFigure struct {
	Title  string
	Width  int
	Height int
	Boxes  []graphBox
	Lines  []graphLine
}

type graphBox struct {
	X, Y  int
	Kind  string // its class
	Word  string // the kind in words
	Label string // cut to the box
	Whole string
}

type graphLine struct {
	FromX, FromY, ToX, ToY int
	BendA, BendB           int // x of the two points that bend it
	WordX, WordY           int
	Word                   string
}

// Measures of the figure, in units of its own.
const (
	boxWidth    = 200
	boxHeight   = 46
	boxLabel    = 25 // columns of its text
	columnSpace = 70
	rowSpace    = 22
	graphMargin = 8
	maxBoxes    = 40
)

// graphFigure gives nil where nothing belongs together.
func (g *page) graphFigure(gr *explain.Graph) *graphFigure {
	nodes := gr.Nodes[:min(len(gr.Nodes), maxBoxes)]
	if len(nodes) < 2 || len(gr.Edges) == 0 {
		return nil
	}
	f := &graphFigure{Title: g.fit(g.say("page.figure.graph", "n", len(nodes)))}
	column := columnsOf(nodes, gr.Edges)
	at, filled := map[fact.Ref]graphBox{}, map[int]int{}
	for _, n := range nodes {
		c := column[n.Ref]
		label := g.fit(g.host(n.Label))
		b := graphBox{
			X: graphMargin + c*(boxWidth+columnSpace), Y: graphMargin + filled[c]*(boxHeight+rowSpace),
			Kind: n.Kind, Word: g.kindWord(n.Kind), Label: fitMiddle(label, boxLabel, g.dots()), Whole: label,
		}
		filled[c]++
		at[n.Ref] = b
		f.Boxes = append(f.Boxes, b)
		f.Width, f.Height = max(f.Width, b.X+boxWidth+graphMargin), max(f.Height, b.Y+boxHeight+graphMargin)
	}
	said := map[[2]int]bool{} // two words in one place would cover each other
	for _, e := range gr.Edges {
		from, ok := at[e.From]
		to, also := at[e.To]
		if !ok || !also {
			continue
		}
		l := lineBetween(from, to)
		if where := [2]int{l.WordX, l.WordY}; !said[where] {
			said[where] = true
			l.Word = g.fit(g.edgeWord(e.Kind))
		}
		f.Lines = append(f.Lines, l)
	}
	return f
}

func (g *page) kindWord(kind string) string {
	for _, id := range []string{"remains.kind." + kind, "page.kind." + kind} {
		if g.c.Has(id) {
			return g.fit(g.say(id))
		}
	}
	return g.fit(g.host(kind))
}

// columnsOf puts each node behind all that lead to it. An edge that closes a
// circle does not count.
func columnsOf(nodes []explain.Node, edges []explain.Edge) map[fact.Ref]int {
	before := map[fact.Ref][]fact.Ref{}
	for _, e := range edges {
		before[e.To] = append(before[e.To], e.From)
	}
	column, open := map[fact.Ref]int{}, map[fact.Ref]bool{}
	var place func(fact.Ref) int
	place = func(r fact.Ref) int {
		if c, done := column[r]; done {
			return c
		}
		open[r] = true
		c := 0
		for _, f := range before[r] {
			if !open[f] {
				c = max(c, place(f)+1)
			}
		}
		delete(open, r)
		column[r] = c
		return c
	}
	for _, n := range nodes {
		place(n.Ref)
	}
	return packed(nodes, column)
}

// packed leaves no column empty.
func packed(nodes []explain.Node, column map[fact.Ref]int) map[fact.Ref]int {
	used := map[int]bool{}
	for _, n := range nodes {
		used[column[n.Ref]] = true
	}
	place, next := map[int]int{}, 0
	for c := range 1 + len(column) {
		if used[c] {
			place[c] = next
			next++
		}
	}
	out := map[fact.Ref]int{}
	for _, n := range nodes {
		out[n.Ref] = place[column[n.Ref]]
	}
	return out
}

// lineBetween leaves a box at its right side and enters one at its left side.
func lineBetween(a, b graphBox) graphLine {
	l := graphLine{FromX: a.X + boxWidth, FromY: a.Y + boxHeight/2, ToX: b.X, ToY: b.Y + boxHeight/2}
	bend := columnSpace / 2
	l.BendA, l.BendB = l.FromX+bend, l.ToX-bend
	l.WordX, l.WordY = b.X-columnSpace/2, b.Y+boxHeight/2-6
	return l
}

// fitMiddle cuts a text to n columns in its middle: of a path the end says most.
func fitMiddle(s string, n int, dots string) string {
	if columns(s) <= n {
		return s
	}
	head := fit(s, n/2, dots)
	rest := []rune(s)
	for columns(string(rest)) > n-columns(head) {
		rest = rest[1:]
	}
	return head + string(rest)
}
