package authlog

import (
	"bytes"
	"net/netip"
	"strconv"

	"demine/internal/fact"
)

// sshd reads "Accepted METHOD for USER from ADDR port N ssh2: TYPE FINGERPRINT",
// "Failed METHOD for [invalid user ]USER from …" and "Invalid user USER from
// ADDR port N".
func sshd(msg []byte) (fact.LogEvent, bool) {
	if rest, ok := bytes.CutPrefix(msg, []byte("Invalid user ")); ok {
		return login(fact.LogEvent{Kind: Failed, Method: "invalid-user"}, rest)
	}
	kind := Failed
	rest, ok := bytes.CutPrefix(msg, []byte("Failed "))
	if !ok {
		kind = Accepted
		if rest, ok = bytes.CutPrefix(msg, []byte("Accepted ")); !ok {
			return fact.LogEvent{}, false
		}
	}
	method, rest, ok := bytes.Cut(rest, []byte(" for "))
	if !ok || len(method) > 64 || bytes.IndexByte(method, ' ') >= 0 {
		return fact.LogEvent{}, false
	}
	if kind == Failed {
		rest = bytes.TrimPrefix(rest, []byte("invalid user "))
	}
	return login(fact.LogEvent{Kind: kind, Method: text(method)}, rest)
}

// login reads "USER from ADDR port N[ ssh2[: TYPE FINGERPRINT]]". The user of a
// failed login may hold any words, also " from 1.2.3.4 port 5": the last one is
// sshd's own. In an accepted one the account exists and has no spaces, while
// the comment of a certificate may hold any words: there the first one counts.
func login(e fact.LogEvent, b []byte) (fact.LogEvent, bool) {
	sep := []byte(" from ")
	i := bytes.LastIndex(b, sep)
	if e.Kind == Accepted {
		i = bytes.Index(b, sep)
	}
	if i < 0 {
		return e, false
	}
	f := bytes.Fields(b[i+len(sep):])
	// "from UNKNOWN port 65535" is a peer that is gone already.
	if len(f) == 0 || len(f) > 1 && string(f[1]) != "port" {
		return e, false
	}
	addr, err := netip.ParseAddr(string(f[0]))
	if err != nil && string(f[0]) != "UNKNOWN" {
		return e, false
	}
	e.User = text(b[:i])
	if err == nil {
		e.From = addr.Unmap().String()
	}
	for _, w := range f[1:] {
		if bytes.HasPrefix(w, []byte("SHA256:")) || bytes.HasPrefix(w, []byte("MD5:")) {
			e.Key = text(w)
			break
		}
	}
	return e, true
}

// refusals are what the crons say when they leave a crontab or a line of it
// out, in the word after "(user) ".
var refusals = [][]byte{
	[]byte("INSECURE MODE"), []byte("BAD FILE MODE"), []byte("WRONG FILE OWNER"), []byte("WRONG INODE INFO"),
	[]byte("BAD LINK COUNT"), []byte("NOT A REGULAR FILE"), []byte("NOT REGULAR"), []byte("CAN'T OPEN"),
	[]byte("CAN'T STAT"), []byte("SYMLINK"), []byte("BROKEN SYMLINK"), []byte("ORPHAN"), []byte("FAILED"),
	[]byte("ERROR"), []byte("Error:"), []byte("AUTH"), []byte("WRONG SYMLINK OWNER"), []byte("bad "),
	[]byte("PAM ERROR"), []byte("CANNOT"), []byte("getpwnam() failed"),
}

// cron reads "(USER) CMD (COMMAND)", "(USER) REFUSAL (…)" and busybox's "USER
// root pid 12 cmd …".
func cron(msg []byte) (fact.LogEvent, bool) {
	if rest, ok := bytes.CutPrefix(msg, []byte("USER ")); ok {
		return busybox(rest)
	}
	if len(msg) == 0 || msg[0] != '(' {
		return fact.LogEvent{}, false
	}
	user, rest, ok := bytes.Cut(msg[1:], []byte(") "))
	if !ok {
		return fact.LogEvent{}, false
	}
	if cmd, ok := bytes.CutPrefix(rest, []byte("CMD (")); ok {
		return fact.LogEvent{Kind: Run, User: text(user), Text: text(bytes.TrimSuffix(cmd, []byte(")")))}, true
	}
	for _, r := range refusals {
		if bytes.HasPrefix(rest, r) {
			return fact.LogEvent{Kind: Refused, User: text(user), Text: text(rest)}, true
		}
	}
	return fact.LogEvent{}, false
}

// busybox reads what follows "USER ": "root pid  12 cmd run-parts …". The pid
// is the command's.
func busybox(b []byte) (fact.LogEvent, bool) {
	user, rest, ok := bytes.Cut(b, []byte(" pid "))
	if !ok {
		return fact.LogEvent{}, false
	}
	num, cmd, ok := bytes.Cut(bytes.TrimLeft(rest, " "), []byte(" cmd "))
	pid, err := strconv.Atoi(string(num))
	if !ok || err != nil || pid < 0 {
		return fact.LogEvent{}, false
	}
	return fact.LogEvent{Kind: Run, User: text(user), PID: pid, Text: text(cmd)}, true
}

// sudo reads "USER : TTY=… ; PWD=… ; USER=root ; COMMAND=…": User is who asked,
// Method whom the command ran as, Text the command. A reason before all that is
// why it did not run.
func sudo(msg []byte) (fact.LogEvent, bool) {
	who, rest, ok := bytes.Cut(msg, []byte(" : "))
	if !ok || bytes.IndexByte(who, ' ') >= 0 {
		return fact.LogEvent{}, false
	}
	first, _, _ := bytes.Cut(rest, []byte{'='})
	_, as, ok := bytes.Cut(rest, []byte("USER="))
	if !ok || bytes.IndexByte(first, ' ') >= 0 {
		return fact.LogEvent{}, false
	}
	as, tail, _ := bytes.Cut(as, []byte(" ;"))
	_, cmd, ok := bytes.Cut(tail, []byte("COMMAND="))
	if !ok {
		return fact.LogEvent{}, false
	}
	return fact.LogEvent{Kind: Sudo, User: text(who), Method: text(as), Text: text(cmd)}, true
}

// user reads "new user: name=x, UID=0, …", "delete user 'x'", "change user 'x'
// …", "add 'x' to group 'sudo'" and "password changed for x".
func user(msg []byte) (fact.LogEvent, bool) {
	if rest, ok := bytes.CutPrefix(msg, []byte("new user: name=")); ok {
		name, _, _ := bytes.Cut(rest, []byte{','})
		return fact.LogEvent{Kind: Added, User: text(name), Text: text(msg)}, len(name) > 0
	}
	for _, p := range []string{"delete user '", "change user '", "add '"} {
		if rest, ok := bytes.CutPrefix(msg, []byte(p)); ok {
			name, _, ok := bytes.Cut(rest, []byte{'\''})
			return fact.LogEvent{Kind: Changed, User: text(name), Text: text(msg)}, ok
		}
	}
	if _, name, ok := bytes.Cut(msg, []byte("password changed for ")); ok {
		return fact.LogEvent{Kind: Changed, User: text(name), Text: text(msg)}, true
	}
	return fact.LogEvent{}, false
}
