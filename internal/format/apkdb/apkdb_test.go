package apkdb

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const db = `C:Q1x
P:busybox
V:1.36.1-r5
A:x86_64
F:bin
R:busybox
a:0:0:755
Z:Q1qZk+NkcGgWq6PiVxeFDCbJzQ2J0=
R:other
Z:Q2AAAA
F:etc/crontabs
R:root
a:0:0:600
Z:Q1qZk+NkcGgWq6PiVxeFDCbJzQ2J0=

P:alpine-release
F:
R:top
F:etc
R:alpine-release
`

func TestFiles(t *testing.T) {
	want := map[string]bool{}
	for _, p := range []string{"/bin/busybox", "/bin/other", "/etc/crontabs/root", "/top", "/etc/alpine-release", "/etc/busybox", "/bin/sh"} {
		want[p] = true
	}
	const sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d" // of "abc"
	if d := cmp.Diff([]File{
		{"/bin/busybox", "busybox", sha1}, {"/bin/other", "busybox", ""}, {"/etc/crontabs/root", "busybox", sha1},
		{"/top", "alpine-release", ""}, {"/etc/alpine-release", "alpine-release", ""},
	}, Files([]byte(db), want)); d != "" {
		t.Error(d)
	}
	if got := Files([]byte(strings.ReplaceAll(db, "P:", "Q:")), want); len(got) > 0 {
		t.Errorf("of no package: %v", got)
	}
}

func FuzzFiles(f *testing.F) {
	f.Add([]byte(db))
	want := map[string]bool{"/bin/busybox": true, "/": true, "//": true}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, x := range Files(b, want) {
			if !want[x.Path] || x.Package == "" || len(x.SHA1) != 0 && len(x.SHA1) != 40 {
				t.Errorf("%+v", x)
			}
		}
	})
}
