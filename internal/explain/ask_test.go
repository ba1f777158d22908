package explain

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"demine/causes"
	"demine/internal/fact"
	"demine/internal/judge"
	"demine/internal/relate"
)

func minute(m int) time.Time { return time.Date(2026, 11, 22, 18, m, 0, 0, time.UTC) }

func accepted(m int, method, from, key string) fact.LogEvent {
	return fact.LogEvent{Kind: "ssh-accepted", Time: minute(m), User: "root", Method: method, From: from, Key: key, PID: 400}
}

func TestLogin(t *testing.T) {
	failed := func(n int, from string) fact.LogEvent {
		return fact.LogEvent{Kind: "ssh-failed", Time: minute(1), From: from, Count: n}
	}
	until := func(n, m int) fact.LogEvent {
		e := failed(n, "203.0.113.66")
		e.Until = minute(m)
		return e
	}
	old := accepted(0, "publickey", "203.0.113.9", "SHA256:own")
	for name, c := range map[string]struct {
		login fact.LogEvent
		logs  []fact.LogEvent
		want  string
	}{
		"the owner":           {accepted(30, "publickey", "203.0.113.9", "SHA256:own"), []fact.LogEvent{old}, "known"},
		"a new key":           {accepted(30, "publickey", "203.0.113.9", "SHA256:new"), []fact.LogEvent{old}, "key"},
		"from elsewhere":      {accepted(30, "publickey", "203.0.113.66", "SHA256:own"), []fact.LogEvent{old}, "key"},
		"no older log":        {accepted(30, "publickey", "203.0.113.66", "SHA256:new"), nil, "known"},
		"guessed":             {accepted(30, "password", "203.0.113.66", ""), []fact.LogEvent{old, failed(20, "203.0.113.66")}, "guessed"},
		"guessed until then":  {accepted(30, "password", "203.0.113.66", ""), []fact.LogEvent{old, until(20, 29)}, "guessed"},
		"failed since":        {accepted(30, "password", "203.0.113.66", ""), []fact.LogEvent{old, until(900, 50)}, "password"},
		"mistyped":            {accepted(30, "password", "203.0.113.9", ""), []fact.LogEvent{old, failed(19, "203.0.113.9")}, "known"},
		"others fail":         {accepted(30, "password", "203.0.113.9", ""), []fact.LogEvent{old, failed(900, "203.0.113.66")}, "known"},
		"known password":      {accepted(30, "password", "203.0.113.66", ""), []fact.LogEvent{old}, "password"},
		"a neighbour":         {accepted(30, "publickey", "10.0.0.7", "SHA256:new"), []fact.LogEvent{old}, "neighbour"},
		"neighbour by public": {accepted(30, "publickey", "198.51.100.7", "SHA256:new"), []fact.LogEvent{old}, "neighbour"},
		"guessing neighbour":  {accepted(30, "password", "10.0.0.7", ""), []fact.LogEvent{failed(99, "10.0.0.7")}, "guessed"},
		"who looks":           {accepted(30, "password", "203.0.113.50", ""), []fact.LogEvent{old, failed(99, "203.0.113.50")}, "mine"},
	} {
		s := &fact.Snapshot{Log: append(c.logs, c.login)}
		s.Host.Self = 900
		s.Process = []fact.Process{{PID: 900, PPID: 400, Ref: "p:900"}, {PID: 400, PPID: 1, Comm: "sshd", Ref: "p:400", Sockets: []uint64{4}}}
		s.Socket = []fact.Socket{{Inode: 4, Proto: "tcp", State: "ESTABLISHED", Port: 22, Peer: netip.MustParseAddr("203.0.113.50"), PeerPort: 5}}
		s.Network = []fact.Network{{Own: true, Interfaces: []fact.Interface{{Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("198.51.100.5/24")}}}}}
		sc := newScene(relate.New(s), nil)
		if got := sc.login(&s.Log[len(s.Log)-1]); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// A pid is used again: only an sshd that began with the login is its own.
func TestBeganIn(t *testing.T) {
	e := accepted(30, "password", "203.0.113.66", "")
	for name, c := range map[string]struct {
		sshd fact.Process
		p    fact.Process
		want bool
	}{
		"child":         {fact.Process{Comm: "sshd", Started: minute(30)}, fact.Process{PPID: 400}, true},
		"same session":  {fact.Process{Comm: "sshd-session", Started: minute(29), Session: "7"}, fact.Process{PPID: 1, Session: "7"}, true},
		"other session": {fact.Process{Comm: "sshd", Started: minute(29), Session: "7"}, fact.Process{PPID: 1, Session: "8"}, false},
		"no session":    {fact.Process{Comm: "sshd", Started: minute(29)}, fact.Process{PPID: 1}, false},
		"pid again":     {fact.Process{Comm: "sshd", Started: minute(40)}, fact.Process{PPID: 400}, false},
		"other program": {fact.Process{Comm: "bash", Started: minute(30)}, fact.Process{PPID: 400}, false},
	} {
		c.sshd.PID, c.sshd.Ref, c.p.PID, c.p.Ref = 400, "p:400", 500, "p:500"
		s := &fact.Snapshot{Process: []fact.Process{c.sshd, c.p}}
		sc := newScene(relate.New(s), nil)
		if got := sc.beganIn(&s.Process[1], &e); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestInside(t *testing.T) {
	with := map[string][]string{"programs": {"java"}, "images": {"*postgres*"}, "units": {"shop@*.service", "shop.service", "own.service"}, "not_argv": {"*other*"}}
	java := fact.Process{PID: 5, Ref: "p:5", Exe: "/opt/jdk/bin/java", Argv: []string{"java"}, Unit: "app.service"}
	for name, c := range map[string]struct {
		server, p fact.Process
		want      bool
	}{
		"same unit":        {java, fact.Process{Unit: "app.service"}, true},
		"other unit":       {java, fact.Process{Unit: "db.service"}, false},
		"by name alone":    {fact.Process{PID: 5}, fact.Process{Unit: "shop@1.service"}, false},
		"by exact name":    {fact.Process{PID: 5}, fact.Process{Unit: "shop.service"}, true},
		"a unit of ours":   {fact.Process{PID: 5}, fact.Process{Unit: "own.service"}, false},
		"name and server":  {below(inUnit(java, "shop@1.service"), 4), fact.Process{Unit: "shop@1.service"}, true},
		"accused unit":     {inUnit(java, "bad.service"), fact.Process{Unit: "bad.service"}, false},
		"accused timer":    {inUnit(java, "tick.service"), fact.Process{Unit: "tick.service"}, false},
		"both of cron":     {inUnit(java, "cron.service"), fact.Process{Unit: "cron.service"}, false},
		"both of a login":  {inUnit(java, "session-3.scope"), fact.Process{Unit: "session-3.scope"}, false},
		"not that program": {fact.Process{PID: 5, Exe: "/bin/java", Argv: []string{"java", "x-other"}, Unit: "app.service"}, fact.Process{Unit: "app.service"}, false},
		"one of several":   {below(java, 4), fact.Process{Unit: "app.service"}, false},
		"by a script":      {below(java, 3), fact.Process{Unit: "app.service"}, true},
		"own container":    {fact.Process{PID: 5, Exe: "/bin/java", Container: "cdcdcdcdcdcd"}, fact.Process{Container: "cdcdcdcdcdcd"}, false},
		"image alone":      {fact.Process{PID: 5}, fact.Process{Container: "abababababab"}, false},
		"image and server": {fact.Process{PID: 5, Exe: "/bin/java", Container: "abababababab"}, fact.Process{Container: "abababababab"}, true},
		"made for it":      {fact.Process{PID: 5, Exe: "/bin/java", Container: "abababababab"}, fact.Process{Exe: "/x/main", Container: "abababababab"}, false},
	} {
		c.p.PID, c.p.Ref = 6, "p:6"
		s := &fact.Snapshot{Process: []fact.Process{c.server, c.p, {PID: 4, PPID: 1, Exe: "/usr/bin/supervisord", Unit: "app.service"},
			{PID: 3, PPID: 1, Exe: "/usr/bin/bash", Unit: "app.service"}, {PID: 900, Container: "cdcdcdcdcdcd"}},
			Host: fact.HostInfo{Self: 900}, Container: []fact.Container{{ID: "abababababab", Image: "docker.io/library/postgres:15", Argv: []string{"/bin/main"}}},
			Autostart: []fact.Autostart{{Ref: "a:1", Kind: "unit", Name: "bad.service"}, {Ref: "a:2", Kind: "timer", Name: "tick.timer"},
				{Ref: "a:3", Kind: "unit", Name: "own.service"}, {Ref: "a:4", Kind: "unit", Name: "shop.service", Package: "shop"}}}
		sc := newScene(relate.New(s), []judge.Finding{{ID: "F-1", Subject: "a:1"}, {ID: "F-2", Subject: "a:2"}})
		if got := sc.inside(&s.Process[1], with); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func below(p fact.Process, parent int) fact.Process {
	p.PPID = parent
	return p
}

func inUnit(p fact.Process, unit string) fact.Process {
	p.Unit = unit
	return p
}

// What is answered with a redirect or an error was not let in, but where that
// is what the attack itself brings.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		kind, marker string
		status       int
		want         bool
	}{
		{"web-exploit", "phpunit", 200, false}, {"web-exploit", "phpunit", 301, true}, {"web-exploit", "phpunit", 404, true},
		{"web-exploit", "phpunit", 444, true}, {"web-exploit", "phpunit", 500, false}, {"web-exploit", "phpunit", 0, false},
		{"web-exploit", "ognl", 302, false}, {"web-exploit", "ognl", 403, true}, {"java-lookup", "log4shell", 404, false},
	} {
		if got := refused(&fact.LogEvent{Kind: c.kind, Marker: c.marker, Status: c.status}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// No expression of a cause fails, whether there is nothing to speak of or a
// little of everything, with empty fields.
func TestExpressions(t *testing.T) {
	hs, err := LoadCauses(causes.FS)
	if err != nil {
		t.Fatal(err)
	}
	some := &fact.Snapshot{
		Process: []fact.Process{{PID: 5, Ref: "p:5", Container: "abababababab", User: "www-data"}, {PID: 6, PPID: 5, Ref: "p:6", Exe: "/tmp/x", ExeFile: "f:1",
			Container: "abababababab", Session: "3", User: "postgres"}},
		Container: []fact.Container{{ID: "abababababab"}},
		File:      []fact.File{{Ref: "f:1", Path: "/tmp/x", Owner: "mysql"}},
		Autostart: []fact.Autostart{{Ref: "a:1", Modified: minute(0)}, {Ref: "a:2", RDB: &fact.RDBMark{}}},
		Key:       []fact.Key{{Ref: "k:1"}},
		Service:   []fact.Service{{Name: "redis", Process: "p:5"}},
		Log:       []fact.LogEvent{accepted(0, "password", "", ""), {Kind: "web-exploit", Time: minute(0)}, {Kind: "log-wiped"}},
		Socket:    []fact.Socket{{Proto: "tcp", State: "LISTEN", Port: 6379, Inode: 1}},
	}
	all := []judge.Finding{{ID: "F-1", Subject: "p:6"}, {ID: "F-2", Subject: "a:1"}, {ID: "F-3", Subject: "a:2"}, {ID: "F-4", Subject: "k:1"}}
	for name, sc := range map[string]*scene{"nothing": newScene(relate.New(&fact.Snapshot{}), nil), "some": newScene(relate.New(some), all)} {
		for _, h := range hs {
			if h.Shared {
				continue
			}
			vars := sc.vars()
			vars["with"] = h.With
			a := judge.Ask(sc.x, vars)
			if _, err := a.Value(h.when, nil); err != nil {
				t.Errorf("%s: %s: when: %v", name, h.ID, err)
			}
			for _, list := range [][]Speaks{h.For, h.Against, h.Missing} {
				for i := range list {
					tryEvidence(t, name+": "+h.ID, a, &list[i])
				}
			}
		}
	}
}

func tryEvidence(t *testing.T, where string, a *judge.Asker, s *Speaks) {
	v, err := a.Value(s.each, nil)
	if err != nil {
		t.Errorf("%s.%s: %v", where, s.ID, err)
		return
	}
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice {
		return
	}
	for i := range list.Len() {
		it := list.Index(i).Interface()
		for name, e := range s.args {
			if _, err := a.Value(e, it); err != nil {
				t.Error(fmt.Errorf("%s.%s: %s: %w", where, s.ID, name, err))
			}
		}
	}
}
