package proc

import "bytes"

// ThreadInfo is what /proc/PID/task/TID/status says of how a thread is
// scheduled.
type ThreadInfo struct {
	CPUs      int    // on how many it may run; 0 when it is not said
	Voluntary uint64 // how often it gave up its CPU to wait for something
}

// Thread reads /proc/PID/task/TID/status.
func Thread(b []byte) ThreadInfo {
	var t ThreadInfo
	for key, val := range pairs(b) {
		switch string(key) {
		case "Cpus_allowed_list":
			t.CPUs = listed(val)
		case "voluntary_ctxt_switches":
			t.Voluntary, _ = Uint(val)
		}
	}
	return t
}

// listed counts the numbers of a list such as "0-3,8" (bitmap_print_list of
// the kernel); what is none counts nothing.
func listed(b []byte) int {
	n := 0
	for part := range bytes.SplitSeq(b, []byte{','}) {
		from, to, ranged := bytes.Cut(part, []byte{'-'})
		if !ranged {
			to = from
		}
		a, ok1 := Uint(from)
		z, ok2 := Uint(to)
		if ok1 && ok2 && a <= z && z < maxCPUs {
			n += int(z-a) + 1
		}
	}
	return min(n, maxCPUs)
}

// Policy gives the scheduling policy in /proc/PID/stat or a thread's: field 41
// of proc(5), SCHED_* of linux/sched.h; -1 when the line is too short.
func Policy(b []byte) int {
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 39 {
		return -1
	}
	v, ok := Uint(f[38])
	if !ok || v > 7 {
		return -1
	}
	return int(v)
}
