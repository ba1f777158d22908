package respond

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/host"
)

// serves reports whether somebody is connected to a listener of the process.
// When that cannot be told, somebody is.
func (g *guards) serves(p Proc) bool {
	d, err := g.h.Files.OpenDir(pidPath(p.PID))
	if err != nil {
		return !errors.Is(goneOr(err), ErrGone)
	}
	defer d.Close()
	held, err := socketsOf(d)
	if err != nil {
		return !errors.Is(goneOr(err), ErrGone)
	}
	if len(held) == 0 {
		return false
	}
	all, err := g.socketsAt(p, d)
	if err != nil {
		return true
	}
	for _, l := range all {
		if l.State == "LISTEN" && held[l.Inode] && hasClient(l, all) {
			return true
		}
	}
	return false
}

func hasClient(l fact.Socket, all []fact.Socket) bool {
	return slices.ContainsFunc(all, func(c fact.Socket) bool {
		return c.State == "ESTABLISHED" && c.Port == l.Port && c.NetNS == l.NetNS && c.Proto[:3] == l.Proto[:3]
	})
}

// mostFDs of one process are looked at.
const mostFDs = 65536

// socketsOf are the inodes of the sockets that a process holds open.
func socketsOf(d host.Dir) (map[uint64]bool, error) {
	fds, err := d.Names("fd")
	if err != nil {
		return nil, err
	}
	out := map[uint64]bool{}
	for _, fd := range fds[:min(len(fds), mostFDs)] {
		l, err := d.Readlink("fd/" + fd)
		if n, ok := numbered(l, "socket:["); ok && err == nil {
			out[n] = true
		}
	}
	return out, nil
}

// numbered is the number in "socket:[123]".
func numbered(link, prefix string) (uint64, bool) {
	s, ok := strings.CutPrefix(link, prefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(s, "]"), 10, 64)
	return n, err == nil
}

// socketsAt lists the sockets of a process's network namespace.
func (g *guards) socketsAt(p Proc, d host.Dir) ([]fact.Socket, error) {
	link, err := d.Readlink("ns/net")
	if err != nil {
		return nil, err
	}
	ns, _ := numbered(link, "net:[")
	if s, ok := g.sockets[ns]; ok {
		return s, nil
	}
	pid := p.PID
	if own, err := g.h.Files.Readlink("/proc/self/ns/net"); err == nil && string(own) == link {
		pid = 0
	}
	s, err := g.h.Kernel.Sockets(g.ctx, pid)
	if err == nil {
		g.sockets[ns] = s
	}
	return s, err
}
