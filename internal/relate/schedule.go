package relate

import (
	"fmt"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/format/crontab"
)

// Schedule is when an autostart ran and will run, in the host's zone.
type Schedule struct {
	Ref     fact.Ref  `json:"ref"`              // of the Autostart
	Every   int       `json:"every,omitempty"`  // seconds between ticks, 0: at most once a day
	Hours   []int     `json:"hours,omitempty"`  // hours of the day in which it can run
	Window  string    `json:"window,omitempty"` // "19:00-07:59"; empty: all day or in pieces
	Last    time.Time `json:"last,omitzero"`
	Next    time.Time `json:"next,omitzero"`
	First   time.Time `json:"first,omitzero"` // first tick of the window that Last is in
	Started []Start   `json:"started,omitempty"`
}

// Start is a process that began right after a tick.
type Start struct {
	Process fact.Ref  `json:"process"`
	Tick    time.Time `json:"tick"`
	After   float64   `json:"after"` // seconds
	By      string    `json:"by"`    // what ties them: path, unit, time
}

// A job that fetches its program first starts it some seconds after the tick.
const tickSlack = 90 * time.Second

func (x *Index) schedules() []Schedule {
	var out []Schedule
	for i := range x.S.Autostart {
		a := &x.S.Autostart[i]
		if a.Kind != "cron" || a.Schedule == "" {
			continue
		}
		s, err := crontab.ParseScheduleAs(a.Schedule, dialect(a.Dialect))
		if err != nil {
			continue // the observer has reported the line
		}
		out = append(out, x.schedule(a, s))
	}
	return out
}

func dialect(name string) crontab.Dialect {
	for _, d := range []crontab.Dialect{crontab.Debian, crontab.Busybox} {
		if d.String() == name {
			return d
		}
	}
	return crontab.Cronie
}

func (x *Index) schedule(a *fact.Autostart, s crontab.Schedule) Schedule {
	r := Schedule{Ref: a.Ref, Last: s.Prev(x.Now), Next: s.Next(x.Now), Every: int(s.Every().Seconds())}
	hours := s.Hours()
	for h, on := range hours {
		if on {
			r.Hours = append(r.Hours, h)
		}
	}
	if from, to, ok := window(hours); ok {
		r.Window = fmt.Sprintf("%02d:00-%02d:59", from, to)
		r.First = firstTick(s, r.Last, from)
	}
	r.Started = x.startsOf(a, s)
	return r
}

// window finds the one unbroken stretch of hours, over midnight too.
func window(on [24]bool) (from, to int, ok bool) {
	n := 0
	for h := range on {
		if on[h] && !on[(h+23)%24] {
			from, n = h, n+1
		}
		if on[h] && !on[(h+1)%24] {
			to = h
		}
	}
	return from, to, n == 1
}

// firstTick is the first tick of the stretch of hours that last is in.
func firstTick(s crontab.Schedule, last time.Time, from int) time.Time {
	if last.IsZero() {
		return last
	}
	day := last
	if last.Hour() < from {
		day = last.AddDate(0, 0, -1)
	}
	begin := time.Date(day.Year(), day.Month(), day.Day(), from, 0, 0, 0, last.Location())
	return s.Next(begin.Add(-time.Second))
}

// startsOf finds the processes that a job started: by a path that it names, or
// because a process of the same user began within the slack after a tick in a
// cgroup of the cron daemon.
func (x *Index) startsOf(a *fact.Autostart, s crontab.Schedule) []Start {
	if !a.Active {
		return nil
	}
	var out []Start
	for i := range x.S.Process {
		p := &x.S.Process[i]
		if p.Kernel || p.Started.IsZero() || p.PID == x.S.Host.Self {
			continue
		}
		// A start time counts from the boot time, which a stored snapshot or an old
		// kernel may only know to the second.
		tick := s.Prev(p.Started.Add(time.Second).In(x.Now.Location()))
		after := p.Started.Sub(tick)
		if tick.IsZero() || after > tickSlack {
			continue
		}
		if by := x.tie(a, p); by != "" {
			out = append(out, Start{Process: p.Ref, Tick: tick, After: after.Seconds(), By: by})
		}
	}
	return out
}

// tie says what besides the time ties a process to a job.
func (x *Index) tie(a *fact.Autostart, p *fact.Process) string {
	named := slices.Contains(a.Shell.Runs, p.Exe) || slices.Contains(a.Shell.Writes, p.Exe)
	switch {
	case named:
		return "path"
	case a.User != "" && p.User != a.User:
		return ""
	case x.underCron(p):
		return "unit"
	}
	return ""
}

// underCron reports whether a process lives where the cron daemon's children
// live, though its parent may long be gone.
func (x *Index) underCron(p *fact.Process) bool {
	if isCron(p) {
		return false
	}
	for _, q := range x.Ancestors(p) {
		if isCron(q) {
			return true
		}
	}
	for i := range x.S.Process {
		q := &x.S.Process[i]
		if isCron(q) && q.Cgroup != "" && q.Cgroup != "/" && q.Cgroup == p.Cgroup {
			return true
		}
	}
	return false
}

func isCron(p *fact.Process) bool {
	if p.Comm == "cron" || p.Comm == "crond" {
		return true
	}
	return p.Comm == "busybox" && len(p.Argv) > 1 && p.Argv[1] == "crond"
}

// ScheduleOf gives the schedule of an autostart, or nil.
func (x *Index) ScheduleOf(r fact.Ref) *Schedule {
	for i := range x.Schedules {
		if x.Schedules[i].Ref == r {
			return &x.Schedules[i]
		}
	}
	return nil
}
