package observe

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host/fixture"
)

// hiding is a library of little more than its tables. It defines readdir and readdir64.
const hiding = "" +
	"f0VMRgIBAQAAAAAAAAAAAAMAPgABAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAACAAAAAAAAAAEAAAAFAAAAAAAAAAAAAAAAAA" +
	"AAAAAAAAAAAAAAAAAAiAEAAAAAAACIAQAAAAAAAAAQAAAAAAAAAgAAAAQAAACwAAAAAAAAALAAAAAAAAAAsAAAAAAAAABAAAAAAAAAAEAAAAAA" +
	"AAAACAAAAAAAAAAFAAAAAAAAAGgBAAAAAAAABgAAAAAAAADwAAAAAAAAAAoAAAAAAAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
	"AAAAAAAAAAAAAAAAAAAAAAAQAAABIAAQAAAAAAAAAAAAAAAAAAAAAACQAAABIAAQAAAAAAAAAAAAAAAAAAAAAAEwAAABIAAAAAAAAAAAAAAAAA" +
	"AAAAAAAAGQAAABIAAAAAAAAAAAAAAAAAAAAAAAAAAHJlYWRkaXIAcmVhZGRpcjY0AGRsc3ltAHN0cmNtcAA="

// preloading describes the files that a loader's list names.
func preloading(t *testing.T, text string) (map[fact.Path]fact.File, fact.Coverage) {
	t.Helper()
	h, err := fixture.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, c := lookAtHost(t, h, fact.Snapshot{}, file)
	out := map[fact.Path]fact.File{}
	for _, f := range s.File {
		if f.Path != preloadFile && slices.Contains(f.Pointed, "preload") {
			out[f.Path] = f
		}
	}
	return out, c
}

// TestPreloadNames: the loader's words lead to files; what leads to none is told.
func TestPreloadNames(t *testing.T) {
	fs, c := preloading(t, `-- /etc/ld.so.preload --
# /dev/shm/old.so taken out by ops
libhide.so:/$LIB/agent.so /srv/missing.so # /tmp/x.so
$ORIGIN/own.so libnowhere.so /dev/.x.so
-- /usr/lib/x86_64-linux-gnu/libhide.so --
x
-- /lib -> usr/lib --
-- /usr/lib/agent.so --
x
-- /dev/shm/old.so --
x
`)
	var got []string
	for p, f := range fs {
		got = append(got, fmt.Sprint(p, " ", f.Missing))
	}
	slices.Sort(got)
	want := []string{"/lib/agent.so false", "/srv/missing.so true", "/usr/lib/x86_64-linux-gnu/libhide.so false"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	var told []string
	for _, g := range c.Gaps {
		told = append(told, g.Code+" "+g.Detail)
	}
	if d := cmp.Diff([]string{"not-resolved $ORIGIN/own.so", "not-resolved libnowhere.so", "not-resolved /dev/.x.so"}, told); d != "" {
		t.Error(d)
	}
}

// TestPreloadReplaces: a library's tables may lie anywhere in it, and one whose
// tables cannot be read is not said to replace nothing.
func TestPreloadReplaces(t *testing.T) {
	b, err := base64.StdEncoding.DecodeString(hiding)
	if err != nil {
		t.Fatal(err)
	}
	const gap, fileOffset = 3 << 20, 64 + 8 // of the first program header, which loads it all
	large := append(slices.Clone(b[:256]), make([]byte, gap-256)...)
	large = append(large, b...)
	binary.LittleEndian.PutUint64(large[fileOffset:], gap)
	for name, c := range map[string]struct {
		library        []byte
		replaces, gaps []string
	}{
		"small":   {b, []string{"readdir", "readdir64"}, nil},
		"large":   {large, []string{"readdir", "readdir64"}, nil},
		"cut off": {large[:gap], nil, []string{"symbols"}},
		"no ELF":  {[]byte("\x7fELF, it says"), nil, []string{"symbols"}},
	} {
		fs, cov := preloading(t, "-- /etc/ld.so.preload --\n/usr/local/lib/x.so\n-- /usr/local/lib/x.so enc=base64 --\n"+
			base64.StdEncoding.EncodeToString(c.library)+"\n")
		f := fs["/usr/local/lib/x.so"]
		var replaces []string
		if f.ELF != nil {
			replaces = f.ELF.Replaces
		}
		if !slices.Equal(replaces, c.replaces) || !slices.Equal(f.Gaps, c.gaps) || (len(cov.Gaps) > 0) != (len(c.gaps) > 0) {
			t.Errorf("%s: replaces %v, gaps %v, coverage %v", name, replaces, f.Gaps, cov.Gaps)
		}
	}
}
