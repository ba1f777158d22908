package observe

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/auditlog"
	"demine/internal/format/logscan"
	"demine/internal/format/mask"
	"demine/internal/host"
)

var audit = &Observer{
	Name: "audit",
	Doc: "who changed the packet filter and what sudo ran, from auditd's log; and when there is an attack to be explained, programs that " +
		"services started or that fetch something, connections of programs in unusual places, accounts",
	Sees:  []string{fact.KindLog},
	Needs: []string{"host", "account"},
	Reads: []string{"/var/log/audit", "/var/log/audit/*"},
	See:   seeAudit,
}

const (
	littleAudit = 8 << 20 // one file, as auditd turns them
	muchAudit   = 128 << 20
	maxAudit    = 1_000 // events; the newest are kept
)

func seeAudit(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	var p Part
	names, err := v.Names("/var/log/audit")
	if err != nil {
		return p, err
	}
	s, err := logscan.New(auditlog.Anchors, false)
	if err != nil {
		return p, err
	}
	r := newLogReader(ctx, v, &p, sc, littleAudit, muchAudit)
	users := map[int]string{}
	for i := range in.Account {
		users[in.Account[i].UID] = in.Account[i].Name
	}
	for _, f := range rotations("/var/log/audit", names, "audit.log") {
		var found []fact.LogEvent
		c := &auditlog.Collector{Brief: !sc.Traces, Tell: func(e auditlog.Event) {
			if ev, ok := auditEvent(e, users); ok {
				ev.Origin, ev.Offset = fact.Origin{Path: f.path, Line: e.Line}, e.Offset
				found = append(found, ev)
				if len(found) > 2*maxAudit {
					found = slices.Delete(found, 0, len(found)-maxAudit)
				}
			}
		}}
		r.scan(f.path, s, func(host.Info) {}, func(l logscan.Line, n int, off int64) { c.Add(l.Text, n, off) })
		c.Close()
		p.Log = append(found, p.Log...)
		if over := len(p.Log) - maxAudit; over > 0 {
			p.Log = slices.Delete(p.Log, 0, over)
			break // what is older still would not be kept
		}
	}
	for i := range p.Log {
		p.Log[i].By = v.o.Name
	}
	p.Absent = len(p.Log) == 0
	return p, nil
}

// auditEvent keeps of what was started and connected only what an intrusion is
// told by: a host may log every program.
func auditEvent(e auditlog.Event, users map[int]string) (fact.LogEvent, bool) {
	ev := fact.LogEvent{Kind: e.Kind, Time: e.Time, Clock: fact.ClockExact, PID: e.PID, Method: e.Exe}
	if e.UID >= 0 {
		ev.User = userName(users, e.UID)
	}
	switch e.Kind {
	case "audit-command", "audit-firewall":
		sh := shellOf(e.Command)
		ev.Shell, ev.Text = &sh, shown(e.Command)
		if e.Kind == "audit-firewall" && e.Login >= 0 {
			ev.User = userName(users, e.Login)
		}
		return ev, e.Command != "" && (e.Kind == "audit-command" || e.Login >= 0) // of the filter: not what daemons do all day
	case "audit-exec":
		line := strings.Join(mask.Argv(e.Argv), " ")
		sh := shellOf(line)
		ev.Shell, ev.Text = &sh, shown(line)
		service := e.UID > 0 && e.UID < 1000 && e.Login < 0
		fetches := sh.FetchExec || sh.DecodeExec || sh.DevTCP || slices.Contains([]string{"curl", "wget"}, e.Comm)
		return ev, fetches || inScratch(e.Exe) || service && slices.Contains([]string{"sh", "bash", "dash"}, e.Comm)
	case "audit-connect":
		ev.Text = e.Peer
		return ev, inScratch(e.Exe)
	case "audit-user":
		ev.User, ev.Text = e.Account, fmt.Sprintf("%s (%s)", e.Op, e.Exe)
		return ev, true
	}
	ev.Text = e.Op
	return ev, e.Kind == "audit-config"
}

func userName(users map[int]string, uid int) string {
	if n := users[uid]; n != "" {
		return n
	}
	return strconv.Itoa(uid)
}

// inScratch: programs are not installed there.
func inScratch(exe string) bool {
	return slices.ContainsFunc([]string{"/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/", "/proc/", "memfd:", "/memfd:"}, func(d string) bool {
		return strings.HasPrefix(exe, d)
	})
}
