// Package utmp reads the records of /var/log/wtmp, /var/log/btmp and
// /run/utmp: struct utmp of utmp(5) and glibc's bits/utmp.h. It has 384 bytes
// where times in it have 32 bits (x86-64) and 400 where they have 64 (arm64).
package utmp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"demine/internal/fact"
)

// Lengths of one record in bytes.
const (
	Size   = 384 // x86-64 and all others with 32-bit times
	Size64 = 400 // arm64
)

// Types of a record (ut_type).
const (
	Empty        = 0
	RunLevel     = 1
	BootTime     = 2
	InitProcess  = 5
	LoginProcess = 6
	UserProcess  = 7
	DeadProcess  = 8
)

// Record is one login, logout, boot or failed login. Texts are valid UTF-8; a
// record that somebody wiped is all zero.
type Record struct {
	Type                 int16
	PID                  int32
	Line, ID, User, Host string
	Time                 time.Time  // zero when the record has none
	Addr                 netip.Addr // not valid when there is none
}

// Wiped reports whether nothing is left of a record: no program writes such a
// one to wtmp.
func (r Record) Wiped() bool { return r == Record{} }

// Parse gives the records in file order. Which of the two lengths the file has
// is told by its own length and by which of them makes sense of it. What is
// left over at the end is ignored.
func Parse(b []byte) []Record {
	size := layout(b)
	out := make([]Record, 0, len(b)/size)
	for ; len(b) >= size; b = b[size:] {
		out = append(out, record(b[:size]))
	}
	return out
}

// layout prefers 384 unless only 400 divides the file, or both do and 400
// gives more records a known type.
func layout(b []byte) int {
	if len(b)%Size64 != 0 || len(b) == 0 {
		return Size
	}
	if len(b)%Size != 0 || known(b, Size64)*Size64 > known(b, Size)*Size {
		return Size64
	}
	return Size
}

func known(b []byte, size int) int {
	n := 0
	for ; len(b) >= size; b = b[size:] {
		if t := binary.LittleEndian.Uint16(b); t > Empty && t <= 9 && b[2] == 0 && b[3] == 0 {
			n++
		}
	}
	return n
}

func record(b []byte) Record {
	le := binary.LittleEndian
	sec, usec, ip := b[340:], b[344:], b[348:]
	if len(b) == Size64 {
		sec, usec, ip = b[344:], b[352:], b[360:]
	}
	return Record{
		Type: int16(le.Uint16(b)),
		PID:  int32(le.Uint32(b[4:])),
		Line: str(b[8:40]),
		ID:   str(b[40:44]),
		User: str(b[44:76]),
		Host: str(b[76:332]),
		Time: when(le.Uint32(sec), le.Uint32(usec)),
		Addr: addr([16]byte(ip[:16])),
	}
}

// when takes seconds as unsigned: nothing was logged before 1970, and glibc
// means to go on after 2038 in the same 32 bits.
func when(sec, usec uint32) time.Time {
	if sec == 0 && usec == 0 {
		return time.Time{}
	}
	return time.Unix(int64(sec), int64(usec%1_000_000)*1000).UTC()
}

// addr: IPv4 has only the first of four words.
func addr(b [16]byte) netip.Addr {
	switch {
	case b == [16]byte{}:
		return netip.Addr{}
	case [12]byte(b[4:]) == [12]byte{}:
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b).Unmap()
}

// str is a field up to its first NUL; a full field has none.
func str(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return fact.Text(b)
}
