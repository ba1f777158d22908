package relate

import (
	"time"

	"demine/internal/fact"
)

// Past is what a process used before it was looked at.
type Past struct {
	Seconds float64 `json:"seconds"` // of CPU
	Percent float64 `json:"percent"` // of one CPU, over its life; of a group over that of its oldest living member
	By      string  `json:"by"`      // self, children (that ended), group (all who are or were in its cgroup)
}

// idlePercent is the share of one CPU below which a process does nothing now.
const idlePercent = 1

// Asleep gives what a process that does nothing now has used before, where that
// is most: by itself, by its children that ended, or by its cgroup if nobody in
// that works now either. The zero Past when it works, or when that is not known.
func (x *Index) Asleep(p *fact.Process) Past {
	if p.CPUNow < 0 || p.CPUNow >= idlePercent || p.Started.IsZero() || p.Kernel {
		return Past{}
	}
	best := x.pastOf(p.CPU, x.Now.Sub(p.Started), "self")
	if c := x.pastOf(p.CPU+p.Children, x.Now.Sub(p.Started), "children"); c.Percent > 2*best.Percent {
		best = c
	}
	if g := x.groups[p.Cgroup]; g != nil && !g.busy {
		if c := x.pastOf(p.GroupCPU, x.Now.Sub(g.since), "group"); c.Percent > 2*best.Percent {
			best = c
		}
	}
	return best
}

// pastOf gives no more than all CPUs can do: the counter of a cgroup may be
// older than all who live in it.
func (x *Index) pastOf(seconds float64, age time.Duration, by string) Past {
	if seconds <= 0 || age <= time.Second {
		return Past{}
	}
	percent := 100 * seconds / age.Seconds()
	if n := x.S.Host.CPUs; n > 0 {
		percent = min(percent, 100*float64(n))
	}
	return Past{Seconds: seconds, Percent: percent, By: by}
}

// group is what the living members of a cgroup tell of it.
type group struct {
	since time.Time // the oldest began; the cgroup is as old at least
	busy  bool      // one works now, or it is not known
}

func (x *Index) addGroups() {
	for i := range x.S.Process {
		p := &x.S.Process[i]
		if p.GroupCPU <= 0 || p.Started.IsZero() {
			continue
		}
		g := x.groups[p.Cgroup]
		if g == nil {
			g = &group{since: p.Started}
			x.groups[p.Cgroup] = g
		}
		if p.Started.Before(g.since) {
			g.since = p.Started
		}
		g.busy = g.busy || p.CPUNow < 0 || p.CPUNow >= idlePercent
	}
}

// An idle process is worth a look for its past when that was a fifth of a CPU, for a
// minute at least. It decides what is read, never what is said.
const (
	pastPercent = 20
	pastSeconds = 60
)

// worksUnseen: what it uses now does not show what it does. It works on a
// graphics card, or it worked before somebody looked.
func (x *Index) worksUnseen(p *fact.Process) bool {
	past := x.Asleep(p)
	return p.GPU != nil || past.Percent >= pastPercent && past.Seconds >= pastSeconds
}
