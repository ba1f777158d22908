package observe

import (
	"context"
	"slices"
	"strconv"
	"time"

	"demine/internal/fact"
	"demine/internal/format/proc"
	"demine/internal/host"
)

var shape = &Observer{
	Name:  "shape",
	Doc:   "what the threads of busy processes do in a short sample: how many work, evenly or not, on which CPUs, how they are scheduled",
	Sees:  []string{fact.KindProcess},
	Needs: []string{"process"},
	Reads: []string{"/proc", "/proc/*", "/proc/*/**"},
	See:   seeShapes,
}

const (
	shapeSample = 200 * time.Millisecond
	maxShapes   = 64
	maxThreads  = 1024 // of one process
)

func seeShapes(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	var p Part
	ps := watched(in, sc)
	if len(ps) == 0 {
		return p, nil
	}
	d, err := v.OpenDir("/proc")
	if err != nil {
		return p, err
	}
	defer d.Close()
	l := threadLook{d: d, buf: make([]byte, 0, 4096)}
	begin := time.Now()
	before := make([]map[string]thread, len(ps))
	for i := range ps {
		before[i] = l.threads(&ps[i])
	}
	if err := v.Host().Wait(ctx, shapeSample); err != nil {
		return p, err
	}
	took := max(shapeSample, time.Since(begin))
	for i := range ps {
		if s := shapeOf(before[i], l.threads(&ps[i]), took); s != nil {
			ps[i].Shape = s
			p.Process = append(p.Process, ps[i])
		}
	}
	return p, nil
}

func watched(in *fact.Snapshot, sc Scope) []fact.Process {
	var out []fact.Process
	for i := range in.Process {
		if p := in.Process[i]; slices.Contains(sc.Shapes, p.Ref) && len(out) < maxShapes {
			out = append(out, p)
		}
	}
	return out
}

// thread is one thread at one moment.
type thread struct {
	start     uint64
	used      time.Duration
	waited    time.Duration // for a CPU; 0 where the kernel does not tell
	voluntary uint64        // context switches
	cpus      int           // on how many it may run
	policy    int
	nice      int
}

type threadLook struct {
	d   host.Dir
	buf []byte
}

// threads reads the threads of a process; none when its number is another's now.
func (l *threadLook) threads(p *fact.Process) map[string]thread {
	at := strconv.Itoa(p.PID)
	b, err := l.d.ReadFile(at+"/stat", l.buf)
	if err != nil {
		return nil
	}
	if st, err := proc.Stat(b); err != nil || st.Start != p.StartTicks {
		return nil
	}
	tids, _ := l.d.Names(at + "/task")
	out := map[string]thread{}
	for _, tid := range tids[:min(len(tids), maxThreads)] {
		if t, ok := l.thread(at + "/task/" + tid + "/"); ok {
			out[tid] = t
		}
	}
	return out
}

func (l *threadLook) thread(at string) (t thread, ok bool) {
	b, err := l.d.ReadFile(at+"stat", l.buf)
	if err != nil {
		return t, false
	}
	st, err := proc.Stat(b)
	if err != nil {
		return t, false
	}
	t = thread{start: st.Start, policy: proc.Policy(b), nice: st.Nice, used: time.Duration(st.UTime+st.STime) * tick}
	if b, err := l.d.ReadFile(at+"schedstat", l.buf); err == nil {
		if run, wait := proc.Schedstat(b); run > 0 {
			t.used, t.waited = time.Duration(run), time.Duration(wait) // nanoseconds tell more than ticks
		}
	}
	if b, err := l.d.ReadFile(at+"status", l.buf); err == nil {
		i := proc.Thread(b)
		t.cpus, t.voluntary = i.CPUs, i.Voluntary
	}
	return t, true
}

// shapeOf compares two moments; nil when no thread worked in between.
func shapeOf(before, after map[string]thread, took time.Duration) *fact.Shape {
	var most time.Duration
	used := map[string]time.Duration{}
	for tid, b := range after {
		if a, ok := before[tid]; ok && a.start == b.start && b.used > a.used {
			used[tid] = b.used - a.used
			most = max(most, used[tid])
		}
	}
	if most == 0 {
		return nil
	}
	s := &fact.Shape{SampleMS: int(took.Milliseconds()), Nice: -20}
	least := most
	var switches, ready []float64
	for tid, u := range used {
		if 2*u < most {
			continue
		}
		t := after[tid]
		least = min(least, u)
		s.Busy++
		if t.cpus == 1 {
			s.Pinned++
		}
		s.Nice = max(s.Nice, t.nice)
		s.Policy = policies(s.Policy, t.policy)
		switches = append(switches, float64(sub(t.voluntary, before[tid].voluntary))/took.Seconds())
		ready = append(ready, min(100, max(0, 100*(u+t.waited-before[tid].waited).Seconds()/took.Seconds())))
	}
	s.Switches, s.Ready = median(switches), median(ready)
	s.Even = s.Busy >= 2 && 10*most <= 11*least
	return s
}

// median is the upper one of an even number; there is at least one.
func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// policies adds the policy of a thread to that of those before it.
func policies(all string, policy int) string {
	name := ""
	if policy >= 0 && policy < len(policyNames) {
		name = policyNames[policy]
	}
	if all != "" && all != name {
		return "mixed"
	}
	return name
}

// policyNames are SCHED_* of linux/sched.h; 4 was never used.
var policyNames = [...]string{"other", "fifo", "rr", "batch", "", "idle", "deadline"}
