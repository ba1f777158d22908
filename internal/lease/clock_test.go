package lease

import (
	"net/netip"
	"testing"
	"time"
)

// A lease ends by the clock that nobody sets; that the other one was set, either
// way, closes it too, and so does another boot.
func TestOver(t *testing.T) {
	wall := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	begin := Clock{Wall: wall, Boot: time.Hour, ID: "b1"}
	l := Begin("L-7Q2KD", Ask{For: time.Hour}, begin)
	at := func(boot, set time.Duration) Clock {
		return Clock{Wall: wall.Add(boot + set), Boot: time.Hour + boot, ID: "b1"}
	}
	for name, tt := range map[string]struct {
		now  Clock
		want string
	}{
		"at once":           {begin, ""},
		"a moment before":   {at(time.Hour-1, 0), ""},
		"at its end":        {at(time.Hour, 0), EndTime},
		"set forward":       {at(time.Minute, 3*time.Second), EndClock},
		"set back":          {at(time.Minute, -24*time.Hour), EndClock},
		"set a little":      {at(time.Minute, time.Second), ""},
		"ended and set":     {at(2*time.Hour, -24*time.Hour), EndTime},
		"after a reboot":    {Clock{Wall: wall, Boot: time.Hour, ID: "b2"}, EndBoot},
		"reboot, time over": {Clock{Wall: wall.Add(48 * time.Hour), Boot: 99 * time.Hour, ID: "b2"}, EndBoot},
	} {
		if got := l.Over(tt.now); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// More time is added to what is left, and the limits hold for what is left then,
// not for each addition.
func TestExtend(t *testing.T) {
	c := Clock{Wall: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Boot: time.Hour, ID: "b1"}
	l := Begin("L-7Q2KD", Ask{Proto: "tcp", Port: 1, For: 20 * time.Hour, Who: "w", Why: "y",
		From: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}, c)
	c.Boot, c.Wall = c.Boot+19*time.Hour, c.Wall.Add(19*time.Hour)
	longer, err := l.Extend(2*time.Hour, false, c)
	if err != nil || longer.Left(c.Boot) != 3*time.Hour || !longer.Until.Equal(c.Wall.Add(3*time.Hour)) || longer.Over(c) != "" {
		t.Errorf("%v left, until %s, over %q, error %v", longer.Left(c.Boot), longer.Until, longer.Over(c), err)
	}
	for _, tt := range []struct {
		by   time.Duration
		long bool
		want string
	}{
		{24 * time.Hour, false, "refuse.lease.extend-long"},
		{24 * time.Hour, true, ""},
		{MaxLong, true, "refuse.lease.extend-most"},
		{MaxLong, false, "refuse.lease.extend-most"},
	} {
		if _, err := l.Extend(tt.by, tt.long, c); refusal(err) != tt.want {
			t.Errorf("%s and 1 h: %v, want %q", tt.by, err, tt.want)
		}
	}
	if l.WarnAt() != 10*time.Minute || (&Lease{Ask: Ask{For: time.Minute}}).WarnAt() != 6*time.Second {
		t.Error("people are told at another time")
	}
}
