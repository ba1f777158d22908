package proc

import "bytes"

// CgroupUsage reads cpu.stat of a cgroup of version 2 (cgroup-v2.rst): the CPU
// seconds of all that are or were in it.
func CgroupUsage(b []byte) float64 { return float64(VMStat(b, "usage_usec")) / 1e6 }

// CPUAcctUsage reads cpuacct.usage of a cgroup of version 1, in seconds.
func CPUAcctUsage(b []byte) float64 {
	ns, _ := Uint(bytes.TrimSpace(b))
	return float64(ns) / 1e9
}
