package host

import (
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// RaisePriority puts demine ahead of others for the short time of a look: a
// saturated host is the normal case. The caller runs the function that it gives
// to put things back. It needs root; without it nothing happens.
//
// Linux keeps nice by thread (setpriority(2)): those that run now are raised,
// those that they start inherit it. Where sched_autogroup is on, nice only
// ranks within the session, so the session's group is raised as well
// (sched(7)): but only where demine is in it. Who is in a cgroup of the CPU
// controller is not (kernel/sched/autogroup.c), while others of the session may
// be: they would get ahead of demine.
func RaisePriority() (restore func()) {
	restore = func() {}
	if os.Geteuid() != 0 {
		return restore
	}
	tids, _ := liveFiles{}.Names("/proc/self/task")
	for _, t := range tids {
		if tid, err := strconv.Atoi(t); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, tid, -20)
		}
	}
	own, _ := os.ReadFile("/proc/self/cgroup")
	if inCPUGroup(string(own), exists) {
		return restore
	}
	const group = "/proc/self/autogroup"
	was, err := os.ReadFile(group) // "/autogroup-25 nice 0"
	if err != nil || os.WriteFile(group, []byte("-20"), 0) != nil {
		return restore
	}
	_, nice, _ := strings.Cut(strings.TrimSpace(string(was)), " nice ")
	return func() { _ = os.WriteFile(group, []byte(nice), 0) }
}

// inCPUGroup reports whether a process whose /proc/PID/cgroup is given is in a
// group of the CPU controller other than its root. In cgroup v2 the path does
// not tell: the controller may not reach down to it, and then the file of its
// weight is missing, as in the root.
func inCPUGroup(cgroups string, exists func(string) bool) bool {
	for line := range strings.Lines(cgroups) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, at, _ := strings.Cut(rest, ":")
		switch {
		case slices.Contains(strings.Split(controllers, ","), "cpu"):
			return at != "/"
		case controllers == "":
			return weighted("/sys/fs/cgroup", at, exists) || weighted("/sys/fs/cgroup/unified", at, exists)
		}
	}
	return false
}

// weighted reports whether a cgroup v2 or one above it has a weight.
func weighted(root, at string, exists func(string) bool) bool {
	for {
		if exists(path.Join(root, at, "cpu.weight")) {
			return true
		}
		if at == "/" || at == "." {
			return false
		}
		at = path.Dir(at)
	}
}

func exists(p string) bool {
	_, err := os.Stat(p)
	return err == nil
}
