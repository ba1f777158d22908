package relate

import (
	"testing"
	"time"

	"demine/internal/fact"
)

// TestAsleep: who does nothing now has a past, by what it used itself, by its
// children, or by its cgroup if nobody in that works.
func TestAsleep(t *testing.T) {
	now := time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC)
	hour := func(cgroup fact.Path, cpu, children, group, cpuNow float64) fact.Process {
		return fact.Process{Started: now.Add(-time.Hour), Cgroup: cgroup, CPU: cpu, Children: children, GroupCPU: group, CPUNow: cpuNow}
	}
	ps := []fact.Process{
		0: hour("/a", 3000, 0, 3000, 0),
		1: hour("/b", 1, 3000, 3001, 0),
		2: hour("/c", 1, 0, 7000, 0),
		3: hour("/d", 1, 0, 7000, 0), // another of its group works
		4: hour("/d", 1, 0, 7000, 80),
		5: hour("/e", 3000, 0, 3000, -1),
		6: hour("/f", 1, 1, 2, 0),
		7: {Cgroup: "/g", CPU: 3000, CPUNow: 0}, // since when it runs is not known
	}
	for i := range ps {
		ps[i].PID, ps[i].Ref = i+10, fact.ProcessRef("", i+10, 1)
	}
	x := New(&fact.Snapshot{Taken: now, Process: ps})
	for i, want := range []struct {
		by   string
		look bool
	}{{"self", true}, {"children", true}, {"group", true}, {"self", false}, {"", false}, {"", false}, {"self", false}, {"", false}} {
		p := x.Asleep(&x.S.Process[i])
		if p.By != want.by || x.worksUnseen(&x.S.Process[i]) != want.look {
			t.Errorf("%d: %+v, worth a look %v", i, p, x.worksUnseen(&x.S.Process[i]))
		}
	}
	if got := x.Asleep(&x.S.Process[1]); got.Seconds != 3001 || got.Percent < 83 || got.Percent > 84 {
		t.Errorf("%+v", got)
	}
}

// TestAsleepNoMoreThanThereIs: a cgroup that is older than its members has used
// what they cannot have.
func TestAsleepNoMoreThanThereIs(t *testing.T) {
	now := time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC)
	p := fact.Process{PID: 10, Ref: "process:10", Started: now.Add(-time.Minute), Cgroup: "/a", CPU: 1, GroupCPU: 90000}
	x := New(&fact.Snapshot{Taken: now, Host: fact.HostInfo{CPUs: 2}, Process: []fact.Process{p}})
	if got := x.Asleep(&x.S.Process[0]); got.By != "group" || got.Percent != 200 || got.Seconds != 90000 {
		t.Errorf("%+v", got)
	}
}

// TestGraphicsCardIsWorthALook: work on a card does not show in the CPU.
func TestGraphicsCardIsWorthALook(t *testing.T) {
	card := &fact.GPU{Devices: []fact.Path{"/dev/nvidia0"}}
	s := &fact.Snapshot{Process: []fact.Process{
		{Ref: "process:1", PID: 5, Exe: "/usr/bin/worker", GPU: card, ExeID: fact.FileID{Ino: 1}},
		{Ref: "process:2", PID: 6, Exe: "/usr/bin/idle", ExeID: fact.FileID{Ino: 2}},
	}}
	l := WorthALook(New(s))
	if len(l.Images) != 1 || len(l.Memory) != 1 || l.Memory[0] != "process:1" {
		t.Errorf("%+v", l)
	}
}
