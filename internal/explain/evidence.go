package explain

import (
	"fmt"
	"slices"

	"demine/internal/fact"
)

// event gives the line of a log that a piece of evidence cites, or nil.
func (sc *scene) event(e *Evidence) *fact.LogEvent {
	if e.Origin == nil || e.Time == nil {
		return nil
	}
	for i := range sc.x.S.Log {
		if l := &sc.x.S.Log[i]; l.Origin == *e.Origin && l.Time.Equal(*e.Time) {
			return l
		}
	}
	return nil
}

// entryEvents tells what a log says for the likeliest cause, where nothing else of
// the story tells that line.
func (sc *scene) entryEvents(c Cause, told []Event, add adder) {
	var done []fact.Origin
	for i := range told {
		if told[i].Origin != nil {
			done = append(done, *told[i].Origin)
		}
	}
	for i := range c.For {
		l := sc.event(&c.For[i])
		if l == nil || slices.Contains(done, l.Origin) {
			continue
		}
		done = append(done, l.Origin)
		add(l.Time, traceSource(l), &l.Origin, "", c.For[i].Message)
	}
}

// entry draws how the processes that a cause cites came to be: the line of a
// log, the place that they run in, the parent.
func (g *grapher) entry(sc *scene, c Cause) {
	var cited []*fact.Process
	for i := range c.For {
		p := sc.x.Process(c.For[i].About)
		if p == nil || !sc.implanted()[p.Ref] || slices.Contains(cited, p) {
			continue
		}
		cited = append(cited, p)
		g.process(p)
		switch parent := sc.x.Parent(p); {
		case c.For[i].ID == "inside" && sc.home(p) != "":
			home := fact.Ref("home:" + sc.home(p))
			g.node(home, "service", sc.home(p))
			g.edge(home, p.Ref, "inside", "cgroup")
		case c.For[i].ID == "child" && parent != nil:
			g.node(parent.Ref, "process", fmt.Sprintf("%d %s", parent.PID, parent.Exe))
			g.edge(parent.Ref, p.Ref, "started", "parent")
		}
	}
	for i := range c.For {
		if l := sc.event(&c.For[i]); l != nil {
			g.line(l, cited)
		}
	}
}

// line draws a line of a log with the processes that it speaks for.
func (g *grapher) line(l *fact.LogEvent, ps []*fact.Process) {
	at := fmt.Sprintf("%s:%d", l.Origin.Path, l.Origin.Line)
	kind := "told-of"
	if l.Kind == "ssh-accepted" {
		kind = "logged-in"
	}
	for _, p := range ps {
		g.node(fact.Ref("log:"+at), "log", at)
		g.edge(fact.Ref("log:"+at), p.Ref, kind, l.Kind)
	}
}
