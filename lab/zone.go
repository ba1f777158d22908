package lab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// The clock of a host is this machine's; only its zone is chosen, so that the intrusion is done at 18:59 and the job,
// which hides outside working hours, first runs at 19:00.
const (
	beforeDusk = 18*60 + 59       // minutes after midnight
	prepare    = 12 * time.Second // what it takes from choosing the zone to the intrusion, at least
	lastSecond = 55               // an intrusion that begins later in the minute might not end in it
)

// zone picks the minute in which the intrusion is to happen, and the offset in whole minutes that calls it 18:59.
func zone(now time.Time) (minute time.Time, offset int) {
	at := now.Add(prepare).UTC()
	if at.Second() > lastSecond-5 {
		at = at.Add(time.Minute)
	}
	minute = at.Truncate(time.Minute)
	offset = (beforeDusk - minute.Hour()*60 - minute.Minute() + 24*60) % (24 * 60)
	if offset > 12*60 {
		offset -= 24 * 60
	}
	return minute, offset
}

// tzif is a time zone file (RFC 8536) of one fixed offset in minutes east of Greenwich.
func tzif(offset int) []byte {
	sign, abs := "+", offset
	if offset < 0 {
		sign, abs = "-", -offset
	}
	name := fmt.Sprintf("%s%02d%02d", sign, abs/60, abs%60)
	var b bytes.Buffer
	// The same block twice: version 1 readers stop after the first.
	for range 2 {
		b.WriteString("TZif2")
		b.Write(make([]byte, 15))
		for _, count := range []uint32{0, 0, 0, 0, 1, uint32(len(name) + 1)} { // isut, isstd, leap, transitions, types, name
			binary.Write(&b, binary.BigEndian, count)
		}
		binary.Write(&b, binary.BigEndian, int32(offset*60))
		b.Write([]byte{0, 0}) // no daylight saving; the name begins at 0
		b.WriteString(name)
		b.WriteByte(0)
	}
	// POSIX counts west of Greenwich.
	west := "-"
	if offset < 0 {
		west = "+"
	}
	fmt.Fprintf(&b, "\n<%s>%s%d:%02d\n", name, west, abs/60, abs%60)
	return b.Bytes()
}
