package observe

import (
	"fmt"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/format/authlog"
	"demine/internal/host"
)

// keptLogs are those that are never empty, or a link to nowhere, by themselves
// on a host that has them. btmp is not: it is empty where nobody fails.
var keptLogs = []string{"auth.log", "secure", "syslog", "messages", "cron", "wtmp", "lastlog"}

// missing tells what the logs of syslog and of logins lack: files that were
// emptied or linked away, rotations that are not there, hours without a line.
func missing(v *View, names []string, h fact.HostInfo, events []fact.LogEvent) []fact.LogEvent {
	var out []fact.LogEvent
	for _, n := range keptLogs {
		at := host.Join("/var/log", n)
		rs := rotations("/var/log", names, n)
		if e, ok := wiped(v, at, h.BootTime, len(rs) > 1); ok {
			out = append(out, e)
		}
		if len(rs) > 0 && rs[0].path != at && n != "wtmp" && n != "lastlog" {
			out = append(out, fact.LogEvent{Kind: "log-wiped", Method: "removed", Clock: fact.ClockNone, Origin: fact.Origin{Path: at}})
		}
		out = append(out, rotationGaps(at, rs)...)
	}
	return append(out, silences(events, h.BootTime)...)
}

// wiped looks at a log that is a link to /dev/null, or was emptied since the
// host was started and is no fresh one after a rotation.
func wiped(v *View, at fact.Path, boot time.Time, rotated bool) (fact.LogEvent, bool) {
	i, err := v.Lstat(at)
	if err != nil {
		return fact.LogEvent{}, false
	}
	e := fact.LogEvent{Kind: "log-wiped", Time: i.Modified, Clock: fact.ClockExact, Origin: fact.Origin{Path: at}}
	switch i.Type {
	case "link":
		t, err := v.Readlink(at)
		e.Method = "null-link"
		return e, err == nil && t == "/dev/null"
	case "regular":
		e.Method = "empty"
		return e, i.Size == 0 && !rotated && !boot.IsZero() && i.Modified.After(boot)
	}
	return e, false
}

// rotationGaps: rotating renames all of them by one, so that no number is
// missing between two others.
func rotationGaps(at fact.Path, rs []rotation) []fact.LogEvent {
	var out []fact.LogEvent
	last := -1
	for _, r := range rs {
		if r.date != "" {
			return nil
		}
		if last > 0 && r.n > last+1 {
			out = append(out, fact.LogEvent{
				Kind: "log-gap", Method: "rotation", Clock: fact.ClockNone, Count: r.n - last - 1,
				Text: fmt.Sprintf("%s.%d", at.String(), last), Origin: fact.Origin{Path: r.path},
			})
		}
		last = r.n
	}
	return out
}

// silences finds hours without a line of cron while the host was up, where
// cron writes several an hour. A host that was suspended looks like that too.
func silences(es []fact.LogEvent, boot time.Time) []fact.LogEvent {
	const (
		enough = 24 // lines, to know what is usual
		times  = 12
		least  = 6 * time.Hour
	)
	var runs []fact.LogEvent
	for _, e := range es {
		if e.Kind == authlog.Run && e.Time.After(boot) {
			runs = append(runs, e)
		}
	}
	if boot.IsZero() || len(runs) < enough {
		return nil
	}
	slices.SortStableFunc(runs, func(a, b fact.LogEvent) int { return a.Time.Compare(b.Time) })
	var apart []time.Duration
	for i := 1; i < len(runs); i++ {
		apart = append(apart, runs[i].Time.Sub(runs[i-1].Time))
	}
	slices.Sort(apart)
	usual := apart[len(apart)*9/10]
	var out []fact.LogEvent
	for i := 1; i < len(runs); i++ {
		if d := runs[i].Time.Sub(runs[i-1].Time); d > max(least, times*usual) {
			out = append(out, fact.LogEvent{
				Kind: "log-gap", Method: "time", Time: runs[i-1].Time, Until: runs[i].Time, Clock: runs[i].Clock, Origin: runs[i].Origin,
			})
		}
	}
	return out
}
