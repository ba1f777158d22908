package logtime

import (
	"testing"
	"time"

	"demine/internal/fact"
)

var cst = time.FixedZone("CST", 8*3600)

func reader() *Reader {
	return &Reader{Loc: cst, Now: time.Date(2026, 11, 22, 20, 0, 0, 0, cst)}
}

func TestRead(t *testing.T) {
	want := time.Date(2026, 11, 22, 18, 59, 1, 0, cst)
	for line, clock := range map[string]fact.Clock{
		`203.0.113.5 - - [22/Nov/2026:18:59:01 +0800] "GET / HTTP/1.1" 200 1`:                            fact.ClockExact,
		`2026/11/22 18:59:01 [error] 7#7: *1 open() failed, client: 203.0.113.5`:                         fact.ClockZone,
		`[Sun Nov 22 18:59:01.000000 2026] [core:error] [pid 7] [client 203.0.113.5:4242] AH00037`:       fact.ClockZone,
		`812:M 22 Nov 2026 18:59:01.000 * DB saved on disk`:                                              fact.ClockZone,
		`2026-11-22 10:59:01.000 UTC [912] postgres@postgres LOG:  statement: x`:                         fact.ClockExact,
		"2026-11-22T10:59:01.000000Z\t   12 Query\tSELECT 1":                                             fact.ClockExact,
		`261122 18:59:01	12 Query	SELECT 1`:                                                              fact.ClockZone,
		`22-Nov-2026 18:59:01.000 SEVERE [http-nio-8080-exec-1] org.apache`:                              fact.ClockZone,
		`2026-11-22 18:59:01,000 [main] ERROR x`:                                                         fact.ClockZone,
		`Nov 22 18:59:01 shop app[1]: x`:                                                                 fact.ClockYear,
		`{"log":"x\n","stream":"stdout","time":"2026-11-22T10:59:01.0Z"}`:                                fact.ClockExact,
		`[2026-11-22T18:59:01+08:00] production.ERROR: x`:                                                fact.ClockExact,
		`<34>Nov 22 18:59:01 shop app: x`:                                                                fact.ClockYear,
		`10.0.0.5 2001:db8::1 192.168.100.2 - - [22/Nov/2026:10:59:01 +0000] "GET /2025-01-01 HTTP/1.1"`: fact.ClockExact,
	} {
		got, c := reader().Read([]byte(line), nil)
		if !got.Equal(want) || c != clock {
			t.Errorf("%s: %v %s", line, got, c)
		}
	}
}

// What would be in the future is of the year before.
func TestYear(t *testing.T) {
	got, _ := reader().Read([]byte("Dec 30 01:00:00 h x"), nil)
	if want := time.Date(2025, 12, 30, 1, 0, 0, 0, cst); !got.Equal(want) {
		t.Error(got)
	}
}

// A stack trace has the time of the line that it hangs on.
func TestContinuation(t *testing.T) {
	got, c := reader().Read([]byte("\tat a.b(C.java:1)"), []byte("2026-11-22 18:59:01 ERROR x\njava.io.InvalidClassException\n"))
	if got.IsZero() || c != fact.ClockNear {
		t.Error(got, c)
	}
	if got, c := reader().Read([]byte("no time here, 1.2.3.4"), nil); !got.IsZero() || c != fact.ClockNone {
		t.Error(got, c)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`203.0.113.5 - - [22/Nov/2026:18:59:01 +0800]`), []byte("Nov 22 18:59:01 x\n"))
	f.Add([]byte("261122  8:59:01"), []byte(`{"time":"2026-11-22T`))
	f.Add([]byte("Sun Nov 22 18:59:01.000000 2026"), []byte{})
	f.Fuzz(func(t *testing.T, line, before []byte) {
		got, c := reader().Read(line, before)
		if got.IsZero() != (c == fact.ClockNone) || got.Year() > 2201 {
			t.Error(got, c)
		}
	})
}
