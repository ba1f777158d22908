package observe

import (
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/proc"
)

// mounts are those of demine's own mount namespace.
func (h *hider) mounts() []proc.Mount {
	b, _, err := h.v.ReadFile("/proc/self/mountinfo", 16<<20)
	h.part.gap("/proc/self/mountinfo", err)
	return proc.Mountinfo(b)
}

// telling are the parts of a process's folder that tell which program it is: a
// mount over one of them hides as much as one over all.
var telling = []string{"cmdline", "cgroup", "comm", "cwd", "environ", "exe", "fd", "maps", "stat", "status", "task"}

// covered marks the living processes over whose folder, or a telling part of
// it, something is mounted. What runtimes and LXCFS mount in /proc (kcore, keys,
// meminfo …) belongs to no process.
func (h *hider) covered(ms []proc.Mount) {
	done := map[int]bool{}
	for _, m := range ms {
		pid := coveredBy(m.Point)
		if pid == 0 || done[pid] || !h.listed[pid] {
			continue
		}
		done[pid] = true
		h.know(pid, "mount")
		h.asked(pid)
		h.cover(pid)
	}
}

func coveredBy(point fact.Path) int {
	rest, ok := strings.CutPrefix(string(point), "/proc/")
	first, part, deeper := strings.Cut(rest, "/")
	pid, err := strconv.Atoi(first)
	if !ok || err != nil || pid <= 0 {
		return 0
	}
	part, _, _ = strings.Cut(part, "/")
	if deeper && !slices.Contains(telling, part) {
		return 0
	}
	return pid
}

func (h *hider) cover(pid int) {
	for i := range h.in.Process {
		if p := h.in.Process[i]; p.PID == pid {
			p.Hidden, p.KnownBy = []string{"mount"}, h.by[pid]
			h.part.Process = append(h.part.Process, p)
			return
		}
	}
	h.add(pid, "mount")
}
