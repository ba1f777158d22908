package observe

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/proc"
	"demine/internal/host"
)

// A host of a thousand pods has some ten thousand cgroups.
const maxCgroups = 50_000

// cgroups asks who is in which cgroup: every process is in one of each
// hierarchy. One hierarchy of each version tells all.
func (h *hider) cgroups(ctx context.Context, ms []proc.Mount) {
	for _, at := range hierarchies(ms) {
		d, err := h.v.OpenDir(at)
		if err != nil {
			h.part.gap(at, err)
			continue
		}
		w := cgroupWalk{ctx: ctx, d: d, tell: func(pid int) { h.know(pid, "cgroup") }, buf: make([]byte, 0, 256<<10), left: maxCgroups}
		w.visit(".")
		d.Close()
		if w.left <= 0 {
			h.part.Gaps = append(h.part.Gaps, fact.Gap{Code: "too-many", What: at.String()})
		}
	}
	h.all = h.cgroupsKnowAll()
}

// hierarchies gives the mount points of the unified hierarchy, and of systemd's
// own or the first of the older kind (cgroups(7)).
func hierarchies(ms []proc.Mount) []fact.Path {
	var unified, named, first fact.Path
	for _, m := range ms {
		if !strings.HasPrefix(string(m.Point), "/sys/fs/cgroup") {
			continue
		}
		switch {
		case m.FS == "cgroup2" && unified == "":
			unified = m.Point
		case m.FS == "cgroup" && named == "" && slices.Contains(m.Super, "name=systemd"):
			named = m.Point
		case m.FS == "cgroup" && first == "":
			first = m.Point
		}
	}
	if named == "" {
		named = first
	}
	return slices.DeleteFunc([]fact.Path{unified, named}, func(p fact.Path) bool { return p == "" })
}

// cgroupsKnowAll: no listed process is missing but those that ended, are about
// to (a zombie has left its cgroup), or began a moment ago.
func (h *hider) cgroupsKnowAll() bool {
	for i := range h.in.Process {
		p := &h.in.Process[i]
		if p.State != "Z" && h.listed[p.PID] && !slices.Contains(h.by[p.PID], "cgroup") {
			return false
		}
	}
	return true
}

type cgroupWalk struct {
	ctx  context.Context
	d    host.Dir
	tell func(pid int)
	buf  []byte
	left int
}

// visit reads a cgroup and those below it. cgroup.procs names processes as of
// the reader's pid namespace, 0 for those outside; a threaded cgroup (v2) gives
// none, and its processes are named further up.
func (w *cgroupWalk) visit(at string) {
	if w.left--; w.left <= 0 || w.ctx.Err() != nil {
		return
	}
	if b, err := w.d.ReadFile(at+"/cgroup.procs", w.buf); err == nil {
		for line := range bytes.Lines(b) {
			if pid, ok := proc.Uint(bytes.TrimSpace(line)); ok && pid > 0 && pid < 1<<30 {
				w.tell(int(pid))
			}
		}
	}
	for _, child := range w.children(at) {
		w.visit(at + "/" + child)
	}
}

// children are the folders in a cgroup. Its other entries, some sixty, are not
// asked what they are when the number of its links tells that there are no
// folders, or when all of them were found (kernfs counts them as of old).
func (w *cgroupWalk) children(at string) []string {
	i, err := w.d.Stat(at)
	if err != nil || i.Links == 2 {
		return nil
	}
	names, err := w.d.Names(at)
	if err != nil {
		return nil
	}
	slices.SortStableFunc(names, func(a, b string) int { return interfaceFile(a) - interfaceFile(b) })
	var out []string
	for _, n := range names {
		if i.Links > 2 && len(out) == int(i.Links)-2 {
			break
		}
		if s, err := w.d.Stat(at + "/" + n); err == nil && s.Type == "dir" {
			out = append(out, n)
		}
	}
	return out
}

// interfaceFile puts the kernel's own files last.
func interfaceFile(name string) int {
	controller, _, _ := strings.Cut(name, ".")
	switch controller {
	case "cgroup", "cpu", "cpuset", "cpuacct", "memory", "io", "blkio", "pids", "rdma", "misc", "hugetlb", "irq", "freezer", "devices":
		return 1
	}
	return 0
}
