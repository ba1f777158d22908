package observe

import (
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/format/utmp"
)

const lastlog = fact.Path("/var/log/lastlog")

// lastLogins reads from lastlog when each account last logged in and from where,
// if no other log tells of that login: it survives a wtmp that was emptied. The
// file has holes and the length of the largest UID: only the records of accounts
// are read.
func (p *Part) lastLogins(v *View, accounts []fact.Account, known []fact.LogEvent) (out []fact.LogEvent) {
	f, info, err := v.Open(lastlog)
	if err != nil {
		p.gap(lastlog, err)
		return nil
	}
	defer f.Close()
	b := make([]byte, utmp.LastSizeOf(info.Size))
	seen := map[int]bool{}
	for i := range accounts {
		a := &accounts[i]
		if a.UID < 0 || seen[a.UID] {
			continue
		}
		seen[a.UID] = true
		if n, _ := f.ReadAt(b, int64(a.UID)*int64(len(b))); n < len(b) {
			continue
		}
		at, line, from := utmp.Last(b)
		if at.IsZero() || slices.ContainsFunc(known, func(e fact.LogEvent) bool { return sameLogin(e, a.Name, at) }) {
			continue
		}
		out = append(out, fact.LogEvent{
			Kind: "login", Time: at, Clock: fact.ClockExact, User: a.Name, From: from, Text: line, Origin: fact.Origin{Path: lastlog},
		})
	}
	return out
}

// sameLogin: sshd, wtmp and lastlog write of one login within a moment.
func sameLogin(e fact.LogEvent, user string, at time.Time) bool {
	return e.User == user && (e.Kind == "login" || e.Kind == "ssh-accepted") && e.Time.Sub(at).Abs() <= 5*time.Second
}
