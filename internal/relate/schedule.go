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
	underCron := x.cronChildren()
	for i := range x.S.Autostart {
		a := &x.S.Autostart[i]
		if a.Kind != "cron" || a.Schedule == "" {
			continue
		}
		s, err := crontab.ParseScheduleAs(a.Schedule, dialect(a.Dialect))
		if err != nil {
			continue // the observer has reported the line
		}
		out = append(out, x.schedule(a, s, underCron))
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

func (x *Index) schedule(a *fact.Autostart, s crontab.Schedule, underCron map[*fact.Process]bool) Schedule {
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
	r.Started = x.startsOf(a, s, underCron)
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
func (x *Index) startsOf(a *fact.Autostart, s crontab.Schedule, underCron map[*fact.Process]bool) []Start {
	if !a.Active {
		return nil
	}
	var out []Start
	last := lastTick{s: s}
	for i := range x.S.Process {
		p := &x.S.Process[i]
		if p.Kernel || p.Started.IsZero() || p.PID == x.S.Host.Self {
			continue
		}
		by := tie(a, p, underCron[p])
		if by == "" {
			continue
		}
		// A start time counts from the boot time, which a stored snapshot or an old
		// kernel may only know to the second.
		tick := last.before(p.Started.Add(time.Second).In(x.Now.Location()))
		if after := p.Started.Sub(tick); !tick.IsZero() && after <= tickSlack {
			out = append(out, Start{Process: p.Ref, Tick: tick, After: after.Seconds(), By: by})
		}
	}
	return out
}

// lastTick finds the last tick at or before moments that mostly ascend, as the
// starts of processes do: a crontab may hold thousands of jobs.
type lastTick struct {
	s          crontab.Schedule
	from, next time.Time // in between no tick is newer than tick
	tick       time.Time
}

func (l *lastTick) before(t time.Time) time.Time {
	if l.from.IsZero() || t.Before(l.from) || !l.next.IsZero() && !t.Before(l.next) {
		l.from, l.tick, l.next = t, l.s.Prev(t), l.s.Next(t)
		if !l.tick.IsZero() {
			l.from = l.tick
		}
	}
	return l.tick
}

// tie says what besides the time ties a process to a job.
func tie(a *fact.Autostart, p *fact.Process, underCron bool) string {
	switch {
	case slices.Contains(a.Shell.Runs, p.Exe), slices.Contains(a.Shell.Writes, p.Exe):
		return "path"
	case a.User != "" && p.User != a.User:
		return ""
	case underCron:
		return "unit"
	}
	return ""
}

// cronChildren are the processes that live where the cron daemon's children
// live, though their parent may long be gone.
func (x *Index) cronChildren() map[*fact.Process]bool {
	groups := map[fact.Path]bool{}
	for i := range x.S.Process {
		if p := &x.S.Process[i]; isCron(p) && p.Cgroup != "" && p.Cgroup != "/" {
			groups[p.Cgroup] = true
		}
	}
	out := map[*fact.Process]bool{}
	for i := range x.S.Process {
		p := &x.S.Process[i]
		if !isCron(p) && (groups[p.Cgroup] || slices.ContainsFunc(x.Ancestors(p), isCron)) {
			out[p] = true
		}
	}
	return out
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
