package proc

import (
	"bytes"
	"strings"
)

// Cmdline splits /proc/PID/cmdline. Empty arguments between others are kept;
// the NULs at the end are not (a program that wrote its own title leaves
// many). Nil for a kernel thread.
func Cmdline(b []byte) []string {
	b = bytes.TrimRight(b, "\x00")
	if len(b) == 0 {
		return nil
	}
	return strings.Split(string(b), "\x00")
}

// EnvGet gives the first value of a name in /proc/PID/environ, as getenv(3)
// would at the start of the program; it may have changed its own since.
func EnvGet(b []byte, name string) (string, bool) {
	for len(b) > 0 {
		entry := b
		if i := bytes.IndexByte(b, 0); i >= 0 {
			entry, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if len(entry) > len(name) && entry[len(name)] == '=' && string(entry[:len(name)]) == name {
			return string(entry[len(name)+1:]), true
		}
	}
	return "", false
}
