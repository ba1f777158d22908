package authlog

import (
	"bytes"
	"strconv"
	"time"
)

// header is what stands before a message.
type header struct {
	time    time.Time
	program string
	pid     int
	message []byte
}

// head takes the time, then the first word that ends in a colon as the tag:
// before it stand the host's name and, with busybox, "facility.level".
func head(line []byte, year int, loc *time.Location) (header, bool) {
	t, rest, ok := stamp(unprioritised(bytes.TrimRight(line, "\r")), year, loc)
	if !ok {
		return header{}, false
	}
	for range 3 {
		rest = bytes.TrimLeft(rest, " ")
		word, after, _ := bytes.Cut(rest, []byte{' '})
		if n := len(word); n > 1 && word[n-1] == ':' {
			program, pid := tag(word[:n-1])
			return header{t, program, pid, bytes.TrimLeft(after, " ")}, true
		}
		rest = after
	}
	return header{}, false
}

// unprioritised drops a raw priority, RFC 3164.
func unprioritised(line []byte) []byte {
	if i := bytes.IndexByte(line, '>'); len(line) > 0 && line[0] == '<' && i > 0 && i < 5 {
		return line[i+1:]
	}
	return line
}

// tag is "program" or "program[pid]".
func tag(b []byte) (program string, pid int) {
	i := bytes.LastIndexByte(b, '[')
	if i < 0 || b[len(b)-1] != ']' {
		return string(b), 0
	}
	pid, err := strconv.Atoi(string(b[i+1 : len(b)-1]))
	if err != nil || pid < 0 {
		return string(b), 0
	}
	return string(b[:i]), pid
}

// stamp reads "Nov 22 18:59:01", also with a year or fractions after it as
// some syslogs are set to, or RFC 3339.
func stamp(b []byte, year int, loc *time.Location) (time.Time, []byte, bool) {
	if len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
		word, rest, _ := bytes.Cut(b, []byte{' '})
		t, err := time.Parse(time.RFC3339Nano, string(word))
		return t, rest, err == nil
	}
	if len(b) < 16 {
		return time.Time{}, nil, false
	}
	mon := month(b)
	day := number(b[4:6], b[4] == ' ')
	h, m, s := number(b[7:9], false), number(b[10:12], false), number(b[13:15], false)
	if mon == 0 || b[3] != ' ' || b[6] != ' ' || b[9] != ':' || b[12] != ':' || b[15] != ' ' ||
		day < 1 || day > 31 || h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 60 {
		return time.Time{}, nil, false
	}
	return time.Date(year, mon, day, h, m, s, 0, loc), b[16:], true
}

// month is 0 when b does not start with one's English name.
func month(b []byte) time.Month {
	i := bytes.Index([]byte("JanFebMarAprMayJunJulAugSepOctNovDec"), b[:3])
	if i < 0 || i%3 != 0 {
		return 0
	}
	return time.Month(i/3 + 1)
}

// number reads two digits, or a space and one; -1 is neither.
func number(b []byte, padded bool) int {
	hi, lo := int(b[0])-'0', int(b[1])-'0'
	if padded {
		hi = 0
	}
	if hi < 0 || hi > 9 || lo < 0 || lo > 9 {
		return -1
	}
	return hi*10 + lo
}
