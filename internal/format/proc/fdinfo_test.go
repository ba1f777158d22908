package proc

import "testing"

func TestWrites(t *testing.T) {
	for text, want := range map[string]bool{
		"pos:\t0\nflags:\t0100001\nmnt_id:\t29\n": true, "pos:\t9\nflags:\t0102002\n": true,
		"pos:\t0\nflags:\t0100000\n": false, "pos:\t0\nflags:\tx1\n": false, "": false,
	} {
		if got := Writes([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzWrites(f *testing.F) {
	f.Add([]byte("pos:\t0\nflags:\t0100001\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if Writes(b) && len(b) < len("flags:1") {
			t.Errorf("%q", b)
		}
	})
}

func TestAppends(t *testing.T) {
	for text, want := range map[string]bool{
		"pos:\t0\nflags:\t02102001\nmnt_id:\t29\nino:\t7\n": true, "pos:\t0\nflags:\t0100001\nmnt_id:\t29\n": false,
		"pos:\t2000\nflags:\t0\n": false, "flags:\t2009\n": false, "": false,
	} {
		if got := Appends([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
