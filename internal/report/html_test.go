package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/respond"
)

func TestHTMLGolden(t *testing.T) {
	after := later(t, removed)
	for name, r := range map[string]struct {
		scan string
		page Page
		runs []string
	}{
		"mining":   {"mining", Page{}, nil},
		"done":     {"mining", Page{After: after}, []string{"done", "unconfirmed"}},
		"redacted": {"mining", Page{Redact: true, After: after}, []string{"partly", "hostile"}},
		"disk":     {"disk", Page{}, nil},
		"hostile":  {"hostile", Page{}, []string{"hostile"}},
	} {
		for _, lang := range []string{i18n.English, i18n.Chinese} {
			t.Run(name+"."+lang, func(t *testing.T) {
				var rs []respond.Run
				for _, n := range r.runs {
					rs = append(rs, runs()[n])
				}
				r.page.Format = PageHTML
				var b bytes.Buffer
				if err := OnePage(&b, load(t, r.scan), rs, Options{Catalogue: paged(t, lang)}, r.page); err != nil {
					t.Fatal(err)
				}
				alone(t, b.String())
				golden(t, "html."+name+"."+lang, b.Bytes())
			})
		}
	}
}

// alone: the page names nothing that a browser would fetch or run, and all that
// is opened is closed.
func alone(t *testing.T, page string) {
	t.Helper()
	for _, bad := range []string{`(?i)<script`, `(?i)\son[a-z]+\s*=`, `(?i)<a\s`, `(?i)\ssrc\s*=`, `(?i)\shref\s*=`, `(?i)https?://`,
		`(?i)@import`, `(?i)url\((?:[^#]|$)`, `(?i)<(iframe|object|embed|link|img|base|form)\b`, `ZgotmplZ`} {
		if m := regexp.MustCompile(bad).FindString(page); m != "" {
			t.Errorf("there is %q", m)
		}
	}
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = true, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// Events of weeks and of seconds stand in order on one axis, none on another.
func TestTimelineFigure(t *testing.T) {
	g := &page{printer: newPrinter(load(t, "mining"), Options{}), Page: Page{Format: PageHTML}}
	begin := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	var es []explain.Event
	for _, after := range []time.Duration{0, 0, time.Second, time.Minute, 20 * 24 * time.Hour, 21 * 24 * time.Hour} {
		es = append(es, explain.Event{Time: begin.Add(after), Message: i18n.M("event.tick", "schedule", "* * * * *")})
	}
	f := g.timelineFigure(es)
	for i := 1; i < len(f.Points); i++ {
		if gap := f.Points[i].X - f.Points[i-1].X; gap < leastGap {
			t.Errorf("points %d and %d are %d apart", i-1, i, gap)
		}
	}
	if last := f.Points[len(f.Points)-1].X; last > timelineWidth-timelineMargin {
		t.Errorf("the last point is at %d", last)
	}
	if short, long := f.Gaps[2].Width, f.Gaps[3].Width; long <= short {
		t.Errorf("weeks take %d, a minute %d", long, short)
	}
	var many []explain.Event
	for i := range 100 {
		many = append(many, explain.Event{Time: begin.Add(time.Duration(i) * time.Hour), Message: i18n.M("event.tick", "schedule", "* * * * *")})
	}
	if f := g.timelineFigure(many); len(f.Points) != 40 || !strings.Contains(f.Points[0].Text, "18:00:00") || !strings.Contains(f.Title, "60") {
		t.Errorf("%d of 100 are drawn, the first is %q: %s", len(f.Points), f.Points[0].Text, f.Title)
	}
	if g.timelineFigure(es[:2]) != nil {
		t.Error("one moment is no line")
	}
}

// What leads to something stands left of it; a circle does not hang.
func TestGraphColumns(t *testing.T) {
	node := func(r fact.Ref) explain.Node { return explain.Node{Ref: r} }
	edge := func(a, b fact.Ref) explain.Edge { return explain.Edge{From: a, To: b} }
	nodes := []explain.Node{node("d"), node("a"), node("b"), node("c"), node("x"), node("y")}
	edges := []explain.Edge{edge("a", "b"), edge("b", "c"), edge("a", "c"), edge("c", "d"), edge("x", "y"), edge("y", "x"), edge("x", "x")}
	got := columnsOf(nodes, edges)
	if got["a"] != 0 || got["b"] != 1 || got["c"] != 2 || got["d"] != 3 {
		t.Errorf("columns %v", got)
	}
	ring := []explain.Edge{edge("a", "b"), edge("b", "a"), edge("a", "c"), edge("c", "d")}
	if got := columnsOf(nodes, ring); got["d"] <= got["c"] {
		t.Errorf("behind a circle: columns %v", got)
	}
	for r, c := range got {
		if c < 0 || c >= len(nodes) {
			t.Errorf("%s is in column %d", r, c)
		}
	}
}
