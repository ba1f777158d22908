package crontab

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"demine/internal/fact"
)

// Schedule says when a job runs: the minutes at which the clock on the wall
// shows one of its minutes, hours and months on one of its days. The zero value
// never runs.
type Schedule struct {
	Reboot bool // @reboot: when the daemon starts after a boot, never by the clock

	text    string
	minute  uint64
	hour    uint32
	dom     uint32 // bit 1 is the first
	month   uint16 // bit 1 is January
	dow     uint8  // bit 0 is Sunday
	both    bool   // the day must be in dom and dow; else in one of them
	someMin uint64 // minute and hour with each random range at its lowest
	someHr  uint32
}

// newSchedule takes the fields as read; a Sunday may be 0 or 7, or both.
func newSchedule(m [5]masks, both bool) Schedule {
	dow := m[4].all
	if dow&(1<<7|1) != 0 {
		dow |= 1
	}
	return Schedule{
		minute: m[0].all, hour: uint32(m[1].all), dom: uint32(m[2].all), month: uint16(m[3].all),
		dow: uint8(dow & 0x7f), both: both,
		someMin: m[0].pick, someHr: uint32(m[1].pick),
	}
}

// nicks are the @words of entry.c and crond.c, without the at sign; they are
// matched in lower case only.
var nicks = map[string]string{
	"yearly": "0 0 1 1 *", "annually": "0 0 1 1 *", "monthly": "0 0 1 * *", "weekly": "0 0 * * 0",
	"daily": "0 0 * * *", "midnight": "0 0 * * *", "hourly": "0 * * * *",
}

func nick(name string) (Schedule, bool) {
	if name == "reboot" {
		return Schedule{Reboot: true, text: "@reboot"}, true
	}
	f, ok := nicks[name]
	if !ok {
		return Schedule{}, false
	}
	s, err := ParseSchedule(f)
	s.text = "@" + name
	return s, err == nil
}

var errSchedule = errors.New("not a schedule")

// ParseSchedule reads five fields or an @word by the rules of cronie, which
// are those of Debian plus random ranges (a~b) and minus ranges of nothing
// (5-3). For a line of BusyBox use ParseScheduleAs.
func ParseSchedule(text string) (Schedule, error) { return ParseScheduleAs(text, Cronie) }

// ParseScheduleAs reads five fields or an @word by the rules of d. The error
// says which field is wrong.
func ParseScheduleAs(text string, d Dialect) (Schedule, error) {
	f := strings.FieldsFunc(text, isBlank)
	if len(f) == 1 && strings.HasPrefix(f[0], "@") {
		if s, ok := nick(f[0][1:]); ok {
			return s, nil
		}
		return Schedule{}, fmt.Errorf("schedule %.100q: bad time specifier", text)
	}
	if len(f) != 5 {
		return Schedule{}, fmt.Errorf("schedule %.100q: %w", text, errSchedule)
	}
	if d == Busybox {
		s, why := busyboxSchedule([5]string(f))
		if s.never() {
			return Schedule{}, fmt.Errorf("schedule %.100q: %s", text, why)
		}
		return s, nil
	}
	// The byte after the fields stands for the command.
	p := &vixie{reader: reader{b: []byte(strings.Join(f, " ") + " \n")}, o: Options{Dialect: d}, size: debianString}
	var s Schedule
	if _, why := p.fields(&s, p.get()); why != "" {
		return Schedule{}, fmt.Errorf("schedule %.100q: %s", text, why)
	}
	s.text = scheduleText([]byte(text))
	return s, nil
}

// String is the text that was read, with one blank between fields; a list
// beyond 1,000 bytes is cut.
func (s Schedule) String() string { return s.text }

func scheduleText(b []byte) string {
	return fact.Text(bytes.Join(bytes.FieldsFunc(b[:min(len(b), 1000)], isBlank), []byte{' '}))
}

// isBlank: what parts fields; other white space is junk in them.
func isBlank(r rune) bool { return r == ' ' || r == '\t' }

// never reports that no minute of any year can match.
func (s Schedule) never() bool {
	return s.minute == 0 || s.hour == 0 || s.month == 0 || s.dom == 0 && s.dow == 0
}

// day reports whether the job runs on a day. FixDayDow of BusyBox and find_jobs
// of Vixie come to the same with the masks as they are here.
func (s Schedule) day(dom int, dow time.Weekday) bool {
	d, w := s.dom>>dom&1 != 0, s.dow>>dow&1 != 0
	if s.both {
		return d && w
	}
	return d || w
}

// Hours says in which hours of the day the job can run.
func (s Schedule) Hours() (h [24]bool) {
	if s.never() {
		return h
	}
	for i := range h {
		h[i] = s.hour>>i&1 != 0
	}
	return h
}

// Every is the smallest gap between two runs on one day, 0 if there is at most
// one run a day. A random range of cronie counts as one run.
func (s Schedule) Every() time.Duration {
	if s.never() || s.someMin == 0 {
		return 0
	}
	first, last := bits.TrailingZeros64(s.someMin), bits.Len64(s.someMin)-1
	least := 24 * 60
	for m, prev := s.someMin&(s.someMin-1), first; m != 0; m &= m - 1 {
		n := bits.TrailingZeros64(m)
		least, prev = min(least, n-prev), n
	}
	for h, prev := s.someHr, -1; h != 0; h &= h - 1 {
		n := bits.TrailingZeros32(h)
		if prev >= 0 {
			least = min(least, (n-prev)*60-last+first)
		}
		prev = n
	}
	if least == 24*60 {
		return 0
	}
	return time.Duration(least) * time.Minute
}
