package observe

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/journal"
	"demine/internal/format/logscan"
	"demine/internal/host"
)

var leaselog = &Observer{
	Name: "leaselog",
	Doc:  "what demine told the system log of port leases; for `demine lease log` alone",
	Sees: []string{fact.KindLog},
	Reads: []string{
		"/var/log", "/var/log/auth.log*", "/var/log/secure*", "/var/log/messages*",
		"/var/log/journal", "/var/log/journal/**", "/run/log/journal", "/run/log/journal/**",
	},
	See: seeLeaseLog,
}

const (
	leaseLogText    = 32 << 20 // bytes of text logs, their ends
	leaseLogEntries = 20_000   // of the journal
	maxLeaseLine    = 4 << 10
)

// leaseWord is how demine's lines begin, and what stands before them.
const leaseWord = "]: lease event="

func seeLeaseLog(ctx context.Context, v *View, _ *fact.Snapshot, sc Scope) (Part, error) {
	var p Part
	if !sc.LeaseLog {
		p.Absent = true
		return p, nil
	}
	r := newLogReader(ctx, v, &p, Scope{Traces: true}, 0, leaseLogText)
	s, err := logscan.New([]string{leaseWord}, false)
	if err != nil {
		panic(err) // the anchor is a constant
	}
	names, err := v.Names("/var/log")
	p.gap("/var/log", err)
	for _, log := range []string{"auth.log", "secure", "messages"} {
		for _, f := range rotations("/var/log", names, log) {
			r.scan(f.path, s, func(host.Info) {}, func(l logscan.Line, n int, offset int64) {
				if i := bytes.Index(l.Text, []byte(leaseWord)); bytes.Contains(l.Text[:max(0, i)], []byte("demine[")) {
					p.leaseLine(string(l.Text[i+len("]: "):]), fact.LogEvent{Origin: fact.Origin{Path: f.path, Line: n}, Offset: offset})
				}
			})
		}
	}
	r.leaseJournal()
	p.Absent = len(p.Log) == 0
	return p, ctx.Err()
}

func (p *Part) leaseLine(text string, e fact.LogEvent) {
	e.Kind, e.By, e.Text = "lease-told", "leaselog", text[:min(len(text), maxLeaseLine)]
	p.Log = append(p.Log, e)
}

// leaseJournal takes what root has told the journal under demine's name.
func (r *logReader) leaseJournal() {
	files, _ := r.journalFiles()
	left := leaseLogEntries
	for _, jf := range files {
		if left <= 0 || r.ctx.Err() != nil {
			r.leave("/var/log/journal")
			return
		}
		f, info, err := r.v.Open(jf.path)
		if err != nil {
			r.p.gap(jf.path, err)
			continue
		}
		j, err := journal.Open(f, info.Size)
		if err == nil {
			j.Select(identifiers("demine"), journalWant, func(e journal.Entry) bool {
				left--
				text, root := e.Fields["MESSAGE"], e.Fields["_UID"] == "0"
				if root && strings.HasPrefix(text, leaseWord[len("]: "):]) {
					r.p.leaseLine(text, fact.LogEvent{Time: e.Time, Origin: fact.Origin{Path: jf.path}})
				}
				return left > 0 && r.ctx.Err() == nil
			})
		} else if !errors.Is(err, journal.ErrFormat) {
			r.p.gap(jf.path, err)
		}
		f.Close()
	}
}
