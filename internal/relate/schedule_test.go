package relate

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"demine/internal/fact"
	"demine/internal/format/crontab"
)

var (
	zone = time.FixedZone("CST", 8*3600)
	half = time.Date(2026, 11, 22, 19, 37, 25, 0, zone) // 37 min after the outage began
)

// host is the incident as facts: cron, the job, the process it started.
func incident() *fact.Snapshot {
	return &fact.Snapshot{
		Taken: half, Host: fact.HostInfo{Zone: "Asia/Shanghai", Offset: 8 * 3600, Self: 900},
		Process: []fact.Process{
			{Ref: "process:1", PID: 1, Comm: "systemd", Cgroup: "/init.scope", Started: half.AddDate(0, -1, 0)},
			{Ref: "process:50", PID: 50, PPID: 1, Comm: "crond", Cgroup: "/system.slice/crond.service", Started: half.AddDate(0, -1, 0)},
			{Ref: "process:99", PID: 99, PPID: 1, Comm: "java", User: "root", Cgroup: "/system.slice/shop.service", Started: half.Add(-5 * time.Hour)},
			// Its parent is gone; the cgroup still says whence it came.
			{Ref: "process:13343", PID: 13343, PPID: 1, Comm: "minerd", Exe: "/var/tmp/minerd", User: "root",
				Cgroup: "/system.slice/crond.service", Started: time.Date(2026, 11, 22, 19, 0, 2, 0, zone)},
		},
		Autostart: []fact.Autostart{{
			Ref: "autostart:cron:/var/spool/cron/root#1", Kind: "cron", Active: true, User: "root", Dialect: "cronie",
			Schedule: "*/5 19-23,0-7 * * *", Origin: fact.Origin{Path: "/var/spool/cron/root", Line: 2},
		}},
	}
}

func TestScheduleOfTheIncident(t *testing.T) {
	x := New(incident())
	s := x.ScheduleOf("autostart:cron:/var/spool/cron/root#1")
	if s == nil {
		t.Fatal("no schedule")
	}
	at := func(h, m int) time.Time { return time.Date(2026, 11, 22, h, m, 0, 0, zone) }
	if s.Window != "19:00-07:59" || s.Every != 300 || len(s.Hours) != 13 {
		t.Errorf("window %q, every %d s, hours %v", s.Window, s.Every, s.Hours)
	}
	if !s.Last.Equal(at(19, 35)) || !s.Next.Equal(at(19, 40)) || !s.First.Equal(at(19, 0)) {
		t.Errorf("last %v, next %v, first %v", s.Last, s.Next, s.First)
	}
	if len(s.Started) != 1 || s.Started[0].Process != "process:13343" || !s.Started[0].Tick.Equal(at(19, 0)) || s.Started[0].By != "unit" {
		t.Errorf("started %+v", s.Started)
	}
}

// In the small hours the stretch began the evening before.
func TestFirstTickOverMidnight(t *testing.T) {
	s := incident()
	s.Taken = time.Date(2026, 11, 23, 3, 1, 0, 0, zone)
	got := New(s).Schedules[0].First
	if want := time.Date(2026, 11, 22, 19, 0, 0, 0, zone); !got.Equal(want) {
		t.Errorf("first tick %v, want %v", got, want)
	}
}

// A process that merely started at a round minute is not the job's.
func TestChanceIsNoTie(t *testing.T) {
	for name, change := range map[string]func(*fact.Snapshot){
		"another unit": func(s *fact.Snapshot) { s.Process[3].Cgroup = "/system.slice/shop.service" },
		"another user": func(s *fact.Snapshot) { s.Process[3].User = "shop" },
		"long after":   func(s *fact.Snapshot) { s.Process[3].Started = s.Process[3].Started.Add(2 * time.Minute) },
		"dormant job":  func(s *fact.Snapshot) { s.Autostart[0].Active = false },
	} {
		s := incident()
		change(s)
		if got := New(s).Schedules[0].Started; len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		on       []int
		from, to int
		ok       bool
	}{
		{[]int{19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6, 7}, 19, 7, true},
		{[]int{9, 10, 11}, 9, 11, true},
		{[]int{3}, 3, 3, true},
		{[]int{1, 2, 5, 6}, 0, 0, false},
		{nil, 0, 0, false},
	} {
		var on [24]bool
		for _, h := range c.on {
			on[h] = true
		}
		from, to, ok := window(on)
		if ok != c.ok || ok && (from != c.from || to != c.to) {
			t.Errorf("%v: %d-%d %v, want %d-%d %v", c.on, from, to, ok, c.from, c.to, c.ok)
		}
	}
	var all [24]bool
	for h := range all {
		all[h] = true
	}
	if _, _, ok := window(all); ok {
		t.Error("all day is no window")
	}
}

// A crontab of thousands of jobs and a host of thousands of processes are
// matched in one go, not each with each: it took minutes.
func TestManyJobsAndProcesses(t *testing.T) {
	s := incident()
	job := s.Autostart[0]
	for i := range 2000 {
		j := job
		j.Ref, j.Schedule = fact.Ref(fmt.Sprint("autostart:cron:/etc/cron.d/x#", i)), "0 0 29 2 *"
		s.Autostart = append(s.Autostart, j)
		s.Process = append(s.Process, fact.Process{
			Ref: fact.Ref(fmt.Sprint("process:", 20000+i)), PID: 20000 + i, PPID: 50, User: "root",
			Started: half.Add(time.Duration(i) * time.Millisecond),
		})
	}
	begin := cpuTime(t)
	x := New(s)
	if took := cpuTime(t) - begin; took > 10*time.Second {
		t.Errorf("took %v of CPU", took)
	}
	if got := x.Schedules[0].Started; len(got) != 1 || got[0].Process != "process:13343" {
		t.Errorf("started %+v", got)
	}
}

// cpuTime is what the tests used so far: the clock on the wall of a busy machine
// says little.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// One answer serves for all moments up to the next tick, and no further.
func TestLastTick(t *testing.T) {
	s, err := crontab.ParseScheduleAs("*/5 19-23,0-7 * * *", crontab.Cronie)
	if err != nil {
		t.Fatal(err)
	}
	l := lastTick{s: s}
	at := time.Date(2026, 11, 22, 6, 0, 0, 0, zone)
	for _, step := range []time.Duration{0, time.Second, 299 * time.Second, time.Second, 12 * time.Hour, -13 * time.Hour, 6 * time.Hour, time.Minute, time.Minute} {
		at = at.Add(step)
		if got, want := l.before(at), s.Prev(at); !got.Equal(want) {
			t.Errorf("%v: %v, want %v", at, got, want)
		}
	}
}
