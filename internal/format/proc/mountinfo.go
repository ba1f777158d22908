package proc

import (
	"bytes"

	"demine/internal/fact"
)

// Mount is one line of /proc/PID/mountinfo.
type Mount struct {
	ID, Parent int
	Root       fact.Path // what of the file system is mounted: not "/" for a bind
	Point      fact.Path // where
	FS, Source string
	Options    []string // of this mount: rw, nosuid, noexec …
	Super      []string // of the file system: size=…, hidepid=…
}

const maxMounts = 100_000 // fs.mount-max of the kernel

// Mountinfo reads /proc/PID/mountinfo (proc_pid_mountinfo(5)). Lines it does
// not understand are left out.
func Mountinfo(b []byte) []Mount {
	var out []Mount
	for len(b) > 0 && len(out) < maxMounts {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		if m, ok := mount(line); ok {
			out = append(out, m)
		}
	}
	return out
}

// mount reads "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root
// rw,errors=continue"; between the options and the dash are any number of tags.
func mount(line []byte) (Mount, bool) {
	left, right, ok := bytes.Cut(line, []byte(" - "))
	if !ok {
		return Mount{}, false
	}
	l, r := bytes.SplitN(left, []byte{' '}, 7), bytes.Split(right, []byte{' '})
	if len(l) < 6 || len(r) < 3 {
		return Mount{}, false
	}
	id, ok1 := Uint(l[0])
	parent, ok2 := Uint(l[1])
	if !ok1 || !ok2 {
		return Mount{}, false
	}
	return Mount{
		ID: int(id), Parent: int(parent),
		Root: fact.Path(unescape(l[3])), Point: fact.Path(unescape(l[4])), Options: list(l[5]),
		FS: fact.Text(unescape(r[0])), Source: fact.Text(unescape(r[1])), Super: list(r[2]),
	}, true
}

func list(b []byte) []string {
	var out []string
	for w := range bytes.SplitSeq(b, []byte{','}) {
		out = append(out, fact.Text(unescape(w)))
	}
	return out
}

// unescape turns \ooo back into the byte (mangle() of fs/proc_namespace.c
// writes blank, tab, newline, backslash and '#' so).
func unescape(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+3 < len(b) && octal(b[i+1]) && octal(b[i+2]) && octal(b[i+3]) && b[i+1] < '4' {
			out = append(out, (b[i+1]-'0')<<6|(b[i+2]-'0')<<3|(b[i+3]-'0'))
			i += 3
			continue
		}
		out = append(out, b[i])
	}
	return out
}

func octal(c byte) bool { return c >= '0' && c <= '7' }
