// Package logtime reads the times at the heads of log lines, in the forms that
// services write, and tells how far each can be trusted: whether the line says
// in which zone and which year it is. Sources of the forms: RFC 3164 and 3339,
// httpd's mod_log_config (%t) and ErrorLogFormat, nginx's ngx_times.c, redis
// serverLogRaw(), PostgreSQL log_line_prefix, MySQL's error and general log,
// Tomcat's OneLineFormatter, logback and log4j's ISO8601, auditd, Docker's
// json-file.
package logtime

import (
	"bytes"
	"time"

	"demine/internal/fact"
)

// Reader reads times of one host.
type Reader struct {
	Loc *time.Location // of times without a zone; nil: UTC
	Now time.Time      // no log tells of what comes later: it is of another year
}

// maxHead is where a time is looked for in a line.
const maxHead = 160

// Read gives the time of a line and how far it can be trusted. A line without
// one goes on what stands before it, where the last line that has one counts.
func (r *Reader) Read(line, before []byte) (time.Time, fact.Clock) {
	if t, c, ok := r.head(line); ok {
		return t, c
	}
	for before = bytes.TrimSuffix(before, []byte{'\n'}); len(before) > 0; {
		i := bytes.LastIndexByte(before, '\n')
		if t, _, ok := r.head(before[i+1:]); ok {
			return t, fact.ClockNear
		}
		before = before[:max(0, i)]
	}
	return time.Time{}, fact.ClockNone
}

// head finds the first time at the head of a line.
func (r *Reader) head(line []byte) (time.Time, fact.Clock, bool) {
	if t, c, ok := r.json(line); ok {
		return t, c, true
	}
	head := line[:min(len(line), maxHead)]
	for i := range head {
		if i > 0 && (alnum(head[i-1]) || head[i-1] == '.') {
			continue
		}
		if t, c, ok := r.at(head[i:]); ok {
			return t, c, true
		}
	}
	return time.Time{}, "", false
}

// json is Docker's {"log":"…","stream":"stdout","time":"2026-11-22T11:00:01.5Z"}:
// the time stands at the end.
func (r *Reader) json(line []byte) (time.Time, fact.Clock, bool) {
	if len(line) == 0 || line[0] != '{' {
		return time.Time{}, "", false
	}
	key := []byte(`"time":"`)
	i := bytes.LastIndex(line, key)
	if i < 0 {
		return time.Time{}, "", false
	}
	return r.at(line[i+len(key):])
}

func alnum(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// at reads a time that begins right here.
func (r *Reader) at(b []byte) (time.Time, fact.Clock, bool) {
	if len(b) < 14 {
		return time.Time{}, "", false
	}
	switch {
	case b[0] >= '0' && b[0] <= '9' && (b[4] == '-' || b[4] == '/'):
		return r.iso(b)
	case b[0] >= '0' && b[0] <= '9' && (b[2] == '/' || b[2] == '-' || b[2] == ' '):
		return r.dayFirst(b)
	case b[0] >= '0' && b[0] <= '9' && b[6] == ' ':
		return r.mysql5(b)
	case b[0] >= 'A' && b[0] <= 'Z':
		return r.monthFirst(b)
	}
	return time.Time{}, "", false
}

// iso is 2026-11-22T19:00:01.5+08:00, "2026-11-22 19:00:01,123", 2026/11/22
// 19:00:01.
func (r *Reader) iso(b []byte) (time.Time, fact.Clock, bool) {
	y, mo, d := digits(b, 4), digits(b[5:], 2), digits(b[8:], 2)
	if len(b) < 19 || b[7] != b[4] || b[10] != 'T' && b[10] != ' ' {
		return time.Time{}, "", false
	}
	return r.make(y, time.Month(mo), d, b[11:])
}

// dayFirst is "22/Nov/2026:19:00:01 +0800", "22 Nov 2026 19:00:01.123",
// 22-Nov-2026 19:00:01.123.
func (r *Reader) dayFirst(b []byte) (time.Time, fact.Clock, bool) {
	if len(b) < 20 || b[6] != b[2] || b[11] != ':' && b[11] != ' ' {
		return time.Time{}, "", false
	}
	return r.make(digits(b[7:], 4), month(b[3:]), digits(b, 2), b[12:])
}

// mysql5 is 261122 19:00:01 of MySQL 5.6 and before.
func (r *Reader) mysql5(b []byte) (time.Time, fact.Clock, bool) {
	y := digits(b, 2)
	rest := bytes.TrimLeft(b[6:], " ")
	if y < 0 || len(rest) < 7 || len(b)-len(rest) > 8 {
		return time.Time{}, "", false
	}
	if rest[1] == ':' { // a single digit of the hour
		rest = append([]byte{'0'}, rest[:min(len(rest), 12)]...)
	}
	return r.make(2000+y, time.Month(digits(b[2:], 2)), digits(b[4:], 2), rest)
}

// monthFirst is "Nov 22 19:00:01" without a year, "Nov 22, 2026 7:00:01 PM"
// is not read, and "Sun Nov 22 19:00:01.123456 2026" of httpd's error log.
func (r *Reader) monthFirst(b []byte) (time.Time, fact.Clock, bool) {
	if mo := month(b); mo != 0 && b[3] == ' ' && len(b) >= 15 {
		return r.yearless(mo, b[4:])
	}
	if len(b) >= 24 && b[3] == ' ' && month(b[4:]) != 0 && b[7] == ' ' {
		tail := b[11:min(len(b), 40)]
		i := bytes.IndexByte(tail, ' ')
		if i > 0 && len(tail) >= i+5 {
			if y := digits(tail[i+1:], 4); y > 0 {
				return r.make(y, month(b[4:]), padded(b[8:]), tail[:i])
			}
		}
	}
	return time.Time{}, "", false
}

// yearless: of the years in which the time is not after now, the last.
func (r *Reader) yearless(mo time.Month, b []byte) (time.Time, fact.Clock, bool) {
	const ahead = 24 * time.Hour // the host's clock may be ahead of ours
	t, _, ok := r.make(r.Now.In(r.loc()).Year(), mo, padded(b), b[3:])
	if ok && t.After(r.Now.Add(ahead)) {
		t, _, ok = r.make(t.In(r.loc()).Year()-1, mo, padded(b), b[3:])
	}
	return t, fact.ClockYear, ok
}

func (r *Reader) loc() *time.Location {
	if r.Loc == nil {
		return time.UTC
	}
	return r.Loc
}

// make reads 19:00:01, fractions, and a zone.
func (r *Reader) make(y int, mo time.Month, d int, b []byte) (time.Time, fact.Clock, bool) {
	if len(b) < 8 || b[2] != ':' || b[5] != ':' {
		return time.Time{}, "", false
	}
	h, m, s := digits(b, 2), digits(b[3:], 2), digits(b[6:], 2)
	if y < 1990 || y > 2200 || mo < 1 || mo > 12 || d < 1 || d > 31 || h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 60 {
		return time.Time{}, "", false
	}
	ns, rest := fraction(b[8:])
	if loc := zone(rest); loc != nil {
		return time.Date(y, mo, d, h, m, s, ns, loc).UTC(), fact.ClockExact, true
	}
	return time.Date(y, mo, d, h, m, s, ns, r.loc()).UTC(), fact.ClockZone, true
}

func fraction(b []byte) (ns int, rest []byte) {
	if len(b) < 2 || b[0] != '.' && b[0] != ',' {
		return 0, b
	}
	unit := int(time.Second)
	for b = b[1:]; len(b) > 0 && b[0] >= '0' && b[0] <= '9'; b = b[1:] {
		unit /= 10
		ns += int(b[0]-'0') * unit
	}
	return ns, b
}

// zone is nil when the line does not say.
func zone(b []byte) *time.Location {
	if len(b) > 0 && b[0] == 'Z' {
		return time.UTC
	}
	b = bytes.TrimPrefix(b, []byte{' '})
	if bytes.HasPrefix(b, []byte("UTC")) || bytes.HasPrefix(b, []byte("GMT")) {
		return time.UTC
	}
	if len(b) < 5 || b[0] != '+' && b[0] != '-' {
		return nil
	}
	h, rest := digits(b[1:], 2), b[3:]
	if rest[0] == ':' {
		rest = rest[1:]
	}
	m := digits(rest, 2)
	if h < 0 || h > 15 || m < 0 || m > 59 {
		return nil
	}
	sec := h*3600 + m*60
	if b[0] == '-' {
		sec = -sec
	}
	return time.FixedZone("", sec)
}

// digits reads exactly n; -1 is something else.
func digits(b []byte, n int) int {
	if len(b) < n {
		return -1
	}
	v := 0
	for _, c := range b[:n] {
		if c < '0' || c > '9' {
			return -1
		}
		v = v*10 + int(c-'0')
	}
	return v
}

// padded reads two digits, or a space and one.
func padded(b []byte) int {
	if len(b) > 1 && b[0] == ' ' {
		return digits(b[1:], 1)
	}
	return digits(b, 2)
}

// month is 0 when b does not start with one's English name.
func month(b []byte) time.Month {
	if len(b) < 3 {
		return 0
	}
	i := bytes.Index([]byte("JanFebMarAprMayJunJulAugSepOctNovDec"), b[:3])
	if i < 0 || i%3 != 0 {
		return 0
	}
	return time.Month(i/3 + 1)
}
