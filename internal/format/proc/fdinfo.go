package proc

import (
	"bytes"
	"strconv"
	"strings"
)

// Writes reads /proc/PID/fdinfo/FD (proc(5)) and reports whether the descriptor
// was opened for writing: flags are octal, with the access mode of open(2) in
// the last two bits.
func Writes(b []byte) bool {
	for line := range bytes.Lines(b) {
		if v, ok := bytes.CutPrefix(line, []byte("flags:")); ok {
			flags, err := strconv.ParseUint(strings.TrimSpace(string(v)), 8, 32)
			return err == nil && flags&3 != 0
		}
	}
	return false
}
