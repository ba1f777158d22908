package dpkg

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const status = `Package: redis-server
Status: install ok installed
Priority: optional
Architecture: amd64
Version: 5:7.0.15-1~deb12u5
Conffiles:
 /etc/redis/redis.conf 81aaf04fcd2ca58f0fd22d4ec6dae3d4
Description: Persistent key-value database
 Package: not-a-package

Package: old
Status: deinstall ok config-files
Version: 1
`

func TestStatus(t *testing.T) {
	got := Status([]byte(status))
	want := []Package{
		{"redis-server", "5:7.0.15-1~deb12u5", "install ok installed", "amd64"},
		{"old", "1", "deinstall ok config-files", ""},
	}
	if d := cmp.Diff(want, got); d != "" || !got[0].Installed() || got[1].Installed() {
		t.Error(d)
	}
}

func TestListHas(t *testing.T) {
	var got []string
	ListHas([]byte("/.\n/usr\n/usr/bin/redis-server\n/usr/bin/x"), map[string]bool{"/usr/bin/redis-server": true, "/usr/bin/x": true, "/no": true, "/usr": false},
		func(p string) { got = append(got, p) })
	if d := cmp.Diff([]string{"/usr/bin/redis-server", "/usr/bin/x"}, got); d != "" {
		t.Error(d)
	}
}

func TestMd5sums(t *testing.T) {
	sums := "d41d8cd98f00b204e9800998ecf8427e  usr/bin/a b\n" +
		"0cc175b9c0f1b6a831c399e269772661  usr/bin/c\n" +
		"zcc175b9c0f1b6a831c399e269772661  usr/bin/d\nshort\n900150983cd24fb0d6963f7d28e17f72  usr/bin/e"
	got := Md5sums([]byte(sums), func(p string) bool { return p != "/usr/bin/c" })
	want := map[string]string{"/usr/bin/a b": "d41d8cd98f00b204e9800998ecf8427e", "/usr/bin/e": "900150983cd24fb0d6963f7d28e17f72"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDiversions(t *testing.T) {
	got := Diversions([]byte("/usr/bin/ps\n/usr/bin/ps.distrib\n:\n/a\n/b\npkg\n/cut\n"))
	want := []Diversion{{"/usr/bin/ps", "/usr/bin/ps.distrib", ":"}, {"/a", "/b", "pkg"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestHost reads this machine's own database: every package
// that is installed has a list, and every sum a place in it.
func TestHost(t *testing.T) {
	b, err := os.ReadFile("/var/lib/dpkg/status")
	if err != nil {
		t.Fatal(err) // the tests run on Debian: see .ci/deps
	}
	all := Status(b)
	for _, p := range all[:min(50, len(all))] {
		if !p.Installed() {
			continue
		}
		base := "/var/lib/dpkg/info/" + p.Name
		list, err := os.ReadFile(base + ".list")
		if err != nil {
			base += ":" + p.Arch
			if list, err = os.ReadFile(base + ".list"); err != nil {
				t.Error(err)
				continue
			}
		}
		sums, _ := os.ReadFile(base + ".md5sums")
		want := map[string]bool{}
		for f := range Md5sums(sums, func(string) bool { return true }) {
			want[f] = true
		}
		ListHas(list, want, func(f string) { delete(want, f) })
		if len(want) != 0 {
			t.Errorf("%s: sums of files that the list lacks: %v", p.Name, want)
		}
	}
}

func FuzzDpkg(f *testing.F) {
	f.Add([]byte(status))
	f.Add([]byte("/.\n/usr/bin/x\n/usr/bin/y"))
	f.Add([]byte("d41d8cd98f00b204e9800998ecf8427e  usr/bin/a\nd41d8cd98f00b204e9800998ecf8427e *b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range Status(b) {
			if p.Name == "" {
				t.Fatal("a package without a name")
			}
		}
		for p, sum := range Md5sums(b, func(string) bool { return true }) {
			if p[0] != '/' || len(sum) != 32 || !strings.Contains(string(b), sum) || !strings.Contains(string(b), p[1:]) {
				t.Fatalf("%q %q", p, sum)
			}
		}
		lines := strings.Split(string(b), "\n")
		n := 0
		ListHas(b, map[string]bool{lines[0]: true}, func(p string) { n++ })
		if n == 0 && lines[0] != "" {
			t.Fatalf("%q not found in itself", lines[0])
		}
		if len(Diversions(b))*3 > len(lines) {
			t.Fatal("too many diversions")
		}
	})
}

// BenchmarkListHas is a scan of a whole database: 800 lists of 120 lines each
// when this machine has none.
func BenchmarkListHas(b *testing.B) {
	var lists [][]byte
	names, _ := filepath.Glob("/var/lib/dpkg/info/*.list")
	for _, n := range names {
		l, _ := os.ReadFile(n)
		lists = append(lists, l)
	}
	for i := len(lists); i < 700; i++ {
		lists = append(lists, []byte(strings.Repeat(fmt.Sprintf("/usr/share/doc/package%d/some/file.gz\n", i), 120)))
	}
	want := map[string]bool{}
	for i := range 300 {
		want[fmt.Sprintf("/usr/bin/program%d", i)] = true
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, l := range lists {
			ListHas(l, want, func(string) {})
		}
	}
}
