package explain

import (
	"net/url"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/judge"
	"demine/internal/relate"
)

// groups puts attack findings together that have something in common: a
// process and the job that started it, files written by the same Redis, jobs
// that fetch from the same host. Order is kept.
func groups(x *relate.Index, fs []judge.Finding) [][]judge.Finding {
	var out [][]judge.Finding
	var keys []map[string]bool // what the group at the same place has in common
	for _, f := range fs {
		if f.Class != judge.Attack {
			continue
		}
		mine := ties(x, f)
		group := []judge.Finding{f}
		for i := 0; i < len(out); {
			if !overlap(keys[i], mine) {
				i++
				continue
			}
			group = append(out[i], group...)
			for k := range keys[i] {
				mine[k] = true
			}
			out, keys = slices.Delete(out, i, i+1), slices.Delete(keys, i, i+1)
		}
		out, keys = append(out, group), append(keys, mine)
	}
	return out
}

func overlap(a, b map[string]bool) bool {
	for k := range a {
		if b[k] {
			return true
		}
	}
	return false
}

// ties are the things by which a finding hangs together with others.
func ties(x *relate.Index, f judge.Finding) map[string]bool {
	t := map[string]bool{}
	for _, r := range append([]fact.Ref{f.Subject}, f.About...) {
		tie(x, r, t)
	}
	return t
}

func tie(x *relate.Index, r fact.Ref, t map[string]bool) {
	t[string(r)] = true
	if p := x.Process(r); p != nil {
		t[string(p.ExeFile)] = p.ExeFile != ""
		for _, q := range x.Family(p) {
			t[string(q.Ref)] = true
		}
		if e := loginBefore(x, p); e != nil && e.Key != "" {
			t[withKey(e.User, e.Key)] = true
		}
	}
	if a := x.Autostart(r); a != nil {
		tieAutostart(x, a, t)
	}
	if k := x.Key(r); k != nil {
		t[withKey(k.Account, k.Fingerprint)] = true
		if k.RDB != nil {
			t["redis"] = true
		}
	}
	if s := x.Service(r); s != nil && s.Name == "redis" {
		t["redis"] = true
	}
}

// withKey ties a key that is accused to what runs in a session that it opened.
func withKey(account, fingerprint string) string { return "key:" + account + " " + fingerprint }

// loginBefore is the last login before a process of a session began, of its user: the sshd of that session may have ended.
func loginBefore(x *relate.Index, p *fact.Process) (last *fact.LogEvent) {
	for i := range x.S.Log {
		e := &x.S.Log[i]
		if p.Session == "" || e.Kind != "ssh-accepted" || e.User != p.User || e.Time.IsZero() || e.Time.After(p.Started.Add(time.Second)) {
			continue
		}
		if last == nil || e.Time.After(last.Time) {
			last = e
		}
	}
	return last
}

func tieAutostart(x *relate.Index, a *fact.Autostart, t map[string]bool) {
	t["path:"+string(a.Origin.Path)] = true
	for _, p := range append(slices.Clone(a.Shell.Runs), a.Shell.Writes...) {
		t[string(fact.FileRef(p))] = true
	}
	if a.RDB != nil {
		t["redis"] = true
	}
	for _, raw := range a.Shell.URLs {
		if u, err := url.Parse(raw); err == nil && u.Host != "" {
			t["host:"+u.Host] = true
		}
	}
	if s := x.ScheduleOf(a.Ref); s != nil {
		for _, st := range s.Started {
			t[string(st.Process)] = true
		}
	}
}
