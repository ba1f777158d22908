// Package packagelog reads what package managers log of installing and
// removing: dpkg.log (dpkg's log.c), yum.log, dnf.rpm.log, zypp/history
// (libzypp's HistoryLog.cc) and pacman.log (libalpm's log.c). Heads with the
// time are left to others.
package packagelog

import (
	"bytes"

	"demine/internal/fact"
)

// Anchors are byte strings of which every line that Parse understands holds
// one.
var Anchors = []string{" install ", " remove ", " purge ", "Installed: ", "Erased: ", "Removed: ", "|install|", "|remove |", "|remove|", "[ALPM] installed ", "[ALPM] removed "}

// Parse gives what was done (installed, removed) to which package, with its
// version as it is logged. It is false for lines that tell of something else.
func Parse(line []byte) (done, name string, ok bool) {
	for _, w := range []struct{ word, done string }{
		{" install ", "installed"}, {" remove ", "removed"}, {" purge ", "removed"},
	} {
		// "2026-11-22 18:59:40 install masscan:amd64 <none> 2:1.3.2": the fourth
		// word is the package, the fifth the version before, the sixth the new one.
		if i := bytes.Index(line, []byte(w.word)); i == 19 && line[10] == ' ' {
			f := bytes.Fields(line[i+len(w.word):])
			if len(f) == 3 {
				return w.done, fact.Text(bytes.Join([][]byte{f[0], f[2]}, []byte{' '})), true
			}
		}
	}
	for _, w := range []struct{ word, done string }{{"Installed: ", "installed"}, {"Erased: ", "removed"}, {"Removed: ", "removed"}} {
		if _, rest, found := bytes.Cut(line, []byte(w.word)); found {
			if f := bytes.Fields(rest); len(f) > 0 && len(f[len(f)-1]) < 256 {
				return w.done, fact.Text(f[len(f)-1]), true
			}
		}
	}
	for _, w := range []struct{ word, done string }{{"[ALPM] installed ", "installed"}, {"[ALPM] removed ", "removed"}} {
		// "[2026-11-22T18:59:40+0800] [ALPM] installed masscan (1.3.2-1)"
		if _, rest, found := bytes.Cut(line, []byte(w.word)); found && line[0] == '[' && len(rest) > 0 && len(rest) < 256 {
			return w.done, fact.Text(rest), true
		}
	}
	return zypp(line)
}

// zypp reads "2026-11-22 18:59:40|install|masscan|1.3.2-1|x86_64|root@shop|repo|sum|":
// packages with their versions.
func zypp(line []byte) (done, name string, ok bool) {
	f := bytes.Split(line, []byte{'|'})
	if len(f) < 5 || len(f[0]) != 19 || len(f[2]) == 0 || len(f[2])+len(f[3]) > 256 {
		return "", "", false
	}
	switch string(bytes.TrimSpace(f[1])) {
	case "install":
		done = "installed"
	case "remove":
		done = "removed"
	default:
		return "", "", false
	}
	return done, fact.Text(bytes.Join(f[2:4], []byte{' '})), true
}
