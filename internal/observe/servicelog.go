package observe

import (
	"bytes"
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/logscan"
	"demine/internal/format/logtime"
	"demine/internal/format/weblog"
	"demine/internal/host"
	"demine/patterns/logs"
)

var servicelog = &Observer{
	Name: "servicelog",
	Doc: "what attacks leave in the logs of web servers, Java, PHP, databases, Redis and containers; " +
		"read when there is an attack to be explained",
	Sees:    []string{fact.KindLog},
	Needs:   []string{"host", "process"},
	Reads:   slices.Concat([]string{"/var/log", "/var/log/**", "/proc/*/fd", "/proc/*/fd/*", "/proc/*/fdinfo/*"}, logDirs, below(logDirs)),
	Follows: []string{fact.KindService},
	See:     seeServiceLog,
}

// What a look spends on the logs of services, on one of them, and how many of
// them it opens.
const (
	muchServiceLog = 256 << 20
	oneServiceLog  = 96 << 20
	maxServiceLogs = 400
	maxAttacks     = 1_000 // events that are kept apart
	oldServiceLog  = 120 * 24 * time.Hour
)

func seeServiceLog(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	var p Part
	if !sc.Traces {
		return p, nil
	}
	r := newLogReader(ctx, v, &p, sc, 0, muchServiceLog)
	r.each = oneServiceLog
	a, err := newAttacks(v)
	if err != nil {
		return p, err
	}
	inUse := held(v, in)
	found := r.serviceLogs(in, inUse)
	p.Log = append(p.Log, deletedLogs(inUse)...)
	p.Log = append(p.Log, emptiedLogs(v, in, inUse)...)
	for i, f := range found {
		if i >= maxServiceLogs || ctx.Err() != nil {
			r.leave(f.shown)
			break
		}
		r.scan(f.open, a.m.Scanner(), func(host.Info) { a.at = f.shown }, a.line)
	}
	p.Log = append(p.Log, a.events...)
	if a.over > 0 {
		p.Gaps = append(p.Gaps, fact.Gap{Code: "too-many", What: "/var/log", Count: a.over})
	}
	for i := range p.Log {
		p.Log[i].By = v.o.Name
	}
	p.Absent = len(found) == 0
	return p, nil
}

// attacks makes events of the lines that hold a marker.
type attacks struct {
	m      *weblog.Matcher
	marks  []logs.Marker
	times  logtime.Reader
	at     fact.Path
	events []fact.LogEvent
	known  map[attack]int // place in events
	over   int
}

// attack is what makes one event of many lines.
type attack struct {
	marker int
	from   string
	at     fact.Path
}

func newAttacks(v *View) (*attacks, error) {
	marks, err := logs.Load()
	if err != nil {
		return nil, err
	}
	rules := make([]weblog.Rule, len(marks))
	for i, m := range marks {
		rules[i] = weblog.Rule{Anchors: m.Anchors, Pattern: m.Pattern}
	}
	m, err := weblog.NewMatcher(rules)
	if err != nil {
		return nil, err
	}
	return &attacks{m: m, marks: marks, known: map[attack]int{}, times: logtime.Reader{Loc: Location(v), Now: v.Host().Now()}}, nil
}

// line takes a line with an anchor.
func (a *attacks) line(l logscan.Line, number int, offset int64) {
	rules, plain, at := a.m.Match(l)
	for _, r := range rules {
		if !a.belongs(&a.marks[r], l.Text) {
			continue
		}
		when, clock := a.times.Read(l.Text, l.Before)
		k := attack{r, weblog.Peer(l.Text), a.at}
		if i, ok := a.known[k]; ok {
			a.again(&a.events[i], l.Text, when)
			continue
		}
		if len(a.events) >= maxAttacks {
			a.over++
			continue
		}
		a.known[k] = len(a.events)
		a.events = append(a.events, fact.LogEvent{
			Kind: a.marks[r].Kind, Time: when, Clock: clock, Service: a.service(r), From: k.from, Marker: a.marks[r].ID,
			Strength: a.marks[r].Strength, Status: weblog.Status(l.Text), Text: excerpt(plain, at),
			Origin: fact.Origin{Path: a.at, Line: number}, Offset: offset, Count: 1,
		})
	}
}

// again folds a line into the event of an earlier one. An answer of success
// tells more than one of refusal.
func (a *attacks) again(e *fact.LogEvent, line []byte, when time.Time) {
	e.Count++
	if when.After(e.Until) {
		e.Until = when
	}
	if s := weblog.Status(line); s >= 200 && s < 300 && (e.Status < 200 || e.Status >= 300) {
		e.Status = s
	}
}

// databases are those whose words also stand in requests to others.
var databases = []string{"redis", "mysql", "postgresql"}

// belongs: what a database would say is none of its words in a request to a
// web server, and a schedule is one only in a file of commands.
func (a *attacks) belongs(m *logs.Marker, line []byte) bool {
	if m.Kind == "redis-command" {
		return strings.Contains(string(a.at), ".aof")
	}
	return !slices.Contains(databases, m.Service) || weblog.Status(line) == 0 && !bytes.Contains(line, []byte(" HTTP/1."))
}

// service is the marker's, or what the folder of the log is called after.
func (a *attacks) service(r int) string {
	if s := a.marks[r].Service; s != "" {
		return s
	}
	dir := path.Base(path.Dir(string(a.at)))
	if slices.Contains([]string{"log", "logs", "/", "."}, dir) {
		dir, _, _ = strings.Cut(base(a.at), ".")
	}
	return dir
}

// excerpt is what stands around a place in a line.
func excerpt(plain string, at int) string {
	const before, after = 80, 320
	from := max(0, at-before)
	return shown(strings.ToValidUTF8(plain[from:min(len(plain), at+after)], ""))
}
