package xtables

import (
	"slices"
	"testing"
	"time"

	"demine/internal/fact"
)

// A date at which a rule ends is told; what comes again is not understood.
func TestTime(t *testing.T) {
	end := time.Date(2026, 11, 23, 17, 59, 59, 0, time.UTC)
	info := func(change func(b []byte)) []byte {
		b := untilInfo(end)
		change(b)
		return b
	}
	for _, c := range []struct {
		name string
		data []byte
		word string
		text string
	}{
		{"until", untilInfo(end), "time < 1795456800", "-m time --datestop 2026-11-23T17:59:59"},
		{"no end", info(func(b []byte) { order.PutUint32(b[4:], noStop) }), "time", "-m time"},
		{"no end, of longs", info(func(b []byte) { order.PutUint32(b[4:], noStopLong) }), "time", "-m time"},
		{"from a date on", info(func(b []byte) { order.PutUint32(b, 86400) }), "time",
			"-m time --datestart 1970-01-02T00:00:00 --datestop 2026-11-23T17:59:59"},
		{"at hours", info(func(b []byte) { order.PutUint32(b[8:], 3661) }), "time",
			"-m time --timestart 01:01:01 --timestop 23:59:59 --datestop 2026-11-23T17:59:59"},
		{"on days", info(func(b []byte) { b[20] = 2 }), "time", "-m time --datestop 2026-11-23T17:59:59"},
		{"days of months", info(func(b []byte) { b[16] = 2 }), "time", "-m time --datestop 2026-11-23T17:59:59"},
		{"by the zone", info(func(b []byte) { b[21] = localTime }), "time", "-m time --datestop 2026-11-23T17:59:59"},
		{"cut off", untilInfo(end)[:20], "time", "-m time"},
	} {
		var r fact.Rule
		Match("time", 0, c.data, &r)
		if !slices.Equal(r.Unknown, []string{c.word}) || r.Text != c.text {
			t.Errorf("%s: %q, %q", c.name, r.Unknown, r.Text)
		}
	}
}

// A rule that is made here is read as what it was made of.
func TestNewEntry(t *testing.T) {
	end := time.Date(2026, 11, 23, 17, 59, 59, 0, time.UTC)
	for family, head := range map[string]string{"ip": "-A c -p tcp", "ip6": "-A c -p tcp"} {
		for _, c := range []struct {
			e    Entry
			text string
		}{
			{NewMark(family, Criteria{Proto: "tcp", DPort: 6380, Until: end, Comment: "L-1"}, 0x10, 0x30),
				head + " -m tcp --dport 6380 -m time --datestop 2026-11-23T17:59:59 -m comment --comment L-1 -j MARK --set-xmark 0x10/0x30"},
			{NewEntry(family, Criteria{NotLocal: true}, Return), "-A c -m addrtype ! --dst-type LOCAL -j RETURN"},
			{NewEntry(family, Criteria{Unmarked: 0x10, Established: true}, Drop),
				"-A c -m mark --mark 0x0/0x10 -m conntrack --ctstate ESTABLISHED -j DROP"},
		} {
			d, err := decodeEntry(family, c.e.Bytes)
			if err != nil || d.size != len(c.e.Bytes) {
				t.Errorf("%s: %v, %d of %d bytes", c.text, err, d.size, len(c.e.Bytes))
				continue
			}
			if r := (&parser{}).rule(&fact.Chain{Name: "c"}, d); r.Text != c.text {
				t.Errorf("%s: read as %s", c.text, r.Text)
			}
		}
	}
}
