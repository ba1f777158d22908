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
	Doc:   "which packages were installed and removed, from the logs of dpkg, yum, dnf, zypper and pacman; read when there is an attack to be explained",
	Sees:  []string{fact.KindLog},
	Needs: []string{"host"},
	Reads: []string{
		"/var/log", "/var/log/dpkg.log*", "/var/log/yum.log*", "/var/log/dnf.rpm.log*", "/var/log/pacman.log*",
		"/var/log/zypp", "/var/log/zypp/history*",
	},
	See: seePackageLog,
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
	zypp, err := v.Names("/var/log/zypp")
	p.gap("/var/log/zypp", err)
	for _, l := range []struct {
		dir   fact.Path
		names []string
		base  string
	}{
		{"/var/log", names, "dpkg.log"}, {"/var/log", names, "yum.log"}, {"/var/log", names, "dnf.rpm.log"}, {"/var/log", names, "pacman.log"},
		{"/var/log/zypp", zypp, "history"},
	} {
		rs := rotations(l.dir, l.names, l.base)
		if e, ok := wiped(v, host.Join(l.dir, l.base), in.Host.BootTime, len(rs) > 1); ok {
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
