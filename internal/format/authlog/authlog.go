// Package authlog reads what sshd, cron, sudo and shadow-utils write to syslog: the lines of
// /var/log/auth.log, secure, cron and syslog. Heads are those of RFC 3164
// (rsyslog's traditional format, busybox syslogd) and of rsyslog's
// RFC 3339 format; messages are those of OpenSSH's auth.c and auth2-pubkey.c,
// Debian cron, cronie, busybox crond, sudo's logging.c and shadow's useradd.c. Only the parts that
// their writers put there are trusted: a user name of a failed login is the
// other side's choice.
package authlog

import (
	"bytes"
	"strconv"
	"time"

	"demine/internal/fact"
)

// Kinds of event that Parse gives, in fact.LogEvent.Kind.
const (
	Accepted = "ssh-accepted"
	Failed   = "ssh-failed"
	Run      = "cron-run"
	Refused  = "cron-refused"
	Sudo     = "sudo"
	Added    = "user-added"
	Changed  = "user-changed"

	LoginFailed = "login-failed" // of btmp; the Collector folds it like Failed
)

// Parse reads one line without its newline. A head without a year is taken to
// be of the given one and of loc; one with an offset keeps its own. It is false
// for every line that is none of the kinds. Texts are as logged (secrets are
// not masked) and valid UTF-8. Origin is not set.
func Parse(line []byte, year int, loc *time.Location) (fact.LogEvent, bool) {
	h, ok := head(line, year, loc)
	if !ok {
		return fact.LogEvent{}, false
	}
	e, ok := Message(h.program, h.pid, h.message)
	e.Time = h.time
	return e, ok
}

// Message reads what one of the programs logged, for logs whose heads are
// stored apart (the journal: SYSLOG_IDENTIFIER, _PID, MESSAGE).
func Message(program string, pid int, msg []byte) (fact.LogEvent, bool) {
	msg, count := repeated(msg)
	var e fact.LogEvent
	var ok bool
	switch program {
	case "sshd", "sshd-session", "sshd-auth":
		e, ok = sshd(msg)
	case "CRON", "cron", "crond", "CROND", "/usr/sbin/cron", "/USR/SBIN/CRON", "/usr/sbin/crond":
		e, ok = cron(msg)
	case "sudo":
		e, ok = sudo(msg)
	case "useradd", "adduser", "userdel", "usermod", "passwd", "chpasswd":
		e, ok = user(msg)
	}
	if !ok {
		return fact.LogEvent{}, false
	}
	if e.PID == 0 {
		e.PID = pid
	}
	e.Count = count
	return e, true
}

// repeated unpacks rsyslog's "message repeated 5 times: [ … ]"; count is 0 for
// a message of its own.
func repeated(msg []byte) (inner []byte, count int) {
	rest, ok := bytes.CutPrefix(msg, []byte("message repeated "))
	if !ok {
		return msg, 0
	}
	n, rest, ok := bytes.Cut(rest, []byte(" times: ["))
	count, err := strconv.Atoi(string(n))
	if !ok || err != nil || count < 1 {
		return msg, 0
	}
	return bytes.TrimSpace(bytes.TrimSuffix(rest, []byte("]"))), count
}

// text is a copy of b as valid UTF-8.
func text(b []byte) string { return fact.Text(b) }
