package crontab

import (
	"math/bits"
	"time"
)

// horizon is how far Next and Prev look: leap days are eight years apart around
// a century that has none (1896, 1904; 2096, 2104), which is the longest gap of
// a schedule but for a leap day on a given weekday.
const horizon = (8*366 + 1) * 24 * time.Hour

// Next is the first tick strictly after t, in t's Location; the zero Time when
// there is none within 8 years, or for @reboot.
//
// A tick is a minute that the clock on the wall shows: one that summer time
// skips is none, one that is shown twice is two. BusyBox does just that; the
// others run a job of a fixed time once, right after the gap or only at the
// first of the two.
func (s Schedule) Next(t time.Time) time.Time {
	if s.never() {
		return time.Time{}
	}
	limit := t.Add(horizon)
	at := t.Round(0) // without the monotonic clock
	for !at.After(limit) {
		_, end := at.ZoneBounds()
		stop := limit
		if !end.IsZero() && end.Before(limit) {
			stop = end.Add(-time.Nanosecond)
		}
		if n, ok := s.after(wall(at), wall(stop)); ok {
			return at.Add(n.Sub(wall(at)))
		}
		if stop.Equal(limit) {
			break
		}
		// The first instant of the next zone may be a tick itself.
		at = stop
		if n := end; s.runs(wall(n)) {
			return n
		}
		at = end
	}
	return time.Time{}
}

// Prev is the last tick at or before t, in t's Location; the zero Time when
// there is none within 8 years, or for @reboot. See Next.
func (s Schedule) Prev(t time.Time) time.Time {
	if s.never() {
		return time.Time{}
	}
	limit := t.Add(-horizon)
	for at := t.Round(0); !at.Before(limit); {
		start, _ := at.ZoneBounds()
		stop := limit
		if !start.IsZero() && start.After(limit) {
			stop = start
		}
		if n, ok := s.before(wall(at), wall(stop)); ok {
			return at.Add(n.Sub(wall(at)))
		}
		if stop.Equal(limit) {
			break
		}
		at = start.Add(-time.Nanosecond)
	}
	return time.Time{}
}

// wall is the clock on the wall at t as if it were UTC: within one zone offset
// its arithmetic is plain.
func wall(t time.Time) time.Time {
	_, off := t.Zone()
	return t.UTC().Add(time.Duration(off) * time.Second)
}

// runs reports whether t, a clock on the wall, is a tick.
func (s Schedule) runs(t time.Time) bool {
	if t.Second() != 0 || t.Nanosecond() != 0 || s.month>>t.Month()&1 == 0 || !s.day(t.Day(), t.Weekday()) {
		return false
	}
	return s.hour>>t.Hour()&1 != 0 && s.minute>>t.Minute()&1 != 0
}

// after is the first tick t with from < t <= to, all of them clocks on the wall.
func (s Schedule) after(from, to time.Time) (time.Time, bool) {
	y, mo, d := from.Date()
	first := from.Hour()*60 + from.Minute() + 1
	for day := date(y, mo, d); !day.After(to); first = 0 {
		if s.month>>day.Month()&1 == 0 {
			day = date(day.Year(), day.Month()+1, 1)
			continue
		}
		if s.day(day.Day(), day.Weekday()) {
			if m := s.minuteFrom(first); m >= 0 {
				t := day.Add(time.Duration(m) * time.Minute)
				return t, !t.After(to)
			}
		}
		day = day.AddDate(0, 0, 1)
	}
	return time.Time{}, false
}

// before is the last tick t with to <= t <= from.
func (s Schedule) before(from, to time.Time) (time.Time, bool) {
	y, mo, d := from.Date()
	last := from.Hour()*60 + from.Minute()
	floor := date(to.Year(), to.Month(), to.Day())
	for day := date(y, mo, d); !day.Before(floor); last = 24*60 - 1 {
		if s.month>>day.Month()&1 == 0 {
			day = date(day.Year(), day.Month(), 0)
			continue
		}
		if s.day(day.Day(), day.Weekday()) {
			if m := s.minuteTo(last); m >= 0 {
				t := day.Add(time.Duration(m) * time.Minute)
				return t, !t.Before(to)
			}
		}
		day = day.AddDate(0, 0, -1)
	}
	return time.Time{}, false
}

func date(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

// minuteFrom is the first minute of the day (0 to 1439) not before m at which
// the job runs, -1 for none.
func (s Schedule) minuteFrom(m int) int {
	h := m / 60
	if h < 24 && s.hour>>h&1 != 0 {
		if rest := s.minute >> (m % 60); rest != 0 {
			return m + bits.TrailingZeros64(rest)
		}
	}
	if later := s.hour >> (h + 1); later != 0 {
		return (h+1+bits.TrailingZeros32(later))*60 + bits.TrailingZeros64(s.minute)
	}
	return -1
}

// minuteTo is the last minute of the day not after m at which the job runs, -1
// for none.
func (s Schedule) minuteTo(m int) int {
	h := m / 60
	if s.hour>>h&1 != 0 {
		if rest := s.minute & (1<<(m%60+1) - 1); rest != 0 {
			return h*60 + bits.Len64(rest) - 1
		}
	}
	if earlier := s.hour & (1<<h - 1); earlier != 0 {
		return (bits.Len32(earlier)-1)*60 + bits.Len64(s.minute) - 1
	}
	return -1
}
