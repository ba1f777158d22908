package observe

import (
	"demine/internal/fact"
	"demine/internal/format/proc"
)

// mostForks in a sample: with more, what began and ended in it may have used
// all that is missing (those whose parents do not wait for them leave no trace).
const mostForks = 60

// unseen is the part of the machine that its CPUs spent on programs and that no
// process is seen to have spent, in percent; -1 when it cannot be known. Time of
// interrupts and time that the hypervisor took is nobody's and not in it.
func unseen(in *fact.Snapshot, a, b []*use, first, last proc.CPUStats) float64 {
	total := sub(last.All.Total(), first.All.Total())
	if in.Host.PIDSpace != "host" || in.Host.UID != 0 || total == 0 || sub(last.Forks, first.Forks) > mostForks {
		return -1
	}
	spent := func(c proc.CPU) uint64 { return c.User + c.Nice + c.System }
	var seen uint64 // nanoseconds
	for i := range a {
		if a[i] != nil && b[i] != nil {
			seen += b[i].since(a[i], in.Process[i].Threads)
		}
	}
	missing := float64(sub(spent(last.All), spent(first.All))) - float64(seen)/float64(tick)
	return max(0, 100*missing/float64(total))
}

// since is what was used from a on, in nanoseconds.
func (u *use) since(a *use, threads int) uint64 {
	run := sub(u.run, a.run)
	if u.run == 0 || threads > 1 {
		run = max(run, sub(u.ticks, a.ticks)*uint64(tick))
	}
	return run
}
