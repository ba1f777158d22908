package lease

import (
	"time"

	"demine/internal/respond"
)

// Clock is one reading of both clocks.
type Clock struct {
	Wall time.Time
	Boot time.Duration // CLOCK_BOOTTIME: goes on in a suspend, and cannot be set
	ID   string        // of this boot
}

// MaxSkew is how far the wall clock may have been set before leases are closed:
// more than reading both one after the other takes on a host that is short of
// CPU, less than anybody's idea of an end.
const MaxSkew = 2 * time.Second

// Skew is how far the wall clock was set forward (or back, if less than zero)
// since the lease was opened.
func (l *Lease) Skew(c Clock) time.Duration {
	return c.Wall.Sub(l.Until) - (c.Boot - l.End)
}

// Why a lease is over.
const (
	EndTime  = "time"   // its time was over
	EndBoot  = "reboot" // the host was started anew
	EndClock = "clock"  // the wall clock was set
	EndHand  = "hand"   // demine lease close
	EndGone  = "gone"   // its element was taken out of the packet filter by hand
	EndList  = "list"   // a list of leases was damaged, and it was not in force
)

// Over says why a lease is over, by its record and the clocks alone; empty: it is
// not.
func (l *Lease) Over(c Clock) string {
	skew := l.Skew(c)
	switch {
	case l.Boot != c.ID:
		return EndBoot
	case l.Ending != "":
		return l.Ending
	case l.Left(c.Boot) == 0:
		return EndTime
	case skew > MaxSkew || skew < -MaxSkew:
		return EndClock
	}
	return ""
}

// Extend gives the lease with more time from now on, within the limits that
// hold for one as a whole.
func (l Lease) Extend(by time.Duration, long bool, c Clock) (Lease, error) {
	a, left := l.Ask, l.Left(c.Boot)
	a.Long = a.Long || long
	a.For = (left + by).Round(time.Second)
	switch {
	case a.For > MaxLong:
		return l, respond.Refuse("refuse.lease.extend-most", "left", left, "by", by, "most", MaxLong)
	case a.For > MaxFor && !a.Long:
		return l, respond.Refuse("refuse.lease.extend-long", "left", left, "by", by, "sum", a.For, "most", MaxFor)
	}
	a, err := Check(a)
	if err != nil {
		return l, err
	}
	l.Ask = a
	l.end(c)
	return l, nil
}

// end sets when the lease ends by both clocks: For from now.
func (l *Lease) end(c Clock) {
	l.Until, l.End, l.Boot = c.Wall.Add(l.For).Round(0), c.Boot+l.For, c.ID
}

// Begin makes a lease of what was asked for, which begins now.
func Begin(id string, a Ask, c Clock) Lease {
	l := Lease{ID: id, Ask: a, State: Open, Opened: c.Wall.Round(0)}
	l.end(c)
	return l
}

// warnBefore is how long before its end people are told.
const warnBefore = 10 * time.Minute

// WarnAt is how much time is left when people are told of the end: ten minutes,
// of a short lease a tenth of its time.
func (l *Lease) WarnAt() time.Duration { return min(warnBefore, l.For/10) }
