package observe

import (
	"context"

	"demine/internal/fact"
	"demine/internal/format/logscan"
	"demine/internal/format/logtime"
	changes "demine/internal/format/packagelog"
	"demine/internal/host"
)

var packagelog = &Observer{
	Name:  "packagelog",
	Doc:   "which packages were installed and removed, from the logs of dpkg, yum and dnf; read when there is an attack to be explained",
	Sees:  []string{fact.KindLog},
	Needs: []string{"host"},
	Reads: []string{"/var/log", "/var/log/dpkg.log*", "/var/log/yum.log*", "/var/log/dnf.rpm.log*"},
	See:   seePackageLog,
}

const (
	muchPackageLog = 32 << 20
	maxPackageLog  = 300 // events; the newest are kept
)

func seePackageLog(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	var p Part
	names, err := v.Names("/var/log")
	if err != nil || !sc.Traces {
		return p, err
	}
	s, err := logscan.New(changes.Anchors, false)
	if err != nil {
		return p, err
	}
	r := newLogReader(ctx, v, &p, sc, 0, muchPackageLog)
	for _, base := range []string{"dpkg.log", "yum.log", "dnf.rpm.log"} {
		rs := rotations("/var/log", names, base)
		if e, ok := wiped(v, host.Join("/var/log", base), in.Host.BootTime, len(rs) > 1); ok {
			e.By = v.o.Name
			p.Log = append(p.Log, e)
		}
		for _, f := range rs {
			times := logtime.Reader{Loc: Location(v)}
			r.scan(f.path, s, func(i host.Info) { times.Now = lastLine(i, f.age, v.Host().Now()) }, func(l logscan.Line, n int, off int64) {
				if done, name, ok := changes.Parse(l.Text); ok {
					t, clock := times.Read(l.Text, nil)
					p.Log = append(p.Log, fact.LogEvent{
						Kind: "package-" + done, Time: t, Clock: clock, Text: clip(name, maxShown), Origin: fact.Origin{Path: f.path, Line: n}, Offset: off, By: v.o.Name,
					})
				}
			})
			p.Log = newest(p.Log, maxPackageLog)
		}
	}
	p.Absent = len(p.Log) == 0
	return p, nil
}
