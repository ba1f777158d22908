// Package proc reads the texts of procfs: proc(5), Documentation/filesystems/
// proc.rst and the seq_printf calls of fs/proc/array.c of the kernel. All
// functions take what one read gave; a text that was cut off gives what it
// still says.
package proc

import (
	"bytes"
	"errors"
	"math"
	"os"
)

// FlagKernelThread is PF_KTHREAD of include/linux/sched.h: no program can set
// it, whatever it calls itself.
const FlagKernelThread = 0x00200000

// StatLine is what /proc/PID/stat says. Times are clock ticks (sysconf
// _SC_CLK_TCK, 100 a second on Linux).
type StatLine struct {
	PID, PPID    int
	Comm         string // as it stands: any bytes, at most 15 but for kernel threads
	State        byte   // R S D Z T t X I …
	Session      int
	TTY          int    // device number, 0 none
	Flags        uint32 // PF_*
	UTime, STime uint64 // of its own threads, also ended ones
	Children     uint64 // user and system time of children that ended and were waited for
	Nice         int
	Threads      int
	Start        uint64 // since boot
	RSS          int64  // bytes
}

var errStat = errors.New("not a stat line")

var pageSize = int64(os.Getpagesize())

// Stat reads /proc/PID/stat. A name may hold spaces, ')' and newlines: it ends
// at the last ')'. An error means that the line is not one or was cut off.
func Stat(b []byte) (StatLine, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 2 || end < open || end+2 >= len(b) || b[open-1] != ' ' || b[end+1] != ' ' {
		return StatLine{}, errStat
	}
	pid, ok := Uint(b[:open-1])
	if state := b[end+2] | 0x20; !ok || pid > math.MaxInt32 || state < 'a' || state > 'z' {
		return StatLine{}, errStat
	}
	s := StatLine{PID: int(pid), Comm: string(b[open+1 : end]), State: b[end+2]}
	// Fields 3 (state) to 24 (rss) of proc(5); f[0] is the state.
	var f [22]int64
	if !fields(b[end+2:], f[:]) {
		return StatLine{}, errStat
	}
	s.PPID, s.Session, s.TTY = int(f[1]), int(f[3]), int(f[4])
	s.Flags = uint32(f[6])
	s.UTime, s.STime = uint64(f[11]), uint64(f[12])
	s.Children = uint64(max(0, f[13])) + uint64(max(0, f[14]))
	s.Nice, s.Threads = int(f[16]), int(f[17])
	s.Start = uint64(f[19])
	if rss := f[21]; rss > 0 && rss < math.MaxInt64/pageSize {
		s.RSS = rss * pageSize
	}
	return s, nil
}

// fields fills f with the numbers of b, which stand between single spaces; the
// first field is skipped. False when there are fewer.
func fields(b []byte, f []int64) bool {
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		return false
	}
	b = b[i+1:]
	for n := 1; n < len(f); n++ {
		end := 0
		for end < len(b) && b[end] != ' ' && b[end] != '\n' {
			end++
		}
		v, ok := integer(b[:end])
		if !ok {
			return false
		}
		f[n] = v
		b = b[min(end+1, len(b)):]
	}
	return true
}

// integer reads a decimal number with an optional minus; what is above 2^63
// wraps as the kernel's own unsigned fields do.
func integer(b []byte) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	v, ok := Uint(b)
	if neg {
		return -int64(v), ok
	}
	return int64(v), ok
}

// Uint reads a decimal number; false when b is empty or holds anything but at
// most 20 digits.
func Uint(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	var v uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, true
}

// Schedstat reads /proc/PID/schedstat or that of a thread: nanoseconds on a
// CPU and nanoseconds in which it could run but had to wait. Zeros when the
// kernel keeps none. The one of a process is its main thread's alone.
func Schedstat(b []byte) (run, wait uint64) {
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		return 0, 0
	}
	run, _ = Uint(b[:i])
	b = b[i+1:]
	if i = bytes.IndexByte(b, ' '); i < 0 {
		i = len(b)
	}
	wait, _ = Uint(bytes.TrimSuffix(b[:i], []byte{'\n'}))
	return run, wait
}
