package observe

import (
	"context"
	"slices"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/authlog"
	"demine/internal/format/logscan"
	"demine/internal/format/utmp"
	"demine/internal/host"
)

var log = &Observer{
	Name:  "log",
	Doc:   "logins, what cron ran or refused, sudo, and accounts, from syslog's files, the journal, wtmp, btmp and lastlog; and what is missing in them",
	Sees:  []string{fact.KindLog},
	Needs: []string{"host", "account"},
	Reads: []string{
		"/var/log", lastlog.String(), "/var/log/auth.log*", "/var/log/secure*", "/var/log/cron*", "/var/log/syslog*", "/var/log/messages*",
		"/var/log/wtmp*", "/var/log/btmp*", "/var/log/journal", "/var/log/journal/**", "/run/log/journal", "/run/log/journal/**",
	},
	See: seeLog,
}

// What a look spends on syslog's files: little of the newest always, much of
// all of them when there is an attack to be explained.
const (
	littleLog = 16 << 20
	muchLog   = 256 << 20
	maxUtmp   = 8 << 20 // bytes of wtmp or btmp, the end
	maxEvents = 5000
)

// logFile is one log and the kinds that are taken from it; none means all.
type logFile struct {
	base  string
	kinds []string
}

var logFiles = []logFile{
	{base: "auth.log"}, // Debian
	{base: "secure"},   // Red Hat
	{base: "cron"},
	{base: "cron.log"},
	{base: "syslog"},
	{base: "messages"}, // busybox syslogd; Red Hat's has neither cron nor sshd
}

func seeLog(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	var p Part
	names, err := v.Names("/var/log")
	p.gap("/var/log", err)
	r := newLogReader(ctx, v, &p, sc, littleLog, muchLog)
	events := r.syslogs(names, sc.Traces)
	if len(events) == 0 || sc.Traces {
		events = r.journals(events, sc.Traces)
	}
	for _, f := range rotations("/var/log", names, "wtmp") {
		if f.age < 2 || sc.Traces {
			events = append(events, p.logins(v, f.path)...)
		}
	}
	if sc.Traces {
		events = append(events, p.failedLogins(v, names)...)
		events = append(events, p.lastLogins(v, in.Account, events)...)
	}
	events = append(events, missing(v, names, in.Host, events)...)
	p.Log = newest(events, maxEvents)
	for i := range p.Log {
		p.Log[i].By = v.o.Name
	}
	p.Absent = len(p.Log) == 0
	return p, ctx.Err()
}

// syslogs reads the text files, the newest of all first.
func (r *logReader) syslogs(names []string, all bool) []fact.LogEvent {
	s, err := logscan.New(authlog.Anchors, false)
	if err != nil {
		panic(err) // the anchors are constants
	}
	loc, now := Location(r.v), r.v.Host().Now()
	var events []fact.LogEvent
	for age := 0; ; age++ {
		found := false
		for _, l := range logFiles {
			fs := rotations("/var/log", names, l.base)
			if age >= len(fs) || age > 1 && !all {
				continue
			}
			found = true
			if l.base == "syslog" && hasEvents(events, "/var/log/auth.log") {
				l.kinds = []string{authlog.Run, authlog.Refused} // the rest is in auth.log too
			}
			c := &authlog.Collector{Loc: loc, Path: fs[age].path}
			r.scan(fs[age].path, s, func(i host.Info) { c.Now = lastLine(i, age, now) }, func(line logscan.Line, n int, off int64) {
				c.Add(line.Text, n, off)
			})
			if events = append(events, dressed(c.Events(), l.kinds)...); len(events) > 4*maxEvents {
				events = newest(events, 2*maxEvents)
			}
		}
		if !found {
			return events
		}
	}
}

func hasEvents(es []fact.LogEvent, base string) bool {
	return slices.ContainsFunc(es, func(e fact.LogEvent) bool { return strings.HasPrefix(string(e.Origin.Path), base) })
}

// dressed gives the events of these kinds (nil: all) as facts carry them.
func dressed(es []fact.LogEvent, kinds []string) []fact.LogEvent {
	out := es[:0]
	for _, e := range es {
		if kinds != nil && !slices.Contains(kinds, e.Kind) {
			continue
		}
		if e.Kind == authlog.Run || e.Kind == authlog.Sudo {
			s := shellOf(e.Text)
			e.Shell = &s
		}
		e.Text = shown(e.Text)
		out = append(out, e)
	}
	return out
}

// records reads the end of a file of utmp(5), whole records of either length.
func (p *Part) records(v *View, f fact.Path) []utmp.Record {
	b, off, err := v.ReadTail(f, maxUtmp/utmp.Size64/utmp.Size*utmp.Size64*utmp.Size)
	if err != nil {
		p.gap(f, err)
		return nil
	}
	if off > 0 {
		b = b[min(len(b), int(-off%utmp.Size+utmp.Size)%utmp.Size):]
	}
	return utmp.Parse(b)
}

// logins reads wtmp: who was logged in from where, and where records were
// wiped.
func (p *Part) logins(v *View, f fact.Path) []fact.LogEvent {
	var out []fact.LogEvent
	var before time.Time
	var wiped *fact.LogEvent
	for _, r := range p.records(v, f) {
		if r.Wiped() {
			if wiped == nil {
				wiped = &fact.LogEvent{Kind: "log-wiped", Method: "zeroed", Time: before, Clock: fact.ClockNear, Origin: fact.Origin{Path: f}}
			}
			wiped.Count++
			continue
		}
		if wiped != nil {
			wiped.Until = r.Time
			out = append(out, *wiped)
			wiped = nil
		}
		before = r.Time
		if r.Type == utmp.UserProcess {
			out = append(out, loginEvent("login", f, r))
		}
	}
	if wiped != nil {
		out = append(out, *wiped)
	}
	return out
}

func loginEvent(kind string, f fact.Path, r utmp.Record) fact.LogEvent {
	from := r.Host
	if r.Addr.IsValid() {
		from = r.Addr.String()
	}
	return fact.LogEvent{
		Kind: kind, Time: r.Time, Clock: fact.ClockExact, User: r.User, From: from, PID: int(r.PID), Text: r.Line, Origin: fact.Origin{Path: f},
	}
}

// failedLogins reads btmp.
func (p *Part) failedLogins(v *View, names []string) []fact.LogEvent {
	var out []fact.LogEvent
	for _, f := range rotations("/var/log", names, "btmp") {
		c := &authlog.Collector{Path: f.path}
		for _, r := range p.records(v, f.path) {
			if r.Type == utmp.LoginProcess || r.Type == utmp.UserProcess {
				c.AddEvent(loginEvent(authlog.LoginFailed, f.path, r))
			}
		}
		out = append(out, c.Events()...)
	}
	return out
}

// newest keeps the last n events, in the order of time. Accepted logins are
// few and tell most: failed ones go first.
func newest(es []fact.LogEvent, n int) []fact.LogEvent {
	slices.SortStableFunc(es, func(a, b fact.LogEvent) int { return a.Time.Compare(b.Time) })
	over := len(es) - n
	if over <= 0 {
		return es
	}
	for _, kind := range []string{authlog.LoginFailed, authlog.Failed, authlog.Run, ""} {
		es = slices.DeleteFunc(es, func(e fact.LogEvent) bool {
			drop := over > 0 && (kind == "" || e.Kind == kind)
			if drop {
				over--
			}
			return drop
		})
	}
	return es
}
