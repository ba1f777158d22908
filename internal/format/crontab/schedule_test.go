package crontab

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // zones of the tests, whatever the machine has
)

func TestParseSchedule(t *testing.T) {
	for _, c := range []struct {
		text  string
		err   string // "" none
		hours string // of Hours, as ranges of set ones
		every time.Duration
	}{
		{"*/5 19-23,0-7 * * *", "", "0-7 19-23", 5 * time.Minute},
		{"* * * * *", "", "0-23", time.Minute},
		{"@hourly", "", "0-23", time.Hour},
		{"@daily", "", "0", 0},
		{"@midnight", "", "0", 0},
		{"@annually", "", "0", 0},
		{"@reboot", "", "", 0},
		{"@Daily", "bad time specifier", "", 0},
		{"@every 5m", "not a schedule", "", 0},
		{"0 0 * * 7", "", "0", 0},
		{"0 0 * * 0-7", "", "0", 0},
		{"0 0 * Jan-MAR sun,Mon", "", "0", 0},
		{"59 0,23 * * *", "", "0 23", 23 * time.Hour},
		{"50,10 1-2 * * *", "", "1-2", 20 * time.Minute},
		{"0~59 * * * *", "", "0-23", time.Hour},
		{"~ ~ * * *", "", "0-23", 0},
		{"0 0 1 1", "not a schedule", "", 0},
		{"0 0 0 * *", "bad day-of-month", "", 0},
		{"60 0 * * *", "bad minute", "", 0},
		{"0 24 * * *", "bad hour", "", 0},
		{"0 0 * 13 *", "bad month", "", 0},
		{"0 0 * * 8", "bad day-of-week", "", 0},
		{"5/10 * * * *", "bad minute", "", 0},
		{"*/0 * * * *", "bad minute", "", 0},
		{"5-3 * * * *", "bad minute", "", 0},
		{"0 0 L * *", "bad day-of-month", "", 0},
		{"0 0 * * mon#2", "bad day-of-week", "", 0},
		{"0 0 * monday *", "bad month", "", 0},
		{"", "not a schedule", "", 0},
	} {
		s, err := ParseSchedule(c.text)
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.err)
			continue
		}
		if err != nil {
			continue
		}
		if s.String() != c.text {
			t.Errorf("%q: text %q", c.text, s)
		}
		if got := ranges(s.Hours()); got != c.hours {
			t.Errorf("%q: hours %q, want %q", c.text, got, c.hours)
		}
		if s.Every() != c.every {
			t.Errorf("%q: every %v, want %v", c.text, s.Every(), c.every)
		}
	}
}

func ranges(h [24]bool) string {
	var out []string
	for i := 0; i < 24; i++ {
		if !h[i] {
			continue
		}
		j := i
		for j+1 < 24 && h[j+1] {
			j++
		}
		r := time.Duration(i).String()
		r = strings.TrimSuffix(r, "ns")
		if i == 0 {
			r = "0"
		}
		if j > i {
			r += "-" + strings.TrimSuffix(time.Duration(j).String(), "ns")
		}
		out, i = append(out, r), j
	}
	return strings.Join(out, " ")
}

func at(t *testing.T, zone, clock string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if x, err := time.ParseInLocation(form, clock, loc); err == nil {
			return x.In(loc)
		}
	}
	t.Fatalf("clock %q", clock)
	return time.Time{}
}

func TestNextPrev(t *testing.T) {
	const sh, ny, lon, lh = "Asia/Shanghai", "America/New_York", "Europe/London", "Australia/Lord_Howe"
	for _, c := range []struct{ zone, text, from, next, prev string }{
		{sh, "*/5 19-23,0-7 * * *", "2026-11-22 18:59", "2026-11-22 19:00", "2026-11-22 07:55"},
		{sh, "*/5 19-23,0-7 * * *", "2026-11-22 19:00", "2026-11-22 19:05", "2026-11-22 19:00"},
		{sh, "*/5 19-23,0-7 * * *", "2026-11-22 23:55:01", "2026-11-23 00:00", "2026-11-22 23:55"},
		{sh, "0 0 29 2 *", "2026-11-22 12:00", "2028-02-29 00:00", "2024-02-29 00:00"},
		{sh, "0 0 30 2 *", "2026-11-22 12:00", "", ""},
		{sh, "@reboot", "2026-11-22 12:00", "", ""},
		{sh, "0 0 13 * 5", "2026-11-22 12:00", "2026-11-27 00:00", "2026-11-20 00:00"},   // or
		{sh, "0 0 13 * *", "2026-11-22 12:00", "2026-12-13 00:00", "2026-11-13 00:00"},   // and
		{sh, "0 0 */2 * 1", "2026-11-22 12:00", "2026-11-23 00:00", "2026-11-09 00:00"},  // a star with a step is a star
		{sh, "0 0 1-31 * 1", "2026-11-22 12:00", "2026-11-23 00:00", "2026-11-22 00:00"}, // 1-31 is none
		{sh, "@yearly", "2026-11-22 12:00", "2027-01-01 00:00", "2026-01-01 00:00"},
		{sh, "@weekly", "2026-11-22 12:00", "2026-11-29 00:00", "2026-11-22 00:00"},
		// 2026-03-08 02:00 to 03:00 does not exist in New York.
		{ny, "30 2 * * *", "2026-03-07 12:00", "2026-03-09 02:30", "2026-03-07 02:30"},
		{ny, "*/30 * * * *", "2026-03-08T01:30:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-08T01:30:00-05:00"},
		{ny, "0 3 8 3 *", "2026-03-08T01:30:00-05:00", "2026-03-08T03:00:00-04:00", "2025-03-08 03:00"},
		// 2026-11-01 01:00 to 02:00 is there twice.
		{ny, "30 1 * * *", "2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00", "2026-11-01T01:30:00-04:00"},
		{ny, "30 1 * * *", "2026-11-01 12:00", "2026-11-02 01:30", "2026-11-01T01:30:00-05:00"},
		{ny, "0 1 * * *", "2026-11-01T01:59:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T01:00:00-04:00"},
		{lon, "0 2 * * *", "2026-03-29 00:30", "2026-03-29T02:00:00+01:00", "2026-03-28 02:00"},
		// Lord Howe moves by half an hour.
		{lh, "15 2 * * *", "2026-10-03 12:00", "2026-10-05 02:15", "2026-10-03 02:15"},
		{lh, "*/10 * * * *", "2026-10-04T01:59:00+10:30", "2026-10-04T02:30:00+11:00", "2026-10-04T01:50:00+10:30"},
	} {
		s, err := ParseSchedule(c.text)
		if err != nil {
			t.Fatal(err)
		}
		from := at(t, c.zone, c.from)
		check := func(what, want string, got time.Time) {
			var w time.Time
			if want != "" {
				w = at(t, c.zone, want)
			}
			if !got.Equal(w) || want != "" && got.Location() != w.Location() && got.Location().String() != c.zone {
				t.Errorf("%s %q %s %s: %v, want %v", c.zone, c.text, what, c.from, got, w)
			}
		}
		check("next", c.next, s.Next(from))
		check("prev", c.prev, s.Prev(from))
	}
}

// TestTicks compares Next and Prev with looking at every minute, around zones.
func TestTicks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	starts := []time.Time{
		at(t, "America/New_York", "2026-03-07 20:00"), at(t, "America/New_York", "2026-10-31 20:00"),
		at(t, "Australia/Lord_Howe", "2026-10-03 20:00"), at(t, "Australia/Lord_Howe", "2026-04-04 20:00"),
		at(t, "Asia/Kathmandu", "2026-12-31 08:00"), at(t, "Pacific/Apia", "2011-12-29 10:00"),
		at(t, "Africa/Casablanca", "2026-02-14 20:00"), at(t, "UTC", "2024-02-28 20:00"),
	}
	for _, text := range []string{
		"* * * * *", "*/7 * * * *", "30 2 * * *", "0 0 * * *", "59 23 31 12 *", "30 1-3/2 * * *", "0 0 1 1 *",
		"15,45 2 29 2 *", "0 3 8 3 0", "0 * */2 * 1-5",
	} {
		s, err := ParseSchedule(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range starts {
			next := s.Next(from)
			for i := 1; i < 24*60; i++ { // every minute of a day
				m := from.Add(time.Duration(i) * time.Minute)
				if got := s.runs(wall(m)); got != next.Equal(m) {
					t.Fatalf("%q from %v: at %v runs %v, next %v", text, from, m, got, next)
				}
				if prev := s.Prev(m.Add(time.Duration(r.IntN(60)) * time.Second)); next.Equal(m) != prev.Equal(m) {
					t.Fatalf("%q: prev of %v is %v", text, m, prev)
				}
				if next.Equal(m) {
					next = s.Next(m)
				}
			}
		}
	}
}

func FuzzSchedule(f *testing.F) {
	for _, s := range []string{"*/5 19-23,0-7 * * *", "0 0 13 * 5", "@weekly", "0~9 * */3 feb mon-fri", "22 22-2 * * 7"} {
		f.Add(s, int64(1795366800), 0, 0)
	}
	zones := []string{"UTC", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Europe/London"}
	f.Fuzz(func(t *testing.T, text string, sec int64, zone, d int) {
		s, err := ParseScheduleAs(text, Dialect(uint(d)%3))
		if err != nil {
			return
		}
		loc, err := time.LoadLocation(zones[uint(zone)%uint(len(zones))])
		if err != nil {
			t.Fatal(err)
		}
		from := time.Unix(sec%(1<<33), 0).In(loc)
		next, prev := s.Next(from), s.Prev(from)
		if !next.IsZero() {
			if !next.After(from) || !s.runs(wall(next)) {
				t.Fatalf("%q: next of %v is %v", text, from, next)
			}
			if p := s.Prev(next); !p.Equal(next) {
				t.Fatalf("%q: prev of next %v is %v", text, next, p)
			}
			if p := s.Prev(next.Add(-time.Nanosecond)); !p.Equal(prev) && !prev.IsZero() {
				t.Fatalf("%q: between %v and %v there is %v", text, prev, next, p)
			}
			if !s.Hours()[next.Hour()] {
				t.Fatalf("%q: %v is in none of its hours", text, next)
			}
		}
		if !prev.IsZero() && (prev.After(from) || !s.runs(wall(prev))) {
			t.Fatalf("%q: prev of %v is %v", text, from, prev)
		}
		if e := s.Every(); e < 0 || e >= 24*time.Hour || e%time.Minute != 0 {
			t.Fatalf("%q: every %v", text, e)
		}
	})
}
