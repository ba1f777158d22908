package respond

import (
	"context"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/proc"
	"demine/internal/host"
)

// redisServer names one running server. Launch is the command line that its
// unit starts it with, program first; Config what demine took for its file
// when it looked (the server's own word goes before it).
type redisServer struct {
	PID    int       `json:"pid"`
	Start  uint64    `json:"start"`
	Port   int       `json:"port"`
	Config fact.Path `json:"config,omitempty"`
	Unit   string    `json:"unit,omitempty"`
	Launch []string  `json:"launch,omitempty"`
}

// Names of programs that are Redis; Debian's server is a link to the one that
// checks dumps.
var (
	redisProgram = regexp.MustCompile(`^(redis|valkey|keydb)[0-9]*-server(-?[0-9.]+)?$`)
	redisChecker = regexp.MustCompile(`^(redis|valkey|keydb)[0-9]*-check-(rdb|aof)$`)
)

// process makes sure that the process is still there, is a Redis and lives in
// demine's own network namespace, where its loopback is ours.
func (s redisServer) process(h *host.Host) error {
	b, _, err := h.Files.ReadFile(procPath(s.PID, "stat"), 4096)
	st, bad := proc.Stat(b)
	if err != nil || bad != nil || st.Start != s.Start || st.State == 'Z' {
		return fmt.Errorf("redis (pid %d): %w", s.PID, ErrGone)
	}
	if !isRedisProcess(h, s.PID, st.Comm) {
		return Refuse("refuse.redis-program", "pid", s.PID)
	}
	theirs, err1 := h.Files.Readlink(procPath(s.PID, "ns/net"))
	ours, err2 := h.Files.Readlink("/proc/thread-self/ns/net")
	if host.Gone(err2) { // before Linux 3.17
		ours, err2 = h.Files.Readlink("/proc/self/ns/net")
	}
	if err1 != nil || err2 != nil || theirs != ours {
		return Refuse("refuse.redis-namespace", "pid", s.PID)
	}
	return nil
}

func isRedisProcess(h *host.Host, pid int, comm string) bool {
	exe, err := h.Files.Readlink(procPath(pid, "exe"))
	if err != nil {
		return false
	}
	name := path.Base(strings.TrimSuffix(string(exe), " (deleted)"))
	return redisProgram.MatchString(name) || redisChecker.MatchString(name) && redisProgram.MatchString(comm)
}

func procPath(pid int, name string) fact.Path {
	return fact.Path("/proc/" + strconv.Itoa(pid) + "/" + name)
}

// openSockets gives the inodes of the sockets that a process holds.
func openSockets(h *host.Host, pid int) map[uint64]bool {
	out := map[uint64]bool{}
	names, err := h.Files.Names(procPath(pid, "fd"))
	if err != nil {
		return out
	}
	for _, n := range names {
		to, err := h.Files.Readlink(procPath(pid, "fd/"+n))
		if err != nil {
			continue
		}
		if s, ok := strings.CutPrefix(string(to), "socket:["); ok {
			if inode, err := strconv.ParseUint(strings.TrimSuffix(s, "]"), 10, 64); err == nil {
				out[inode] = true
			}
		}
	}
	return out
}

// addresses are where the server listens on its port, loopback first.
func (s redisServer) addresses(ctx context.Context, h *host.Host) ([]netip.AddrPort, error) {
	socks, err := h.Kernel.Sockets(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("sockets: %w", err)
	}
	held := openSockets(h, s.PID)
	var out []netip.AddrPort
	for _, x := range socks {
		if x.State != "LISTEN" || x.Port != s.Port || !held[x.Inode] {
			continue
		}
		a := x.Local.Unmap().WithZone("")
		switch {
		case a.IsUnspecified() && a.Is6() && x.V6Only:
			a = netip.IPv6Loopback()
		case a.IsUnspecified():
			a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		if p := netip.AddrPortFrom(a, uint16(x.Port)); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b netip.AddrPort) int { return rankLocal(b) - rankLocal(a) })
	return out, nil
}

func rankLocal(a netip.AddrPort) int {
	switch {
	case a.Addr().IsLoopback() && a.Addr().Is4():
		return 2
	case a.Addr().IsLoopback():
		return 1
	}
	return 0
}

// again finds the server by its port when the process of the plan has ended:
// after a restart it is another one.
func (s redisServer) again(ctx context.Context, h *host.Host) (redisServer, error) {
	if s.process(h) == nil {
		return s, nil
	}
	socks, err := h.Kernel.Sockets(ctx, 0)
	if err != nil {
		return s, fmt.Errorf("sockets: %w", err)
	}
	inodes := map[uint64]bool{}
	for _, x := range socks {
		if x.State == "LISTEN" && x.Port == s.Port {
			inodes[x.Inode] = true
		}
	}
	names, err := h.Files.Names("/proc")
	if err != nil {
		return s, err
	}
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if x, ok := s.at(h, pid, inodes); ok {
			return x, nil
		}
	}
	return s, fmt.Errorf("redis on port %d: %w", s.Port, ErrGone)
}

// at is the server in another process, if that is one and holds one of the
// listeners.
func (s redisServer) at(h *host.Host, pid int, inodes map[uint64]bool) (redisServer, bool) {
	b, _, err := h.Files.ReadFile(procPath(pid, "stat"), 4096)
	st, bad := proc.Stat(b)
	if err != nil || bad != nil || !isRedisProcess(h, pid, st.Comm) {
		return s, false
	}
	for inode := range openSockets(h, pid) {
		if inodes[inode] {
			s.PID, s.Start = pid, st.Start
			return s, s.process(h) == nil
		}
	}
	return s, false
}
