package observe

import (
	"context"
	"math"
	"strconv"
	"time"

	"demine/internal/fact"
	"demine/internal/format/proc"
	"demine/internal/host"
)

// The sample is long enough that a busy thread gets several of the kernel's
// 10 ms ticks, and short enough for an outage.
const sample = 300 * time.Millisecond

// leastDemand is the share of the sample, in percent of one CPU, that a process
// must want a CPU for its waiting to mean anything: an idle server that woke up
// once and waited did not suffer.
const leastDemand = 2

// use is what a process had used and waited for at one moment.
type use struct {
	ticks     uint64
	children  uint64 // ticks of children that it has waited for
	run, wait uint64 // nanoseconds, over all threads
	state     byte
}

// seeLoad reads twice: the machine's counters, and those of each process. The
// difference is what happens now; the averages since boot say little.
func seeLoad(ctx context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	var p Part
	if len(in.Process) == 0 {
		return p, errNoProcess
	}
	b, _, err := v.ReadFile("/proc/stat", 4<<20)
	if err != nil {
		return p, err
	}
	first, begin := proc.CPUStat(b), time.Now()
	mem1 := meminfo(v)
	before := uses(ctx, v, in, firstUse)
	if err := v.Host().Wait(ctx, sample-time.Since(begin)); err != nil {
		return p, err
	}
	b, _, err = v.ReadFile("/proc/stat", 4<<20)
	if err != nil {
		return p, err
	}
	took, last := time.Since(begin), proc.CPUStat(b)
	l := machine(first, last, took)
	after := uses(ctx, v, in, oneUse)
	l.Brief = brief(v, in, before, after, took, len(first.CPUs))
	if l.Unseen = unseen(in, before, after, first, last); l.Unseen > 0 {
		l.Unseen = max(0, l.Unseen-l.Brief)
	}
	for i := range in.Process {
		p.Process = append(p.Process, withUse(in.Process[i], before[i], after[i], took))
		if after[i] != nil && after[i].state == 'D' {
			l.Blocked++
		}
	}
	readLoad(v, &l, mem1)
	p.Load = &l
	return p, nil
}

// uses reads the counters of all processes; one that ended has none.
func uses(ctx context.Context, v *View, in *fact.Snapshot, read func(host.Dir, *fact.Process, []byte) *use) []*use {
	out := make([]*use, len(in.Process))
	d, err := v.OpenDir("/proc") // the start time, not a descriptor each, tells that it is still the same process
	if err != nil {
		return out
	}
	defer d.Close()
	buf := make([]byte, 0, 4096)
	for i := range in.Process {
		if ctx.Err() != nil {
			break
		}
		out[i] = read(d, &in.Process[i], buf)
	}
	return out
}

// firstUse spares the second reading of stat for what was read with the
// process a moment ago, where the scheduler's own counters tell what it uses:
// half of the work on a host of a thousand processes. That it is still the same
// process shows at the last reading. With several threads the ticks are needed
// as well: what ended threads used is in no other counter.
func firstUse(d host.Dir, p *fact.Process, buf []byte) *use {
	u := &use{children: uint64(math.Round(p.Children * userHz))}
	if !p.Kernel && p.Threads <= 1 {
		u.schedule(d, p.PID, p.Threads, buf)
	}
	if u.run == 0 { // a kernel thread, several threads, or a kernel that does not count
		return oneUse(d, p, buf)
	}
	return u
}

func oneUse(d host.Dir, p *fact.Process, buf []byte) *use {
	b, err := d.ReadFile(strconv.Itoa(p.PID)+"/stat", buf)
	if err != nil {
		return nil
	}
	st, err := proc.Stat(b)
	if err != nil || st.Start != p.StartTicks {
		return nil // another process has this pid now
	}
	u := &use{ticks: st.UTime + st.STime, children: st.Children, state: st.State}
	if !p.Kernel {
		u.schedule(d, p.PID, st.Threads, buf)
	}
	return u
}

// schedule adds what the scheduler counted for all threads:
// /proc/PID/schedstat is the main thread's alone.
func (u *use) schedule(d host.Dir, pid, threads int, buf []byte) {
	at := strconv.Itoa(pid) + "/"
	if threads <= 1 {
		u.addSched(d.ReadFile(at+"schedstat", buf))
		return
	}
	tids, _ := d.Names(at + "task")
	for _, t := range tids {
		u.addSched(d.ReadFile(at+"task/"+t+"/schedstat", buf))
	}
}

func (u *use) addSched(b []byte, err error) {
	if err != nil {
		return
	}
	run, wait := proc.Schedstat(b)
	u.run += run
	u.wait += wait
}

func withUse(p fact.Process, a, b *use, took time.Duration) fact.Process {
	if a == nil || b == nil {
		return p
	}
	percent := func(ns uint64) float64 { return 100 * float64(ns) / float64(took.Nanoseconds()) }
	p.Wait = float64(b.wait) / 1e9
	p.State = string(b.state)
	p.CPUNow = percent(sub(b.ticks, a.ticks) * uint64(tick))
	if run, wait := sub(b.run, a.run), sub(b.wait, a.wait); b.run > 0 {
		p.CPUNow = percent(run) // nanoseconds tell more than ticks
		p.WaitNow = percent(wait)
		if percent(run+wait) >= leastDemand {
			p.BusyNow = 100 * float64(wait) / float64(run+wait)
		}
	}
	return p
}

// brief is what processes used that one of the two readings did not see: those
// that ended left their time with their parents, those that are new have used
// all of theirs in the sample. Without it a host that compiles seems to hide
// something. A child's time from before the sample is counted too: it errs on
// the side of explaining.
func brief(v *View, in *fact.Snapshot, a, b []*use, took time.Duration, cpus int) float64 {
	var ticks uint64
	known := make(map[int]bool, len(in.Process))
	for i := range in.Process {
		known[in.Process[i].PID] = true
		if a[i] != nil && b[i] != nil {
			ticks += sub(b[i].children, a[i].children)
		}
	}
	names, _ := v.Names("/proc")
	buf := make([]byte, 0, 4096)
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil && !known[pid] {
			ticks += newcomer(v, pid, buf)
		}
	}
	return 100 * float64(ticks) / userHz / took.Seconds() / float64(max(1, cpus))
}

// newcomer is all that a process has used.
func newcomer(v *View, pid int, buf []byte) uint64 {
	d, err := v.OpenDir(pidPath(pid))
	if err != nil {
		return 0
	}
	defer d.Close()
	b, err := d.ReadFile("stat", buf)
	if err != nil {
		return 0
	}
	st, err := proc.Stat(b)
	if err != nil {
		return 0
	}
	return st.UTime + st.STime + st.Children
}

// sub is a-b; a counter that went back (a thread ended) gives 0.
func sub(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}

func machine(a, b proc.CPUStats, took time.Duration) fact.Load {
	l := fact.Load{SampleMS: int(took.Milliseconds()), Blocked: 0, Running: b.Running}
	fill := func(x, y proc.CPU) (u fact.CPUUse) {
		total := float64(sub(y.Total(), x.Total()))
		if total == 0 {
			return u
		}
		pc := func(m, n uint64) float64 { return 100 * float64(sub(n, m)) / total }
		u.User = pc(x.User+x.Nice, y.User+y.Nice)
		u.System = pc(x.System, y.System)
		u.IOWait = pc(x.IOWait, y.IOWait)
		u.Steal = pc(x.Steal, y.Steal)
		u.IRQ = pc(x.IRQ+x.SoftIRQ, y.IRQ+y.SoftIRQ)
		u.Busy = u.User + u.System + u.IRQ
		return u
	}
	all := fill(a.All, b.All)
	l.User, l.System, l.IOWait, l.Steal, l.IRQ = all.User, all.System, all.IOWait, all.Steal, all.IRQ
	l.Idle = max(0, 100-all.Busy-all.IOWait-all.Steal)
	for i := range min(len(a.CPUs), len(b.CPUs)) {
		u := fill(a.CPUs[i], b.CPUs[i])
		u.CPU = b.CPUs[i].N
		l.PerCPU = append(l.PerCPU, u)
	}
	return l
}

func meminfo(v *View) uint64 {
	b, _, err := v.ReadFile("/proc/vmstat", 1<<20)
	if err != nil {
		return 0
	}
	return proc.VMStat(b, "pswpin") + proc.VMStat(b, "pswpout")
}

func readLoad(v *View, l *fact.Load, swapped uint64) {
	if b, _, err := v.ReadFile("/proc/loadavg", 256); err == nil {
		l.Avg, l.Running, l.Total = proc.Loadavg(b)
	}
	if b, _, err := v.ReadFile("/proc/meminfo", 64<<10); err == nil {
		m := proc.Meminfo(b)
		l.MemTotal, l.MemAvail = m["MemTotal"], m["MemAvailable"]
		l.SwapTotal, l.SwapFree = m["SwapTotal"], m["SwapFree"]
	}
	if l.SampleMS > 0 {
		l.SwapInOut = float64(sub(meminfo(v), swapped)) * 1000 / float64(l.SampleMS)
	}
	for _, r := range []string{"cpu", "io", "memory"} { // since 4.20
		if b, _, err := v.ReadFile(fact.Path("/proc/pressure/"+r), 4096); err == nil {
			l.PSI = append(l.PSI, proc.PSI(b, r)...)
		}
	}
}
