package observe

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/proc"
)

var past = &Observer{
	Name: "past",
	Doc: "what the groups of processes used so far, those included that ended: who sleeps while somebody looks, or is started " +
		"anew again and again, has used it all the same",
	Sees:  []string{fact.KindProcess},
	Needs: []string{"process", "load"},
	Reads: []string{"/sys/fs/cgroup/**"},
	See:   seePast,
}

// counters are where a cgroup of each version keeps the CPU time of all that
// were in it: cgroup-v2.rst (mounted alone, or beside the older ones), and
// cpuacct.rst of version 1.
var counters = []struct {
	root, file string
	seconds    func([]byte) float64
}{
	{"/sys/fs/cgroup", "cpu.stat", proc.CgroupUsage},
	{"/sys/fs/cgroup/unified", "cpu.stat", proc.CgroupUsage},
	{"/sys/fs/cgroup/cpuacct", "cpuacct.usage", proc.CPUAcctUsage},
}

// maxGroups is more than a host of a thousand services has.
const maxGroups = 5000

func seePast(ctx context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	var p Part
	used := map[fact.Path]float64{}
	for i := range in.Process {
		q := in.Process[i]
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		if len(q.Cgroup) < 2 || q.Kernel || strings.Contains(string(q.Cgroup), "/../") { // the root is the whole machine
			continue
		}
		s, ok := used[q.Cgroup]
		if !ok && len(used) < maxGroups {
			s = p.groupUse(v, q.Cgroup)
			used[q.Cgroup] = s
		}
		if s > 0 {
			q.GroupCPU = s
			p.Process = append(p.Process, q)
		}
	}
	p.Absent = len(p.Process) == 0
	return p, nil
}

// groupUse is in seconds, 0 when no counter tells.
func (p *Part) groupUse(v *View, group fact.Path) float64 {
	for _, c := range counters {
		at := fact.Path(c.root) + group + "/" + fact.Path(c.file)
		b, _, err := v.ReadFile(at, 64<<10)
		if err == nil {
			return c.seconds(b)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			p.gap(at, err)
		}
	}
	return 0
}
