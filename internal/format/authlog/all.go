package authlog

import (
	"bytes"
	"time"

	"demine/internal/fact"
)

// foldAbove is how many failed logins of one address stand for themselves.
const foldAbove = 50

// ParseAll reads a whole log file and gives its events in file order, with the
// lines they stand in as Origin. Syslog writes no year: what would lie more
// than a day after now (the clock of the host may be ahead of ours) is of an
// earlier year. More than 50 failed logins from one address become one event
// at the place of the first, with Count, without User, and with
// "until RFC3339" as Text. Memory is linear in what is not folded.
func ParseAll(b []byte, now time.Time, loc *time.Location, path fact.Path) []fact.LogEvent {
	if loc == nil {
		loc = time.UTC
	}
	a := all{from: map[string]*attempts{}, year: now.In(loc).Year()}
	for n := 1; len(b) > 0; n++ {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		e, ok := Parse(line, a.year, loc)
		if !ok {
			continue
		}
		if e.Time.After(now.Add(24 * time.Hour)) {
			if again, ok := Parse(line, a.year-1, loc); ok {
				e = again
			}
		}
		e.Origin = fact.Origin{Path: path, Line: n}
		a.add(e)
	}
	return a.fold()
}

type all struct {
	year   int
	events []fact.LogEvent
	from   map[string]*attempts
}

// attempts are the failed logins of one address.
type attempts struct {
	kept, count int
	last        time.Time
	placed      bool // the folded event is out
}

func (a *all) add(e fact.LogEvent) {
	if e.Kind != Failed || e.From == "" {
		a.events = append(a.events, e)
		return
	}
	t := a.from[e.From]
	if t == nil {
		t = &attempts{}
		a.from[e.From] = t
	}
	t.count += max(1, e.Count)
	t.last = e.Time
	// Only what may still stand for itself is kept.
	if t.kept++; t.kept <= foldAbove {
		a.events = append(a.events, e)
	}
}

// fold replaces the kept attempts of a busy address by their first.
func (a *all) fold() []fact.LogEvent {
	out := a.events[:0]
	for _, e := range a.events {
		t := a.from[e.From]
		if e.Kind != Failed || t == nil || t.count <= foldAbove {
			out = append(out, e)
			continue
		}
		if t.placed {
			continue
		}
		t.placed = true
		e.Count, e.User, e.Text = t.count, "", "until "+t.last.Format(time.RFC3339)
		out = append(out, e)
	}
	clear(a.events[len(out):])
	return out
}
