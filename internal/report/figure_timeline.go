package report

import (
	"math"
	"slices"
	"time"

	"demine/internal/explain"
)

// timelineFigure is the events on one axis. Distances grow with the logarithm of
// the time between two events: minutes of an attack and weeks before it stand on
// one page, and each gap says how long it was.
type timelineFigure struct {
	Title  string
	Width  int
	Height int
	Axis   int // y of the axis
	Points []timePoint
	Gaps   []timeGap
}

type timePoint struct {
	X      int
	Future bool
	Clock  string // day and hour, told where there is room
	LabelY int
	Text   string // what a pointer over it shows
}

type timeGap struct {
	X, Width, Middle int
	Text             string // empty where there is no room
}

// Measures of the figure, in units of its own.
const (
	timelineWidth  = 960
	timelineMargin = 70
	timelineAxis   = 48
	timelineBelow  = 22 // below the axis, without labels
	leastGap       = 14 // between two points
	gapLabelWidth  = 70 // that a gap needs to be labelled
	clockWidth     = 118
)

// timelineFigure gives nil for fewer than two moments.
func (g *page) timelineFigure(es []explain.Event) *timelineFigure {
	all := len(es)
	es = outer(es)
	if len(es) < 2 || !es[len(es)-1].Time.After(es[0].Time) {
		return nil
	}
	title := g.say("page.figure.timeline", "n", all)
	if all > len(es) {
		title += g.say("page.figure.left-out", "n", all-len(es))
	}
	f := &timelineFigure{Title: g.fit(title), Width: timelineWidth, Height: timelineAxis + timelineBelow, Axis: timelineAxis}
	xs := spread(es)
	free := [2]int{} // where the last label above and below the axis ends
	for i, e := range es {
		p := timePoint{X: xs[i], Future: e.Future, Text: g.fit(g.say("fmt.time", "t", e.Time) + "  " + g.text(e.Message))}
		for side, y := range []int{timelineAxis - 24, timelineAxis + timelineBelow + 2} {
			if left := p.X - clockWidth/2; left >= free[side] && (i == 0 || !sameMinute(e.Time, es[i-1].Time)) {
				p.Clock, p.LabelY, free[side] = g.fit(g.say("fmt.time", "t", e.Time)), y, left+clockWidth
				f.Height = max(f.Height, y+8)
				break
			}
		}
		f.Points = append(f.Points, p)
		if i == 0 {
			continue
		}
		gap := timeGap{X: xs[i-1], Width: xs[i] - xs[i-1], Middle: (xs[i] - xs[i-1]) / 2}
		if d := e.Time.Sub(es[i-1].Time); gap.Width >= gapLabelWidth {
			gap.Text = g.fit(g.say("page.figure.gap", "d", d))
		}
		f.Gaps = append(f.Gaps, gap)
	}
	return f
}

// outer are the events that there is room for: the first, which tell how it
// began, and the last.
func outer(es []explain.Event) []explain.Event {
	const most = 40
	if len(es) <= most {
		return es
	}
	return append(slices.Clone(es[:most/2]), es[len(es)-most/2:]...)
}

func sameMinute(a, b time.Time) bool { return b.Sub(a).Abs() < time.Minute }

// spread gives each event its place.
func spread(es []explain.Event) []int {
	weights, sum := make([]float64, len(es)), 0.0
	for i := 1; i < len(es); i++ {
		weights[i] = math.Log1p(es[i].Time.Sub(es[i-1].Time).Seconds())
		sum += weights[i]
	}
	room := float64(timelineWidth - 2*timelineMargin - leastGap*(len(es)-1))
	xs, x := make([]int, len(es)), float64(timelineMargin)
	for i := range es {
		if i > 0 {
			x += leastGap + room*weights[i]/sum
		}
		xs[i] = int(x)
	}
	return xs
}
