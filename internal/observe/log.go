package observe

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/authlog"
	"demine/internal/format/utmp"
	"demine/internal/host"
)

var log = &Observer{
	Name:  "log",
	Doc:   "logins, what cron ran or refused, and sudo, from the ends of syslog's files and wtmp",
	Sees:  []string{fact.KindLog},
	Needs: []string{"host"},
	Reads: []string{
		"/var/log", "/var/log/auth.log*", "/var/log/secure*", "/var/log/cron*", "/var/log/syslog*", "/var/log/messages*",
		"/var/log/wtmp*", "/var/log/journal", "/var/log/journal/*", "/run/log/journal", "/run/log/journal/*",
	},
	See: seeLog,
}

const (
	maxLog    = 8 << 20 // bytes of one file, its end
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

func seeLog(ctx context.Context, v *View, _ *fact.Snapshot, _ Scope) (Part, error) {
	var p Part
	names, err := v.Names("/var/log")
	p.gap("/var/log", err)
	now, loc := v.Host().Now(), Location(v)
	var events []fact.LogEvent
	text := false
	for _, l := range logFiles {
		if l.base == "syslog" && len(events) > 0 {
			l.kinds = []string{authlog.Run, authlog.Refused} // the rest is in auth.log too
		}
		files := rotated(names, l.base)
		text = text || len(files) > 0
		if len(files) == 0 && packedLog(names, l.base) {
			p.Gaps = append(p.Gaps, fact.Gap{Code: "compressed", What: "/var/log/" + l.base})
		}
		for _, f := range files {
			if ctx.Err() != nil {
				return p, ctx.Err()
			}
			events = append(events, p.logEvents(v, f, l.kinds, now, loc)...)
		}
	}
	for _, f := range rotated(names, "wtmp") {
		events = append(events, p.logins(v, f)...)
	}
	if !text && hasJournal(v) {
		p.Gaps = append(p.Gaps, fact.Gap{Code: "journal-not-read", What: "/var/log/journal"})
	}
	p.Log = newest(events, maxEvents)
	p.Absent = !text && len(p.Log) == 0
	return p, nil
}

// rotated gives a log that is written now and the plain one before it: ".1",
// or the newest with a date (logrotate's dateext).
func rotated(names []string, base string) []fact.Path {
	var out []fact.Path
	last := ""
	for _, n := range names {
		switch suffix, _ := strings.CutPrefix(n, base); {
		case n == base:
			out = append(out, host.Join("/var/log", n))
		case suffix == n || len(suffix) < 2:
		case suffix == ".1", suffix[0] == '-' && strings.Trim(suffix[1:], "0123456789-") == "":
			last = max(last, n)
		}
	}
	if last != "" {
		out = append(out, host.Join("/var/log", last))
	}
	return out
}

func packedLog(names []string, base string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		rest, ok := strings.CutPrefix(n, base)
		return ok && rest != "" && strings.ContainsAny(rest[:1], ".-") &&
			slices.Contains([]string{".gz", ".xz", ".bz2", ".zst"}, path.Ext(n))
	})
}

func hasJournal(v *View) bool {
	for _, dir := range []fact.Path{"/var/log/journal", "/run/log/journal"} {
		if names, _ := v.Names(dir); len(names) > 0 {
			return true
		}
	}
	return false
}

// logEvents reads the end of one log.
func (p *Part) logEvents(v *View, f fact.Path, kinds []string, now time.Time, loc *time.Location) []fact.LogEvent {
	b, cut, ok := p.tail(v, f, maxLog)
	if !ok {
		return nil
	}
	var out []fact.LogEvent
	for _, e := range authlog.ParseAll(b, now, loc, f) {
		if kinds != nil && !slices.Contains(kinds, e.Kind) {
			continue
		}
		if cut {
			e.Origin.Line = 0 // how many lines come before is not known
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

// logins reads wtmp: who was logged in from where.
func (p *Part) logins(v *View, f fact.Path) []fact.LogEvent {
	b, off, err := v.ReadTail(f, maxLog/utmp.Size64/utmp.Size*utmp.Size64*utmp.Size) // whole records of either length
	if err != nil {
		p.gap(f, err)
		return nil
	}
	if off > 0 {
		b = b[min(len(b), int(-off%utmp.Size+utmp.Size)%utmp.Size):]
	}
	var out []fact.LogEvent
	for _, r := range utmp.Parse(b) {
		if r.Type != utmp.UserProcess {
			continue
		}
		from := r.Host
		if r.Addr.IsValid() {
			from = r.Addr.String()
		}
		out = append(out, fact.LogEvent{
			Kind: "login", Time: r.Time, User: r.User, From: from, PID: int(r.PID), Text: r.Line, Origin: fact.Origin{Path: f},
		})
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
	for _, kind := range []string{authlog.Failed, authlog.Run, ""} {
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
