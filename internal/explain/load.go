package explain

import (
	"cmp"
	"slices"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/relate"
)

// From these shares on (percent of the machine) something counts as the cause
// of the load.
const (
	busyShare   = 50 // CPUs used by programs
	ioShare     = 20 // CPUs idle because of disks
	stealShare  = 10 // CPUs taken by the hypervisor
	memoryShare = 10 // time in which all tasks waited for memory (PSI full)
	unseenShare = 30 // used by something that demine does not see
	minedShare  = 20 // of one CPU, used by miners
)

// loadCause says what keeps the machine busy, with figures.
func loadCause(x *relate.Index, implants map[fact.Ref]bool) LoadCause {
	l := x.S.Load
	c := LoadCause{Cause: "unknown", Avg: l.Avg, CPUs: max(1, x.S.Host.CPUs), By: []LoadBy{}}
	if l.SampleMS == 0 {
		c.Line = i18n.M("load.unknown")
		return c
	}
	mined, largest, seen := topProcesses(x, implants, &c)
	used := l.User + l.System + l.IRQ
	hidden := used - l.Brief - seen/float64(c.CPUs)
	for _, o := range []struct {
		what  string
		share float64
	}{{"disk-wait", l.IOWait}, {"steal", l.Steal}, {"irq", l.IRQ}, {elsewhere(x), hidden}} {
		if o.share >= 5 {
			c.By = append(c.By, LoadBy{What: o.what, Percent: o.share})
		}
	}
	c.Cause = mainCause(x, mined, largest, hidden, used)
	c.Line = loadLine(c, x)
	return c
}

// elsewhere names what is used by nothing that demine sees: in a process
// namespace that is the rest of the machine (/proc/stat is the machine's).
func elsewhere(x *relate.Index) string {
	if x.S.Host.PIDSpace == "nested" {
		return "outside"
	}
	return "unseen"
}

// topProcesses lists the largest users of CPU, and gives what the implants use
// together, the most that another process uses, and what all use.
func topProcesses(x *relate.Index, implants map[fact.Ref]bool, c *LoadCause) (mined, largest, seen float64) {
	var by []LoadBy
	for i := range x.S.Process {
		p := &x.S.Process[i]
		if p.CPUNow <= 0 || p.PID == x.S.Host.Self {
			continue
		}
		seen += p.CPUNow
		if implants[p.Ref] {
			mined += p.CPUNow
		} else {
			largest = max(largest, p.CPUNow)
		}
		if p.CPUNow >= 5 {
			by = append(by, LoadBy{What: "process", Name: p.Comm, PID: p.PID, Process: p.Ref, Percent: p.CPUNow})
		}
	}
	slices.SortStableFunc(by, func(a, b LoadBy) int { return -cmp.Compare(a.Percent, b.Percent) })
	c.By = append(c.By, by[:min(5, len(by))]...)
	return mined, largest, seen
}

// mainCause: a miner that uses more than anything else is the cause, also on a
// host that waits for disks or whose hypervisor takes its share as well.
func mainCause(x *relate.Index, mined, largest, hidden, used float64) string {
	l := x.S.Load
	cpus := float64(max(1, x.S.Host.CPUs))
	switch {
	case mined >= minedShare && mined >= largest:
		return "miner"
	case l.Steal >= stealShare && l.Steal >= l.IOWait:
		return "steal"
	case memoryPressure(l):
		return "memory"
	case used >= busyShare && hidden >= unseenShare && hidden >= used/2:
		return "unseen"
	case used >= busyShare:
		return "cpu"
	case l.IOWait >= ioShare, float64(l.Blocked) >= cpus && l.Blocked > 1:
		return "disk"
	case mined >= 5:
		return "miner"
	}
	return "none"
}

func memoryPressure(l fact.Load) bool {
	for _, p := range l.PSI {
		if p.Resource == "memory" && p.Kind == "full" && p.Avg10 >= memoryShare {
			return true
		}
	}
	return l.SwapInOut >= 500
}

func loadLine(c LoadCause, x *relate.Index) i18n.Message {
	id := c.Cause
	if id == "unseen" {
		id = elsewhere(x)
	}
	m := i18n.M("load."+id, "avg", c.Avg[0], "cpus", c.CPUs, "blocked", x.S.Load.Blocked,
		"iowait", x.S.Load.IOWait, "steal", x.S.Load.Steal, "idle", x.S.Load.Idle)
	if len(c.By) > 0 && c.By[0].What == "process" {
		m.Args["name"], m.Args["pid"], m.Args["percent"] = c.By[0].Name, c.By[0].PID, c.By[0].Percent
	} else {
		m.Args["name"], m.Args["pid"], m.Args["percent"] = "-", 0, 0.0
	}
	return m
}

// impact lists what the business processes get and miss: those that serve
// clients of other hosts, and the servers that everyone knows.
func impact(x *relate.Index, implants map[fact.Ref]bool) []Impact {
	var out []Impact
	for i := range x.S.Process {
		p := &x.S.Process[i]
		if p.Kernel || implants[p.Ref] || p.BusyNow < 0 || p.Comm == "sshd" {
			continue
		}
		peers := x.Serves(p)
		if peers == 0 && !slices.Contains(servers, p.Comm) {
			continue
		}
		out = append(out, Impact{Process: p.Ref, PID: p.PID, Name: p.Comm, Waits: p.BusyNow, CPU: p.CPUNow, Peers: peers})
	}
	slices.SortStableFunc(out, func(a, b Impact) int { return -cmp.Compare(a.Waits, b.Waits) })
	return out[:min(8, len(out))]
}

// servers are programs that somebody's business usually is.
var servers = []string{"java", "mysqld", "mariadbd", "redis-server", "nginx", "httpd", "apache2", "php-fpm",
	"postgres", "mongod", "node", "haproxy", "memcached", "rabbitmq-server", "beam.smp"}
