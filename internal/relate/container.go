package relate

import (
	"path"
	"strconv"
	"strings"

	"demine/internal/fact"
)

// ContainerOf gives the container that a process runs in, or nil: the one that
// its cgroup names, or whose first process it descends from. Cgroups may name
// the beginning of an id.
func (x *Index) ContainerOf(p *fact.Process) *fact.Container {
	if p == nil {
		return nil
	}
	for i := range x.S.Container {
		c := &x.S.Container[i]
		if len(p.Container) >= shortID && strings.HasPrefix(c.ID, p.Container) {
			return c
		}
	}
	if p.Container != "" {
		return nil
	}
	for _, q := range append([]*fact.Process{p}, x.Ancestors(p)...) {
		for i := range x.S.Container {
			if c := &x.S.Container[i]; c.PID > 1 && c.PID == q.PID {
				return c
			}
		}
	}
	return nil
}

// shortID is how much of an id Docker shows.
const shortID = 12

// HostPath is where the program of a process is found from the host, while the
// process lives or, if it is known, where its container's files lie. For a
// process of the host itself it is its own path.
func (x *Index) HostPath(p *fact.Process) fact.Path {
	if p.Container == "" && x.ContainerOf(p) == nil || p.Exe == "" {
		return p.Exe
	}
	root := "/proc/" + strconv.Itoa(p.PID) + "/root"
	if c := x.ContainerOf(p); c != nil && c.Root != "" && !p.ExeDeleted {
		root = string(c.Root)
	}
	return fact.Path(root + path.Clean("/"+string(p.Exe)))
}

// Flows gives what was heard of mining on the connections of a process.
func (x *Index) Flows(p *fact.Process) []*fact.Flow {
	var out []*fact.Flow
	for i := range x.S.Flow {
		if f := &x.S.Flow[i]; f.Process == p.Ref {
			out = append(out, f)
		}
	}
	return out
}
