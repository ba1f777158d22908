package utmp

import (
	"encoding/binary"
	"time"
)

// Lengths of one record of /var/log/lastlog (struct lastlog of glibc's
// bits/utmp.h): the record of an account stands at its UID times this.
const (
	LastSize   = 4 + 32 + 256
	LastSize64 = 8 + 32 + 256 // where times in it have 64 bits (arm64)
)

// LastSizeOf tells from the length of the whole file how long its records are.
func LastSizeOf(file int64) int {
	if file%LastSize != 0 && file%LastSize64 == 0 {
		return LastSize64
	}
	return LastSize
}

// Last reads one record of lastlog, of either length: when the account last
// logged in, on which terminal, from which host. A zero time is never.
func Last(b []byte) (at time.Time, line, host string) {
	if len(b) < LastSize {
		return
	}
	head := 4
	if len(b) >= LastSize64 {
		head = 8
	}
	return when(binary.LittleEndian.Uint32(b), 0), str(b[head : head+32]), str(b[head+32 : head+288])
}
