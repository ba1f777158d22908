package explain

import (
	"cmp"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/i18n"
)

// What logs tell is part of an incident's story when it happened shortly
// before the first sign of it, or soon after; and only so many lines of it,
// the nearest ones.
const (
	tracesBefore = 24 * time.Hour
	tracesAfter  = 15 * time.Minute
	maxTraces    = 15
)

// traces: attacks and guessed passwords near the beginning, accounts that were
// made, and logs that were emptied since.
func (sc *scene) traces(add adder) {
	begin := sc.begin()
	if begin.IsZero() {
		return
	}
	var near []*fact.LogEvent
	for i := range sc.x.S.Log {
		l := &sc.x.S.Log[i]
		if _, ok := traceMessage(l); ok && belongsTo(l, begin) {
			near = append(near, l)
		}
	}
	slices.SortStableFunc(near, func(a, b *fact.LogEvent) int {
		return cmp.Compare(a.Time.Sub(begin).Abs(), b.Time.Sub(begin).Abs())
	})
	for _, l := range near[:min(len(near), maxTraces)] {
		m, _ := traceMessage(l)
		add(l.Time, traceSource(l), &l.Origin, "", m)
	}
}

// belongsTo: weak markers have honest twins, so they must be nearer.
func belongsTo(l *fact.LogEvent, begin time.Time) bool {
	switch d := begin.Sub(l.Time); {
	case l.Time.IsZero():
		return false
	case l.Kind == "log-wiped" || l.Kind == "log-gap":
		return d < tracesAfter
	case l.Strength == "weak" || l.Kind == "audit-exec":
		return d.Abs() < tracesAfter
	case !l.Until.IsZero() && l.Until.After(begin):
		return l.Time.Before(begin)
	default:
		return d > -tracesAfter && d < tracesBefore
	}
}

// bruteForce is how many failed logins of one address are worth a line.
const bruteForce = 50

// traceMessage says what an event tells; false: nothing of an intrusion.
func traceMessage(l *fact.LogEvent) (i18n.Message, bool) {
	switch {
	case l.Marker != "" && l.From != "":
		return i18n.M("event.attempt", "service", l.Service, "marker", l.Marker, "from", l.From, "text", l.Text), true
	case l.Marker != "":
		return i18n.M("event.marker", "service", l.Service, "marker", l.Marker, "text", l.Text), true
	case (l.Kind == "ssh-failed" || l.Kind == "login-failed") && l.Count >= bruteForce:
		return i18n.M("event.brute-force", "count", l.Count, "from", l.From), true
	case l.Kind == "user-added" || l.Kind == "user-changed" || l.Kind == "audit-user":
		return i18n.M("event.account", "user", l.User, "text", l.Text), true
	case l.Kind == "audit-exec":
		return i18n.M("event.executed", "user", l.User, "command", l.Text), true
	case l.Kind == "log-wiped":
		return i18n.M("event.log-wiped", "path", l.Origin.Path.String(), "how", "log-"+l.Method), true
	case l.Kind == "log-gap":
		return i18n.M("event.log-gap", "path", l.Origin.Path.String(), "until", l.Until), !l.Until.IsZero()
	}
	return i18n.Message{}, false
}

// traceSource says also how far the time can be trusted.
func traceSource(l *fact.LogEvent) string {
	switch l.Clock {
	case fact.ClockYear, fact.ClockZone:
		return "log-zone"
	case fact.ClockStepped:
		return "log-stepped"
	case fact.ClockNear:
		return "log-near"
	}
	return "log"
}
