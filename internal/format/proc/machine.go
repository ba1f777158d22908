package proc

import (
	"bytes"
	"math"
	"strconv"

	"demine/internal/fact"
)

// CPU is one "cpu" line of /proc/stat: clock ticks since boot. User and Nice
// include those of guests.
type CPU struct {
	N                                                     int // -1: all of them
	User, Nice, System, Idle, IOWait, IRQ, SoftIRQ, Steal uint64
}

// Total is all ticks that were given out.
func (c CPU) Total() uint64 {
	return c.User + c.Nice + c.System + c.Idle + c.IOWait + c.IRQ + c.SoftIRQ + c.Steal
}

// CPUStats is what /proc/stat says.
type CPUStats struct {
	All     CPU
	CPUs    []CPU  // those online, in the order of their numbers
	Boot    int64  // btime, seconds since 1970; 0 when it is not there
	Running int    // procs_running
	Blocked int    // procs_blocked: in D state for I/O
	Forks   uint64 // processes and threads that began since boot
}

// maxCPUs is NR_CPUS of the largest kernel configuration.
const maxCPUs = 8192

// CPUStat reads /proc/stat. Numbers may be a lie on a host with a rootkit.
func CPUStat(b []byte) CPUStats {
	s := CPUStats{All: CPU{N: -1}}
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		key, rest := word(line)
		first, _ := word(rest)
		switch v, _ := Uint(first); {
		case string(key) == "cpu":
			s.All = cpu(-1, rest)
		case bytes.HasPrefix(key, []byte("cpu")):
			if n, ok := Uint(key[3:]); ok && n < maxCPUs && len(s.CPUs) < maxCPUs {
				s.CPUs = append(s.CPUs, cpu(int(n), rest))
			}
		case string(key) == "btime":
			s.Boot = int64(min(v, math.MaxInt32<<8)) // far beyond any clock, safe to add to
		case string(key) == "procs_running":
			s.Running = int(min(v, math.MaxInt32))
		case string(key) == "procs_blocked":
			s.Blocked = int(min(v, math.MaxInt32))
		case string(key) == "processes":
			s.Forks = v
		}
	}
	return s
}

func cpu(n int, b []byte) CPU {
	c := CPU{N: n}
	for _, p := range []*uint64{&c.User, &c.Nice, &c.System, &c.Idle, &c.IOWait, &c.IRQ, &c.SoftIRQ, &c.Steal} {
		var w []byte
		w, b = word(b)
		*p, _ = Uint(w)
	}
	return c
}

// PSI reads /proc/pressure/RESOURCE, or a cgroup's; lines it does not
// understand are left out.
func PSI(b []byte, resource string) []fact.PSI {
	var out []fact.PSI
	for len(b) > 0 && len(out) < 2 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		kind, rest := word(line)
		if string(kind) != "some" && string(kind) != "full" {
			continue
		}
		p := fact.PSI{Resource: resource, Kind: string(kind)}
		for len(rest) > 0 {
			var w []byte
			if w, rest = word(rest); len(w) == 0 {
				break
			}
			key, val, _ := bytes.Cut(w, []byte{'='})
			switch string(key) {
			case "avg10":
				p.Avg10 = number(val)
			case "avg60":
				p.Avg60 = number(val)
			case "avg300":
				p.Avg300 = number(val)
			}
		}
		out = append(out, p)
	}
	return out
}

// number reads a decimal fraction; what is none is 0.
func number(b []byte) float64 {
	if len(b) == 0 || len(b) > 32 || b[0] < '0' || b[0] > '9' {
		return 0
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return 0
	}
	return v
}

// Meminfo reads /proc/meminfo in bytes, by the kernel's names. The few lines
// without a unit (HugePages_Total) are counts and stay as they are.
func Meminfo(b []byte) map[string]int64 {
	m := make(map[string]int64, 64)
	for key, val := range pairs(b) {
		if len(key) > 64 || len(m) >= 256 {
			continue
		}
		if bytes.HasSuffix(val, []byte("kB")) {
			m[string(key)] = kilobytes(val)
			continue
		}
		v, _ := Uint(val)
		m[string(key)] = int64(min(v, math.MaxInt64))
	}
	return m
}

// VMStat gives one counter of /proc/vmstat; 0 when it is not there.
func VMStat(b []byte, key string) uint64 {
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		if len(line) > len(key) && line[len(key)] == ' ' && string(line[:len(key)]) == key {
			v, _ := Uint(line[len(key)+1:])
			return v
		}
	}
	return 0
}

// Loadavg reads /proc/loadavg: the averages over 1, 5 and 15 minutes, and how
// many threads could run now, of how many.
func Loadavg(b []byte) (avg [3]float64, running, total int) {
	for i := range avg {
		var w []byte
		w, b = word(b)
		avg[i] = number(w)
	}
	w, _ := word(b)
	r, t, _ := bytes.Cut(w, []byte{'/'})
	rn, _ := Uint(r)
	tn, _ := Uint(t)
	return avg, int(min(rn, math.MaxInt32)), int(min(tn, math.MaxInt32))
}

// LastPID gives the last field of /proc/loadavg, the pid that was given out
// last in the reader's namespace: a bound for probing.
func LastPID(b []byte) int {
	f := bytes.Fields(b[:min(len(b), 256)])
	if len(f) != 5 {
		return 0
	}
	v, _ := Uint(f[4])
	return int(min(v, math.MaxInt32))
}
