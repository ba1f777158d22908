package agent

import (
	"context"
	"errors"
	"regexp"
	"strconv"

	"demine/internal/fact"
	"demine/internal/lease"
	"demine/internal/observe"
	"demine/internal/respond"
)

// Trail verifies the audit trail, gives its events to tell, and compares it with
// the list of leases, the packet filter and the system log: a trail whose last
// lines were cut off is whole in itself. With an error about the packet filter it
// gives what the rest tells.
func (l *Leases) Trail(ctx context.Context, tell func(lease.Event)) (lease.TrailCheck, error) {
	logged, unread := l.logged(ctx) // before: what is logged after this is in the trail too
	d, err := l.desk(ctx)
	if err != nil {
		return lease.TrailCheck{}, err
	}
	defer d.close()
	in, blind := d.filter.Admitted(ctx)
	if errors.Is(blind, respond.ErrUnavailable) {
		blind = nil // then nothing is in it
	}
	told := lease.NewTold()
	trails, err := d.st.Trails(func(e lease.Event) { told.Add(e); tell(e) })
	if err != nil {
		return lease.TrailCheck{}, err
	}
	c := told.Compare(trails, d.st.LeaseRecords(d.all()), in, logged)
	c.Unread, c.Blind = unread, blind != nil
	return c, blind
}

// ofTrail reads what logLine has written.
var ofTrail = regexp.MustCompile(`^lease event=[a-z-]+ trail=([0-9a-f]{64}) state=("(?:[^"\\]|\\.)*")`)

// logged are the lines of the system log about this trail, each once.
func (l *Leases) logged(ctx context.Context) (out []lease.Logged, unread []fact.Gap) {
	snap := l.observe(ctx, nil, observe.Scope{LeaseLog: true}, "leaselog")
	seen := map[string]bool{}
	for _, e := range snap.Log {
		m := ofTrail.FindStringSubmatch(e.Text)
		if m == nil || seen[m[1]] {
			continue
		}
		if state, err := strconv.Unquote(m[2]); err != nil || state != l.stateDir() {
			continue
		}
		seen[m[1]] = true
		where := e.Origin.Path.String()
		if e.Origin.Line > 0 {
			where += ":" + strconv.Itoa(e.Origin.Line)
		}
		out = append(out, lease.Logged{Sum: m[1], Where: where})
	}
	for _, c := range snap.Coverage {
		unread = append(unread, c.Gaps...)
	}
	return out, unread
}
