package proc

import (
	"bytes"
	"strconv"
	"strings"
)

// Writes reads /proc/PID/fdinfo/FD (proc(5)) and reports whether the descriptor
// was opened for writing: the access mode of open(2) is in the last two bits.
func Writes(b []byte) bool { return flags(b)&3 != 0 }

// Appends reports whether each write goes to the end of the file: O_APPEND is
// 02000 on every architecture of Linux but Alpha, MIPS and PA-RISC.
func Appends(b []byte) bool { return flags(b)&0o2000 != 0 }

// flags are octal. None can be read: 0.
func flags(b []byte) uint64 {
	for line := range bytes.Lines(b) {
		if v, ok := bytes.CutPrefix(line, []byte("flags:")); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(string(v)), 8, 32)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}
