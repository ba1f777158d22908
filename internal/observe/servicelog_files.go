package observe

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/proc"
	"demine/internal/host"
)

// logDirs are folders beside /var/log in which services of distributions,
// panels and archives keep their logs. A * is one folder.
var logDirs = []string{
	"/usr/local/nginx/logs", "/usr/local/apache2/logs", "/usr/local/*/logs", "/opt/*/logs", "/data/logs", "/data/logs/*", "/data/applogs/*",
	"/srv/*/logs", "/www/wwwlogs", "/www/server/*/logs", "/home/wwwlogs", "/var/lib/pgsql/data/log", "/var/lib/pgsql/*/data/log",
	"/var/lib/postgresql/*/main/log", "/var/lib/mysql", "/var/lib/redis", "/var/lib/redis/appendonlydir", "/var/lib/docker/containers/*",
	"/var/lib/tomcat*/logs", "/usr/share/tomcat*/logs", "/root/logs", "/root/.pm2/logs", "/home/*/.pm2/logs",
}

func below(dirs []string) (out []string) {
	for _, d := range dirs {
		for i := 1; i < len(d); i++ { // what a * stands for is found by listing its parent
			if d[i] == '/' && strings.Contains(d[i:], "*") {
				out = append(out, d[:i])
			}
		}
		out = append(out, d+"/*")
	}
	return out
}

// serviceLog is one log: the path to open, and that to show.
type serviceLog struct {
	open, shown fact.Path
	modified    time.Time
}

// serviceLogs finds logs in known places and in the hands of processes, those
// first that were written last.
func (r *logReader) serviceLogs(in *fact.Snapshot, held []heldFile) []serviceLog {
	var out []serviceLog
	since := r.v.Host().Now().Add(-oldServiceLog)
	add := func(open, shown fact.Path) {
		if i, err := r.v.Stat(open); err == nil && i.Type == "regular" && i.Size > 0 && i.Modified.After(since) {
			out = append(out, serviceLog{open, shown, i.Modified})
		}
	}
	for _, dir := range r.folders() {
		names, err := r.v.Names(dir)
		r.p.gap(dir, err)
		for _, n := range names[:min(len(names), maxNames)] {
			if looksLikeLog(dir, n) {
				p := host.Join(dir, n)
				add(p, p)
			}
		}
	}
	for _, h := range held {
		if !h.deleted && looksLikeLog(fact.Path(path.Dir(string(h.target))), base(h.target)) {
			add(h.fd, h.shown)
		}
	}
	for _, p := range appendOnly(r.v, in) {
		add(p, p)
	}
	slices.SortStableFunc(out, func(a, b serviceLog) int { return b.modified.Compare(a.modified) })
	return out
}

// folders lists /var/log, what is in it, and the other known places.
func (r *logReader) folders() []fact.Path {
	out := []fact.Path{"/var/log"}
	names, _ := r.v.Names("/var/log")
	for _, n := range names {
		p := host.Join("/var/log", n)
		if i, err := r.v.Lstat(p); err == nil && i.Type == "dir" && !slices.Contains([]string{"journal", "audit", "apt", "installer", "sysstat"}, n) {
			out = append(out, p)
		}
	}
	for _, d := range logDirs {
		out = append(out, expand(r.v, d)...)
	}
	return out
}

// expand lists the folders that a pattern stands for.
func expand(v *View, pattern string) []fact.Path {
	out := []fact.Path{"/"}
	for part := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		var next []fact.Path
		for _, dir := range out {
			if !strings.Contains(part, "*") {
				next = append(next, host.Join(dir, part))
				continue
			}
			names, _ := v.Names(dir)
			for _, n := range names[:min(len(names), 500)] {
				if ok, _ := path.Match(part, n); ok {
					next = append(next, host.Join(dir, n))
				}
			}
		}
		out = next
	}
	return slices.DeleteFunc(out, func(p fact.Path) bool {
		i, err := v.Stat(p)
		return err != nil || i.Type != "dir"
	})
}

// notHere are logs of /var/log that other observers read, or that hold
// nothing of a service.
var notHere = []string{"auth.log", "secure", "cron", "wtmp", "btmp", "lastlog", "faillog", "dpkg.log", "alternatives.log", "dmesg", "boot.log", "kern.log"}

// looksLikeLog tells a log by its name, also a rotated or compressed one.
func looksLikeLog(dir fact.Path, name string) bool {
	if dir == "/var/log" && slices.ContainsFunc(notHere, func(n string) bool { return strings.HasPrefix(name, n) }) {
		return false
	}
	if strings.HasSuffix(name, ".aof") {
		return true
	}
	n := strings.ToLower(name)
	if strings.HasPrefix(string(dir), "/var/lib/") { // databases keep logs of their own kind beside their data
		n = strings.TrimRight(strings.TrimSuffix(n, path.Ext(n)), ".0123456789") + strings.TrimRight(path.Ext(n), ".0123456789")
		return strings.HasSuffix(n, ".log") && !strings.HasPrefix(n, "tc.") || strings.HasSuffix(n, ".err")
	}
	for _, word := range []string{"log", "access", "error", "catalina", "stdout", "stderr", ".out", ".err", "messages"} {
		if strings.Contains(n, word) {
			return !slices.Contains([]string{".tmp", ".pos", ".idx", ".sock", ".pid", ".conf", ".so", ".jar"}, path.Ext(n))
		}
	}
	return false
}

// appendOnly are the files in which Redis keeps commands (AOF), of servers
// whose settings are known: one file, or since Redis 7 a folder of them.
func appendOnly(v *View, in *fact.Snapshot) (out []fact.Path) {
	for i := range in.Service {
		s := &in.Service[i]
		dir, name := s.Setting("dir").Value, s.Setting("appendfilename").Value
		if s.Name != "redis" || !strings.HasPrefix(dir, "/") {
			continue
		}
		if name == "" || strings.Contains(name, "/") {
			name = "appendonly.aof"
		}
		out = append(out, host.Join(fact.Path(dir), name))
		sub := host.Join(fact.Path(dir), "appendonlydir")
		v.Allow(sub)
		names, _ := v.Names(sub)
		for _, n := range names[:min(len(names), 100)] {
			if strings.HasPrefix(n, name) {
				out = append(out, host.Join(sub, n))
			}
		}
	}
	for _, p := range out {
		v.Allow(p)
	}
	return out
}

// heldFile is a log that a process has open.
type heldFile struct {
	fd, target, shown fact.Path
	pid               int
	deleted           bool
	written           bool // of those that were deleted: by a process of the host itself
}

const (
	maxHolders = 300
	maxFDs     = 1024
)

// held finds the logs that processes write, wherever they lie: by their
// descriptors, so that what was deleted or lies in a container is found too.
func held(v *View, in *fact.Snapshot) []heldFile {
	var out []heldFile
	n := 0
	for i := range in.Process {
		p := &in.Process[i]
		if p.Kernel || p.PID == in.Host.Self || n >= maxHolders {
			continue
		}
		n++
		dir := fact.Path("/proc/" + strconv.Itoa(p.PID) + "/fd")
		fds, _ := v.Names(dir)
		for _, fd := range fds[:min(len(fds), maxFDs)] {
			at := host.Join(dir, fd)
			t, err := v.Readlink(at)
			if err != nil || !strings.HasPrefix(string(t), "/") {
				continue
			}
			name, gone := strings.CutSuffix(string(t), " (deleted)")
			if !strings.Contains(name, "log") && !strings.HasSuffix(name, ".out") && !strings.HasSuffix(name, ".err") {
				continue
			}
			h := heldFile{fd: at, target: fact.Path(name), shown: inContainer(in, p, fact.Path(name)), pid: p.PID, deleted: gone}
			h.written = gone && p.Container == "" && writes(v, p.PID, fd)
			out = append(out, h)
		}
	}
	return out
}

// writes reports whether a process has a descriptor for writing: who only reads
// a log that was rotated away keeps it too.
func writes(v *View, pid int, fd string) bool {
	b, _, err := v.ReadFile(host.Join(pidPath(pid), "fdinfo/"+fd), 4<<10)
	return err == nil && proc.Writes(b)
}

// inContainer is where a file of a container is found from the host, if that
// is known.
func inContainer(in *fact.Snapshot, p *fact.Process, at fact.Path) fact.Path {
	for i := range in.Container {
		if c := &in.Container[i]; p.Container != "" && c.ID == p.Container && c.Root != "" {
			return host.Join(c.Root, string(at))
		}
	}
	return at
}

// deletedLogs tells of the host's logs below /var/log that are written but
// cannot be read any more by their name.
func deletedLogs(held []heldFile) []fact.LogEvent {
	var out []fact.LogEvent
	for _, h := range held {
		if h.written && strings.HasPrefix(string(h.target), "/var/log/") && len(out) < 100 {
			out = append(out, fact.LogEvent{Kind: "log-wiped", Method: "deleted", Clock: fact.ClockNone, PID: h.pid, Origin: fact.Origin{Path: h.target}})
		}
	}
	return out
}

// emptiedLogs tells of logs that a process of the host itself only ever adds to and that are empty, though they came into being, and the process
// began, before they were last changed: somebody emptied them, for nothing that was turned away lies beside them.
func emptiedLogs(v *View, in *fact.Snapshot, held []heldFile) (out []fact.LogEvent) {
	told := map[fact.Path]bool{}
	for _, h := range held {
		i, err := v.Stat(h.fd)
		if err != nil || h.deleted || told[h.shown] || i.Type != "regular" || i.Size > 0 || i.Born.IsZero() {
			continue
		}
		if changedSince(in, h.pid, i) && appends(v, h.fd) && alone(v, h.target) {
			told[h.shown] = true
			out = append(out, fact.LogEvent{
				Kind: "log-wiped", Method: "empty", Time: i.Modified, Clock: fact.ClockExact, PID: h.pid, Origin: fact.Origin{Path: h.shown},
			})
		}
	}
	return out
}

// changedSince: the file was changed after it was made and after the process, which is in no container, began: not while
// either was under way.
func changedSince(in *fact.Snapshot, pid int, i host.Info) bool {
	p := slices.IndexFunc(in.Process, func(p fact.Process) bool { return p.PID == pid })
	return p >= 0 && in.Process[p].Container == "" && i.Modified.Sub(i.Born) >= time.Second && i.Modified.Sub(in.Process[p].Started) >= time.Second
}

func appends(v *View, fd fact.Path) bool {
	b, _, err := v.ReadFile(fact.Path(strings.Replace(string(fd), "/fd/", "/fdinfo/", 1)), 4096)
	return err == nil && proc.Appends(b)
}

// alone: it is the log of a service, and none that was turned away lies beside it.
func alone(v *View, log fact.Path) bool {
	dir := fact.Path(path.Dir(string(log)))
	if dir == "/var/log" && slices.Contains(keptLogs, base(log)) {
		return false // of those tells who reads them
	}
	names, err := v.Names(dir)
	return err == nil && looksLikeLog(dir, base(log)) && len(rotations(dir, names, base(log))) == 1
}
