package observe

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"demine/internal/fact"
	"demine/internal/format/mask"
	"demine/internal/format/proc"
	"demine/internal/host"
)

var process = &Observer{
	Name:  "process",
	Doc:   "every process that /proc lists: who it is, what it runs, whom it belongs to, what it used",
	Sees:  []string{fact.KindProcess},
	Needs: []string{"host", "account"},
	Reads: []string{"/proc", "/proc/*", "/proc/*/**"},
	See:   seeProcesses,
}

// ticks a second of /proc/PID/stat: USER_HZ is 100 on every architecture that
// Linux still has (include/asm-generic/param.h).
const (
	userHz = 100
	tick   = time.Second / userHz
)

func seeProcesses(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	r := newReader(v, in)
	if sc.Lineage {
		var out Part
		r.lineage(in.Host.Self, &out)
		return out, nil
	}
	names, err := v.Names("/proc")
	if gone(err) {
		err = errNoProcess
	}
	if err != nil {
		return Part{}, err
	}
	var pids []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	parts := make([]Part, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for w := range parts {
		wg.Add(1)
		go func() {
			defer wg.Done()
			buf := make([]byte, 0, 64<<10)
			for i := w; i < len(pids) && ctx.Err() == nil; i += len(parts) {
				r.read(pids[i], buf, &parts[w])
			}
		}()
	}
	wg.Wait()
	var out Part
	for _, p := range parts {
		out.Process = append(out.Process, p.Process...)
		out.Gaps = append(out.Gaps, p.Gaps...)
	}
	if len(out.Process) == 0 && ctx.Err() == nil {
		return out, errNoProcess
	}
	// Every pid namespace has a pid 1.
	if slices.Contains(pids, in.Host.Self) && !slices.Contains(pids, 1) {
		out.Gaps = append(out.Gaps, fact.Gap{Code: "no-permission", What: "/proc", Detail: "processes of other users are hidden (hidepid)"})
	}
	return out, ctx.Err()
}

// maxLineage is more than any chain of parents that people make.
const maxLineage = 64

// lineage adds a process and those that it descends from, the nearest first.
func (r *procReader) lineage(pid int, out *Part) {
	buf := make([]byte, 0, 64<<10)
	for range maxLineage {
		n := len(out.Process)
		if r.read(pid, buf, out); len(out.Process) == n {
			return
		}
		if pid = out.Process[n].PPID; pid == 0 {
			return
		}
	}
}

// errNoProcess: /proc is not mounted, or something is mounted over it.
var errNoProcess = &fs.PathError{Op: "list", Path: "/proc", Err: errors.New("no process is listed: is /proc mounted?")}

type procReader struct {
	v     *View
	dev   uint64 // of /proc
	boot  string
	since time.Time // boot
	now   time.Time
	names map[int]string
}

func newReader(v *View, in *fact.Snapshot) *procReader {
	all, _ := v.Stat("/proc")
	r := &procReader{v: v, dev: all.ID.Dev, boot: in.Host.Boot, since: in.Host.BootTime, now: v.Host().Now(), names: map[int]string{}}
	for i := range in.Account {
		a := &in.Account[i]
		if _, ok := r.names[a.UID]; !ok {
			r.names[a.UID] = a.Name
		}
	}
	return r
}

// read adds one process. One that ends meanwhile is no gap: it is simply not
// there any more.
func (r *procReader) read(pid int, buf []byte, out *Part) {
	d, err := r.v.OpenDir(pidPath(pid))
	if err != nil {
		out.gapUnlessGone(pidPath(pid), err)
		return
	}
	defer d.Close()
	if i, err := d.Stat("."); err == nil && i.ID.Dev != r.dev {
		out.gap(pidPath(pid), errCovered)
		return
	}
	b, err := d.ReadFile("stat", buf)
	if err != nil {
		out.gapUnlessGone(pidPath(pid), err)
		return
	}
	st, err := proc.Stat(b)
	if err == nil && st.PID != pid {
		err = errCovered
	}
	if err != nil {
		out.gap(pidPath(pid)+"/stat", err)
		return
	}
	p := r.fromStat(st)
	if b, err := d.ReadFile("status", buf); err == nil {
		s := proc.Status(b)
		p.UID, p.RUID = s.EUID, s.UID
		p.User = r.names[p.UID]
	} else {
		out.gapUnlessGone(pidPath(pid)+"/status", err)
		return
	}
	if !p.Kernel {
		r.userSide(d, &p, buf, out)
	}
	out.Process = append(out.Process, p)
}

// errCovered: the folder of a process shows something else, as one who hides
// it arranges with a mount.
var errCovered = errors.New("something else is mounted over it")

// gapUnlessGone records an error about the folder of a process or a file in it.
func (p *Part) gapUnlessGone(at fact.Path, err error) {
	if errors.Is(err, host.ErrNotFolder) {
		err = errCovered
	}
	if !gone(err) {
		p.gap(at, err)
	}
}

func (r *procReader) fromStat(st proc.StatLine) fact.Process {
	p := fact.Process{
		Ref: fact.ProcessRef(r.boot, st.PID, st.Start), PID: st.PID, PPID: st.PPID, Comm: fact.Text([]byte(st.Comm)),
		State: string(st.State), StartTicks: st.Start, Kernel: st.Flags&proc.FlagKernelThread != 0,
		Threads: st.Threads, TTY: st.TTY, Nice: st.Nice, Flags: st.Flags, RSS: st.RSS,
		CPU: float64(st.UTime+st.STime) / userHz, Children: float64(st.Children) / userHz, CPUNow: -1, WaitNow: -1, BusyNow: -1,
	}
	if !r.since.IsZero() {
		p.Started = r.since.Add(time.Duration(st.Start) * tick)
		if life := r.now.Sub(p.Started).Seconds(); life > 0.1 {
			p.CPULife = 100 * p.CPU / life
		}
	}
	return p
}

// userSide reads what kernel threads do not have.
func (r *procReader) userSide(d host.Dir, p *fact.Process, buf []byte, out *Part) {
	if b, err := d.ReadFile("cmdline", buf); err == nil {
		p.Argv = mask.Argv(texts(proc.Cmdline(b)))
	} else {
		out.gapUnlessGone(pidPath(p.PID)+"/cmdline", err)
	}
	if b, err := d.ReadFile("cgroup", buf); err == nil {
		cg := proc.Cgroup(b)
		p.Cgroup = fact.Path(cg)
		p.Unit, p.Session, p.Container = proc.CgroupOwner(cg)
	} else {
		out.gapUnlessGone(pidPath(p.PID)+"/cgroup", err)
	}
	exe, err := d.Readlink("exe")
	switch {
	case err == nil:
		p.Exe, p.ExeDeleted = deleted(exe)
		if i, err := d.Stat("exe"); err == nil {
			p.ExeID = i.ID
			p.Exe = r.onHost(p)
		}
	case denied(err):
		p.Gaps = append(p.Gaps, "exe", "cwd", "sockets")
		out.gap(pidPath(p.PID)+"/exe", err)
		return // the rest needs the same right
	}
	if cwd, err := d.Readlink("cwd"); err == nil {
		p.Cwd, _ = deleted(cwd)
	}
	if ns, err := d.Readlink("ns/net"); err == nil {
		p.NetNS = bracketed(ns)
	}
	fds, err := d.Names("fd")
	if err != nil && !gone(err) {
		p.Gaps = append(p.Gaps, "sockets")
		out.gap(pidPath(p.PID)+"/fd", err)
	}
	dev := devices{dir: d, p: p}
	for _, fd := range fds {
		l, err := d.Readlink("fd/" + fd)
		switch {
		case err != nil:
		case strings.HasPrefix(l, "socket:["):
			p.Sockets = append(p.Sockets, bracketed(l))
		case strings.HasPrefix(l, "/dev/"):
			dev.open(fd, l, buf)
		}
	}
}

// onHost is where the program of a container lies on the host, if the host's files are mounted into it (-v /:/mnt): the same
// file stands at an end of its path. What is called /mnt/tmp/x in there lies in the host's /tmp, and is judged as that.
func (r *procReader) onHost(p *fact.Process) fact.Path {
	const deepest = 4 // folders that the mount can lie in
	if p.Container == "" || p.ExeDeleted {
		return p.Exe
	}
	for at, n := string(p.Exe), 0; strings.HasPrefix(at, "/") && n <= deepest; n++ {
		if i, err := r.v.Stat(fact.Path(at)); err == nil && i.ID == p.ExeID {
			return fact.Path(at)
		}
		_, rest, below := strings.Cut(at[1:], "/")
		if !below {
			break
		}
		at = "/" + rest
	}
	return p.Exe
}

// deleted splits off the mark that d_path appends for an unlinked file.
func deleted(link string) (fact.Path, bool) {
	s, ok := strings.CutSuffix(link, " (deleted)")
	return fact.Path(s), ok
}

// bracketed is the number in "socket:[123]" or "net:[4026531840]".
func bracketed(s string) uint64 {
	_, s, _ = strings.Cut(s, ":[")
	n, _ := strconv.ParseUint(strings.TrimSuffix(s, "]"), 10, 64)
	return n
}

func texts(args []string) []string {
	const most, longest = 256, 4096
	args = args[:min(most, len(args))]
	for i, a := range args {
		args[i] = fact.Text([]byte(a[:min(longest, len(a))]))
	}
	return args
}

// gone: the process ended while it was read, which is no gap.
func gone(err error) bool { return host.Gone(err) }

func denied(err error) bool { return errors.Is(err, fs.ErrPermission) }
