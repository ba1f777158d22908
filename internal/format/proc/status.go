package proc

import (
	"bytes"
	"iter"
)

// StatusInfo is what /proc/PID/status says besides stat. Ids are as seen from
// the reader's user namespace.
type StatusInfo struct {
	TGID      int // the process that the thread is of
	UID, EUID int // real, effective
	GID, EGID int
	RSS       int64 // VmRSS in bytes; 0 for a kernel thread
	Threads   int
	NSPID     []int // its pid in each pid namespace, from the reader's inwards
	Tracer    int   // TracerPid; 0: none
}

// Status reads /proc/PID/status; what is missing is zero. NSPID needs Linux
// 4.1.
func Status(b []byte) StatusInfo {
	var s StatusInfo
	for key, val := range pairs(b) {
		switch string(key) { // does not allocate
		case "Tgid":
			s.TGID, _ = firstTwo(val)
		case "Uid":
			s.UID, s.EUID = firstTwo(val)
		case "Gid":
			s.GID, s.EGID = firstTwo(val)
		case "TracerPid":
			s.Tracer, _ = firstTwo(val)
		case "Threads":
			s.Threads, _ = firstTwo(val)
		case "VmRSS":
			s.RSS = kilobytes(val)
		case "NSpid":
			for _, w := range bytes.Fields(val[:min(len(val), 512)]) { // 32 levels at most
				n, _ := Uint(w)
				s.NSPID = append(s.NSPID, int(n))
			}
		}
	}
	return s
}

// pairs gives the "Key:\tvalue" lines.
func pairs(b []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for len(b) > 0 {
			line := b
			if i := bytes.IndexByte(b, '\n'); i >= 0 {
				line, b = b[:i], b[i+1:]
			} else {
				b = nil
			}
			i := bytes.IndexByte(line, ':')
			if i > 0 && !yield(line[:i], bytes.TrimSpace(line[i+1:])) {
				return
			}
		}
	}
}

// firstTwo gives the first two numbers of a list; missing ones are 0.
func firstTwo(b []byte) (int, int) {
	var n [2]int
	for i := range n {
		w, rest := word(b)
		v, _ := Uint(w)
		n[i], b = int(v), rest
	}
	return n[0], n[1]
}

// word cuts off the first word of b.
func word(b []byte) (w, rest []byte) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	end := i
	for end < len(b) && b[end] != ' ' && b[end] != '\t' && b[end] != '\n' {
		end++
	}
	return b[i:end], b[end:]
}

// kilobytes reads "123 kB" as bytes.
func kilobytes(b []byte) int64 {
	w, _ := word(b)
	v, _ := Uint(w)
	if v > 1<<52 {
		return 0
	}
	return int64(v) * 1024
}
