// Package passwd reads /etc/passwd, /etc/shadow and /etc/group: passwd(5),
// shadow(5), group(5), and glibc's nss_files for what it accepts. Fields are
// not trimmed: a shell of "/usr/sbin/nologin " is another file.
package passwd

import (
	"bytes"
	"iter"
	"path"
	"strconv"
	"strings"

	"demine/internal/fact"
)

// What is known of a password, in fact.Account.Password and from Shadow.
const (
	Set      = "set"
	None     = "empty"     // lets in without a password, where that is allowed
	Locked   = "locked"    // no password fits; a key may still let in
	InPasswd = "in-passwd" // the hash is in passwd, for everyone to read
)

// Passwd gives the accounts in file order. A line with fewer than four fields
// or without numeric ids is no account, as for glibc; what is left out at the
// end is empty. Ref, Origin.Line and
// Login are set; Origin.Path is the caller's. Password is empty where shadow
// has it ("x").
func Passwd(b []byte) []fact.Account {
	var out []fact.Account
	for n, line := range lines(b) {
		f := strings.SplitN(string(line), ":", 7)
		if len(f) < 4 || f[0] == "" {
			continue
		}
		f = append(f, "", "", "") // what is left out at the end is empty: "toor::0:0" lets in
		uid, err1 := strconv.ParseUint(f[2], 10, 32)
		gid, err2 := strconv.ParseUint(f[3], 10, 32)
		if err1 != nil || err2 != nil {
			continue
		}
		name := fact.Text([]byte(f[0]))
		out = append(out, fact.Account{
			Ref: fact.AccountRef(name), Name: name, UID: int(uid), GID: int(gid),
			Home: fact.Path(f[5]), Shell: fact.Path(f[6]), Login: LetsIn(fact.Path(f[6])),
			Password: inPasswd(f[1]), Origin: fact.Origin{Line: n},
		})
	}
	return out
}

func inPasswd(field string) string {
	if field == "x" {
		return ""
	}
	s := state(field)
	if s == Set {
		return InPasswd
	}
	return s
}

// LetsIn reports whether a shell is none of those that only turn away, by its
// name. An empty one stands for /bin/sh. The file may be something else under
// that name.
func LetsIn(shell fact.Path) bool {
	switch path.Base(string(shell)) {
	case "nologin", "false", "true", "sync", "halt", "shutdown":
		return false
	}
	return true
}

// Shadow gives "set", "empty" or "locked" for each name; never the hash.
func Shadow(b []byte) map[string]string {
	out := map[string]string{}
	for _, line := range lines(b) {
		name, rest, ok := bytes.Cut(line, []byte{':'})
		if !ok || len(name) == 0 {
			continue
		}
		hash, _, _ := bytes.Cut(rest, []byte{':'})
		if _, twice := out[fact.Text(name)]; !twice { // the first line is the one in force
			out[fact.Text(name)] = state(string(hash))
		}
	}
	return out
}

// state judges a password field: crypt(3) never gives a hash that starts with
// '!' or '*'; passwd -l puts a '!' before the hash.
func state(hash string) string {
	switch {
	case hash == "":
		return None
	case hash[0] == '!' || hash[0] == '*' || hash == "x":
		return Locked
	}
	return Set
}

// Member is one line of /etc/group.
type Member struct {
	Name  string
	GID   int
	Users []string // besides those whose main group it is
	Line  int
}

// Group gives the groups in file order.
func Group(b []byte) []Member {
	var out []Member
	for n, line := range lines(b) {
		f := bytes.SplitN(line, []byte{':'}, 4)
		if len(f) < 4 || len(f[0]) == 0 {
			continue
		}
		gid, err := strconv.ParseUint(string(f[2]), 10, 32)
		if err != nil {
			continue
		}
		m := Member{Name: fact.Text(f[0]), GID: int(gid), Line: n}
		for u := range bytes.SplitSeq(f[3], []byte{','}) {
			if len(u) > 0 {
				m.Users = append(m.Users, fact.Text(u))
			}
		}
		out = append(out, m)
	}
	return out
}

// lines gives what stands in a line, with its number: no blank lines, no
// comments, no lines of NIS ("+", "-").
func lines(b []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for n := 1; len(b) > 0; n++ {
			var line []byte
			line, b, _ = bytes.Cut(b, []byte{'\n'})
			if len(line) == 0 || bytes.IndexByte([]byte("#+-"), line[0]) >= 0 {
				continue
			}
			if !yield(n, line) {
				return
			}
		}
	}
}
