package proc

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const mapsText = `00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus daemon
00e03000-00e24000 rw-p 00000000 00:00 0           [heap]
35b1800000-35b1820000 r--s 00001000 08:02 135522  /usr/lib/x (deleted)
7f0000000000-7f0000001000 rwxp 00000000 00:00 0 
7f0000001000-7f0000002000 rw-s 00000000 00:01 9 /memfd:a\012b (deleted)
7f0000002000-7f0000003000 rw-s 00000000 00:01 9 /dev/zero (deleted)
7f0000003000-7f0000004000 rw-p 00000000 08:01 9 /a//deleted
7f0000004000-7f0000005000 rw-p 00000000 00:00 0                          [anon:jit cache]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`

func TestMaps(t *testing.T) {
	want := []Mapping{
		{Start: 0x400000, End: 0x452000, Read: true, Exec: true, Inode: 173521, Path: "/usr/bin/dbus daemon"},
		{Start: 0xe03000, End: 0xe24000, Read: true, Write: true, Path: "[heap]"},
		{Start: 0x35b1800000, End: 0x35b1820000, Read: true, Shared: true, Offset: 0x1000, Inode: 135522, Path: "/usr/lib/x", Deleted: true},
		{Start: 0x7f0000000000, End: 0x7f0000001000, Read: true, Write: true, Exec: true},
		{Start: 0x7f0000001000, End: 0x7f0000002000, Read: true, Write: true, Shared: true, Inode: 9, Path: "/memfd:a\nb", Deleted: true},
		{Start: 0x7f0000002000, End: 0x7f0000003000, Read: true, Write: true, Shared: true, Inode: 9, Path: "/dev/zero", Deleted: true},
		{Start: 0x7f0000003000, End: 0x7f0000004000, Read: true, Write: true, Inode: 9, Path: "/a", Deleted: true},
		{Start: 0x7f0000004000, End: 0x7f0000005000, Read: true, Write: true, Path: "[anon:jit cache]"},
		{Start: 0xffffffffff600000, End: 0xffffffffff601000, Exec: true, Path: "[vsyscall]"},
	}
	if d := cmp.Diff(want, slices.Collect(Maps([]byte(mapsText)))); d != "" {
		t.Error(d)
	}
}

func TestMapsNot(t *testing.T) {
	for _, bad := range []string{
		"", "\n\n", "1000-2000 r-xp 0 0:0 0", // cut off
		"2000-1000 r-xp 0 0:0 0 \n", "1000-1000 r-xp 0 0:0 0 \n", "1000 r-xp 0 0:0 0 \n", "1000-2000 rx 0 0:0 0 \n",
		"1000-2000 r-xp 0 0:0\n", "1000-2000 r-xp 0 0:0 x\n", "1000-2000 r-xp g 0:0 0\n", "10000000000000000-20000000000000000 r-xp 0 0:0 0\n",
	} {
		if m := slices.Collect(Maps([]byte(bad))); m != nil {
			t.Errorf("%q: %+v", bad, m)
		}
	}
}

// TestMapsHere reads those of this process from the running kernel.
func TestMapsHere(t *testing.T) {
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Collect(Maps(b))
	if len(all) != strings.Count(string(b), "\n") {
		t.Errorf("%d mappings of %d lines", len(all), strings.Count(string(b), "\n"))
	}
	self, _ := os.Executable()
	if !slices.ContainsFunc(all, func(m Mapping) bool { return string(m.Path) == self && m.Exec && !m.Deleted }) {
		t.Errorf("%s is not among them", self)
	}
}

func FuzzMaps(f *testing.F) {
	f.Add([]byte(mapsText))
	f.Add([]byte("1000-2000 rwxp 0 0:0 0 \\012 (deleted) (deleted)\n0-ffffffffffffffff r--p 0 0:0 18446744073709551615 \n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		for m := range Maps(b) {
			n++
			if m.End <= m.Start || len(m.Path) > len(b) || strings.HasSuffix(string(m.Path), "//deleted") && !m.Deleted {
				t.Fatalf("%+v", m)
			}
		}
		if lines := strings.Count(string(b), "\n"); n > lines {
			t.Fatalf("%d mappings of %d lines", n, lines)
		}
	})
}
