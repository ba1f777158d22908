package rdb

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	for name, want := range map[string]Counts{
		"plain.rdb": {1, 1, true}, "lzf.rdb": {0, 0, true}, "lists.rdb": {0, 0, true},
	} {
		b := dump(t, name)
		got, err := Count(bytes.NewReader(b), time.Unix(0, 0))
		if err != nil || !got.Summed || want.Keys > 0 && got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		keys := map[string]bool{}
		for _, e := range Strings(b, 1e6) {
			keys[e.Key] = true
		}
		delete(keys, "") // functions
		if int(got.Keys) < len(keys) || got.Lasting != got.Keys {
			t.Errorf("%s: %+v, but %d keys have strings", name, got, len(keys))
		}
		// Any byte that is changed or missing is seen.
		for _, i := range []int{10, len(b) / 2, len(b) - 3} {
			bad := bytes.Clone(b)
			bad[i] ^= 1
			if _, err := Count(bytes.NewReader(bad), time.Time{}); err == nil {
				t.Errorf("%s: byte %d is changed and nobody says so", name, i)
			}
			if _, err := Count(bytes.NewReader(b[:i]), time.Time{}); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: cut at %d: %v", name, i, err)
			}
		}
	}
	if _, err := Count(bytes.NewReader([]byte("* * * * * root x\n")), time.Time{}); !errors.Is(err, ErrNoDump) {
		t.Error(err)
	}
}

// What has expired by now does not count as lasting.
func TestCountExpired(t *testing.T) {
	got, err := Count(bytes.NewReader(dump(t, "lzf.rdb")), time.Now().AddDate(100, 0, 0))
	if err != nil || got.Lasting >= got.Keys || got.Lasting == 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzCount(f *testing.F) {
	for _, name := range []string{"plain.rdb", "lzf.rdb", "lists.rdb"} {
		f.Add(dump(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Count(bytes.NewReader(b), time.Unix(0, 0))
		if err == nil && (c.Keys > int64(len(b)) || c.Lasting > c.Keys) {
			t.Fatalf("%+v of %d bytes", c, len(b))
		}
	})
}
