package xtables

import (
	"fmt"
	"time"

	"demine/internal/fact"
)

// Of linux/netfilter/xt_time.h: the size of struct xt_time_info, and the values
// that ask for nothing.
const (
	timeInfo     = 24
	maxDaytime   = 24*60*60 - 1
	allMonthdays = 0xfffffffe
	allWeekdays  = 0xfe
	localTime    = 1 << 0 // XT_TIME_LOCAL_TZ
)

// noStop are the values of date_stop by which iptables means none: INT_MAX, and
// of a program of 64 bits the lower half of LONG_MAX.
const noStop, noStopLong = 1<<31 - 1, 1<<32 - 1

// readTime reads struct xt_time_info. A condition on an end alone becomes the
// doubt "time < 1800000000", in seconds of the wall clock: a date comes once,
// which hours of a day or days of a week do not.
func readTime(_ uint8, b []byte, r *fact.Rule) {
	start, stop := order.Uint32(b), order.Uint32(b[4:])
	from, to := order.Uint32(b[8:]), order.Uint32(b[12:])
	always := from == 0 && to == maxDaytime && order.Uint32(b[16:]) == allMonthdays && b[20] == allWeekdays && b[21]&localTime == 0
	say(r, "-m time")
	sayTimes(r, from, to)
	sayDate(r, "--datestart", start, start != 0)
	sayDate(r, "--datestop", stop, stop != noStop && stop != noStopLong)
	if !always || start != 0 || stop == noStop || stop == noStopLong {
		Doubt(r, "time")
		return
	}
	Doubt(r, fmt.Sprintf("time < %d", int64(stop)+1)) // xt_time compares whole seconds, the last one with it
}

func sayTimes(r *fact.Rule, from, to uint32) {
	clock := func(s uint32) string { return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60) }
	if from != 0 || to != maxDaytime {
		say(r, "--timestart %s --timestop %s", clock(from), clock(to))
	}
}

func sayDate(r *fact.Rule, option string, at uint32, given bool) {
	if given {
		say(r, "%s %s", option, time.Unix(int64(at), 0).UTC().Format("2006-01-02T15:04:05"))
	}
}
