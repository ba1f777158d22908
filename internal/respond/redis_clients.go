package respond

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/proc"
	"demine/internal/format/unit"
	"demine/internal/host"
)

// redisClient is a program that is connected to a server, or whose files name
// it.
type redisClient struct {
	PID   int // 0: on another host
	Name  string
	Files []fact.Path // that name the server
}

func (c redisClient) String() string {
	if c.PID == 0 {
		return c.Name
	}
	return fmt.Sprintf("%s (%d)", c.Name, c.PID)
}

// redisClientsNow finds who uses a server: all that are connected, and all
// programs that run here and have a file that names it. Demine itself is none.
func redisClientsNow(ctx context.Context, h *host.Host, s redisServer) ([]redisClient, error) {
	socks, err := h.Kernel.Sockets(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("sockets: %w", err)
	}
	held := openSockets(h, s.PID)
	ends := map[uint64]bool{}
	var out []redisClient
	for _, x := range socks {
		if x.State != "ESTABLISHED" || x.Port != s.Port || !held[x.Inode] {
			continue
		}
		at := netip.AddrPortFrom(x.Peer, uint16(x.PeerPort))
		if inode := acceptedInode(socks, at, netip.AddrPortFrom(x.Local, uint16(x.Port))); inode != 0 {
			ends[inode] = true
		} else if !slices.ContainsFunc(out, func(c redisClient) bool { return c.Name == x.Peer.Unmap().String() }) {
			out = append(out, redisClient{Name: x.Peer.Unmap().String()})
		}
	}
	local, err := redisProgramsUsing(h, s, ends)
	return append(out, local...), err
}

// redisProgramsUsing goes through all processes: those that hold one of the
// sockets, and those with a file that names the server.
func redisProgramsUsing(h *host.Host, s redisServer, ends map[uint64]bool) ([]redisClient, error) {
	names, err := h.Files.Names("/proc")
	if err != nil {
		return nil, err
	}
	hosts := hostNames(h)
	var out []redisClient
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil || pid == s.PID || pid == os.Getpid() {
			continue
		}
		c := redisClient{PID: pid, Name: commOf(h, pid)}
		for _, f := range configFiles(h, pid) {
			if text, _, err := h.Files.ReadFile(f, maxRedisConf); err == nil && openClientFile(f, text, s.Port, hosts).names() {
				c.Files = append(c.Files, f)
			}
		}
		connected := false
		for inode := range openSockets(h, pid) {
			connected = connected || ends[inode]
		}
		if connected || len(c.Files) > 0 {
			out = append(out, c)
		}
	}
	return out, nil
}

// hostNames are the names and addresses of this host.
func hostNames(h *host.Host) []string {
	out := []string{"127.0.0.1", "localhost", "::1"}
	if as, err := h.Kernel.Addresses(); err == nil {
		for _, a := range as {
			out = append(out, a.String())
		}
	}
	if id, err := h.Kernel.Identity(); err == nil && id.Name != "" {
		out = append(out, id.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func commOf(h *host.Host, pid int) string {
	b, _, _ := h.Files.ReadFile(procPath(pid, "comm"), 64)
	return fact.Text([]byte(strings.TrimSpace(string(b))))
}

// maxConfigs bounds the files that are read for one process.
const maxConfigs = 200

// configFiles are files that a process may have its settings from: those that
// its arguments name, its unit with its environment files, and what lies in its
// working folder.
func configFiles(h *host.Host, pid int) []fact.Path {
	cwd, err := h.Files.Readlink(procPath(pid, "cwd"))
	if err != nil {
		return nil // a kernel thread, or gone
	}
	var out []fact.Path
	add := func(p fact.Path) {
		if i, err := h.Files.Stat(p); err == nil && i.Type == "regular" && i.Size <= maxRedisConf && len(out) < maxConfigs && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	b, _, _ := h.Files.ReadFile(procPath(pid, "cmdline"), 64<<10)
	for _, a := range proc.Cmdline(b) {
		_, value, _ := strings.Cut(a, "=")
		for _, w := range []string{a, value} {
			if w = strings.TrimPrefix(w, "file:"); strings.Contains(w, "/") || strings.Contains(w, ".") {
				if !path.IsAbs(w) {
					w = path.Join(string(cwd), w)
				}
				add(fact.Path(path.Clean(w)))
			}
		}
	}
	for _, p := range unitFiles(h, pid) {
		add(p)
	}
	for _, dir := range []fact.Path{cwd, host.Join(cwd, "config"), host.Join(cwd, "conf")} {
		names, err := h.Files.Names(dir)
		if err != nil || cwd == "/" {
			continue
		}
		for _, n := range names {
			if slices.Contains([]string{".env", ".yml", ".yaml", ".properties", ".conf", ".ini", ".toml", ".json"}, path.Ext(n)) {
				add(host.Join(dir, n))
			}
		}
	}
	return out
}

// unitFolders are where unit files lie (systemd.unit(5)).
var unitFolders = []fact.Path{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// unitFiles gives the files of the unit of a process, and its environment
// files.
func unitFiles(h *host.Host, pid int) []fact.Path {
	b, _, err := h.Files.ReadFile(procPath(pid, "cgroup"), 16<<10)
	if err != nil {
		return nil
	}
	name, _, _ := proc.CgroupOwner(proc.Cgroup(b))
	if name == "" || strings.Contains(name, "/") {
		return nil
	}
	var out []fact.Path
	for _, dir := range unitFolders {
		out = append(out, host.Join(dir, name))
		names, _ := h.Files.Names(host.Join(dir, name+".d"))
		for _, n := range names {
			out = append(out, host.Join(host.Join(dir, name+".d"), n))
		}
	}
	for _, f := range slices.Clone(out) {
		text, _, err := h.Files.ReadFile(f, maxRedisConf)
		if err != nil {
			continue
		}
		for _, s := range unit.Parse(text) {
			for _, e := range s.Entries {
				if v := strings.TrimPrefix(e.Value, "-"); e.Key == "EnvironmentFile" && path.IsAbs(v) {
					out = append(out, fact.Path(path.Clean(v)))
				}
			}
		}
	}
	return out
}

// uncovered gives the clients none of whose files are among those that will be
// changed, and the files that name the server and will not be changed.
func uncovered(clients []redisClient, given []fact.Path) (who []string, files []string) {
	for _, c := range clients {
		known := false
		for _, f := range c.Files {
			if slices.Contains(given, f) {
				known = true
			} else if !slices.Contains(files, f.String()) {
				files = append(files, f.String())
			}
		}
		if !known {
			who = append(who, c.String())
		}
	}
	slices.Sort(who)
	slices.Sort(files)
	return slices.Compact(who), files
}

// guardClients refuses what would lock somebody out.
func guardClients(ctx context.Context, h *host.Host, s redisServer, given []fact.Path) error {
	clients, err := redisClientsNow(ctx, h, s)
	if err != nil {
		return err
	}
	if who, files := uncovered(clients, given); len(who) > 0 || len(files) > 0 {
		return Refuse("refuse.redis-clients", "pid", s.PID, "clients", who, "files", files)
	}
	return nil
}
