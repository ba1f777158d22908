package respond

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"

	"demine/internal/fact"
	"demine/internal/format/proc"
	"demine/internal/host"
	"demine/internal/relate"
)

// guards say which processes must not be stopped, whatever is found about
// them. They look at the host as it is now; what only the snapshot tells
// (packages, clients) is asked when the plan is made: see guard_plan.go.
type guards struct {
	ctx     context.Context
	h       *host.Host
	mine    map[int]bool // demine and its ancestors: the operator's shell, sshd, sudo, screen
	exe     fact.FileID  // of demine
	spare   []procID
	said    map[guarded]*Refusal
	sockets map[uint64][]fact.Socket // by network namespace
}

// guarded is what an answer holds for: a process may run something else later.
type guarded struct {
	procID
	exe fact.FileID
}

// newGuards is for one action.
func newGuards(ctx context.Context, h *host.Host, spare []procID) (*guards, error) {
	self, err := selfPID(h)
	if err != nil {
		return nil, fmt.Errorf("who demine is: %w", err)
	}
	g := &guards{ctx: ctx, h: h, mine: map[int]bool{}, spare: spare, said: map[guarded]*Refusal{}, sockets: map[uint64][]fact.Socket{}}
	if i, err := h.Files.Stat(pidPath(self) + "/exe"); err == nil {
		g.exe = i.ID
	}
	for pid := self; pid > 0 && !g.mine[pid]; {
		g.mine[pid] = true
		p, err := procOf(h, pid)
		if err != nil {
			return nil, fmt.Errorf("who started demine: %w", err)
		}
		pid = p.PPID
	}
	return g, nil
}

// selfPID is demine's pid as this /proc numbers it.
func selfPID(h *host.Host) (int, error) {
	if l, err := h.Files.Readlink("/proc/self"); err == nil {
		if pid, err := strconv.Atoi(string(l)); err == nil {
			return pid, nil
		}
	}
	i, err := h.Kernel.Identity()
	return i.Self, err
}

// against gives the reason why a process must not be stopped, or nil. own: it
// runs the accused image itself.
func (g *guards) against(p Proc, own bool) *Refusal {
	key := guarded{p.id(), p.ExeID}
	no, known := g.said[key]
	if !known {
		no = g.ask(p, own)
		g.said[key] = no
	}
	return no
}

func (g *guards) ask(p Proc, own bool) *Refusal {
	name := nameOf(p.Exe, p.Comm)
	switch {
	case p.PID == 1:
		return refusal("refuse.init", name, p.PID)
	case p.Kernel:
		return refusal("refuse.kernel", name, p.PID)
	case g.mine[p.PID], g.exe != (fact.FileID{}) && p.ExeID == g.exe:
		return refusal("refuse.self", name, p.PID)
	case keeper(p.Exe):
		return refusal("refuse.system", name, p.PID)
	case server(p.Exe):
		return refusal("refuse.server", name, p.PID)
	case slices.Contains(g.spare, p.id()):
		return refusal("refuse.serves", name, p.PID)
	case g.firstOfContainer(p, own):
		return refusal("refuse.container-init", name, p.PID)
	case !own && !relate.Uninstalled(p.Exe) && g.serves(p):
		return refusal("refuse.serves", name, p.PID)
	}
	return nil
}

func refusal(id, name string, pid int) *Refusal {
	var r *Refusal
	errors.As(Refuse(id, "name", name, "pid", pid), &r)
	return r
}

// nameOf is the name that people know a process by.
func nameOf(exe fact.Path, comm string) string {
	if exe != "" {
		return path.Base(exe.String())
	}
	return fact.Text([]byte(comm))
}

// firstOfContainer: with the first process of a pid namespace all others of it
// end. One that runs the accused image and is in no container has made the
// namespace itself, and what runs in it is its own.
func (g *guards) firstOfContainer(p Proc, own bool) bool {
	d, err := g.h.Files.OpenDir(pidPath(p.PID))
	if err != nil {
		return false
	}
	defer d.Close()
	b, err := d.ReadFile("status", make([]byte, 0, 8192))
	if err != nil {
		return false
	}
	ns := proc.Status(b).NSPID
	first := len(ns) > 1 && ns[len(ns)-1] == 1
	if len(ns) == 0 { // before Linux 4.1
		first = g.oldestOfNamespace(p, d)
	}
	if !first || !own {
		return first
	}
	b, err = d.ReadFile("cgroup", make([]byte, 0, 8192))
	_, _, container := proc.CgroupOwner(proc.Cgroup(b))
	return err != nil || container != ""
}

// oldestOfNamespace tells the first process of another pid namespace where the
// kernel does not: none there is older.
func (g *guards) oldestOfNamespace(p Proc, d host.Dir) bool {
	ns, err := d.Readlink("ns/pid")
	own, err2 := g.h.Files.Readlink("/proc/self/ns/pid")
	if err != nil || err2 != nil || ns == string(own) {
		return false
	}
	ps, err := processes(g.ctx, g.h)
	if err != nil {
		return true
	}
	return !slices.ContainsFunc(ps, func(q Proc) bool {
		if q.Start > p.Start || q.Start == p.Start && q.PID >= p.PID {
			return false
		}
		l, err := g.h.Files.Readlink(pidPath(q.PID) + "/ns/pid")
		return err == nil && string(l) == ns
	})
}
