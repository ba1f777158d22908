package utmp

import (
	"encoding/binary"
	"testing"
	"time"
	"unicode/utf8"
)

func TestLastLogin(t *testing.T) {
	at := time.Date(2026, 11, 22, 18, 59, 1, 0, time.UTC)
	for head, size := range map[int]int{4: LastSize, 8: LastSize64} {
		b := make([]byte, size)
		binary.LittleEndian.PutUint32(b, uint32(at.Unix()))
		copy(b[head:], "pts/0")
		copy(b[head+32:], "203.0.113.9")
		when, line, host := Last(b)
		if !when.Equal(at) || line != "pts/0" || host != "203.0.113.9" {
			t.Errorf("%d: %v %q %q", size, when, line, host)
		}
		if got := LastSizeOf(int64(1001 * size)); got != size {
			t.Errorf("%d records of %d are said to have %d", 1001, size, got)
		}
	}
	if when, _, _ := Last(make([]byte, LastSize)); !when.IsZero() {
		t.Errorf("never: %v", when)
	}
}

func FuzzLastLogin(f *testing.F) {
	f.Add(make([]byte, LastSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, line, host := Last(b); !utf8.ValidString(line + host) {
			t.Errorf("%q %q", line, host)
		}
	})
}
