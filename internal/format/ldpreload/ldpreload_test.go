package ldpreload

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "",
		"/a.so\n":                           "/a.so",
		"/a.so:/b.so /c.so\t/d.so":          "/a.so /b.so /c.so /d.so",
		"# /dev/shm/x.so taken out by ops":  "",
		"/a.so # /b.so:/c.so\n/d.so#x y\ne": "/a.so /d.so e",
		"#\n#\n\n::/a.so::":                 "/a.so",
		"/a.so\r\n":                         "/a.so\r", // to the loader this is another file
		"/a.so\x00/b.so":                    "/a.so /b.so",
	} {
		var got []string
		for _, n := range Names([]byte(in)) {
			if got = append(got, n.Text); in[n.From:n.To] != n.Text {
				t.Errorf("%q: %+v", in, n)
			}
		}
		if d := cmp.Diff(want, strings.Join(got, " ")); d != "" {
			t.Errorf("%q: %s", in, d)
		}
	}
}

func TestFiles(t *testing.T) {
	for name, want := range map[string][]fact.Path{
		"/dev/shm//x.so":           {"/dev/shm/x.so"},
		"/opt/$LIBRARY/${X}/$x.so": {"/opt/$LIBRARY/${X}/$x.so"},
		"/opt/$PLATFORM/x.so":      {"/opt/x86_64/x.so", "/opt/aarch64/x.so", "/opt/haswell/x.so"},
		"/opt/${LIB}/x.so": {
			"/opt/lib/x86_64-linux-gnu/x.so", "/opt/lib/aarch64-linux-gnu/x.so", "/opt/lib/i386-linux-gnu/x.so",
			"/opt/lib64/x.so", "/opt/lib/x.so",
		},
		"$ORIGIN/x.so": nil, "/a/${ORIGIN}/x.so": nil, "./x.so": nil, "lib/x.so": nil,
	} {
		if d := cmp.Diff(want, Files(name)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	bare := Files("libhide.so")
	for _, p := range []fact.Path{"/lib/libhide.so", "/usr/lib64/libhide.so", "/lib/x86_64-linux-gnu/libhide.so"} {
		if !slices.Contains(bare, p) {
			t.Errorf("%s is not among %v", p, bare)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add([]byte("# x\n/$LIB/a.so:b.so ${PLATFORM}/c # d"))
	f.Add([]byte("/${LIB}/$PLATFORM/$ORIGIN\x00/e#\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		end := 0
		for _, n := range Names(b) {
			if n.From < end || n.To <= n.From || string(b[n.From:n.To]) != n.Text || strings.ContainsAny(n.Text, " \t\n:#") {
				t.Fatalf("%+v", n)
			}
			end = n.To
			for _, p := range Files(n.Text) {
				if !strings.HasPrefix(string(p), "/") {
					t.Fatalf("%q: %q", n.Text, p)
				}
			}
		}
	})
}
