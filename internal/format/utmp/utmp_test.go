package utmp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var at = time.Date(2026, 11, 22, 18, 59, 1, 250_000_000, time.UTC)

var samples = []Record{
	{Type: BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.18.44", Time: at},
	{Type: UserProcess, PID: 4711, Line: "pts/0", ID: "ts/0", User: "root", Host: "203.0.113.9", Time: at,
		Addr: netip.MustParseAddr("203.0.113.9")},
	{Type: UserProcess, PID: 4712, Line: "ssh:notty", User: "admin", Host: "2001:db8::1", Time: at,
		Addr: netip.MustParseAddr("2001:db8::1")},
	{Type: DeadProcess, PID: 4711, Line: "pts/0", Time: at},
	{},
}

// encode is the other direction, by utmp(5).
func encode(rs ...Record) []byte {
	var out []byte
	for _, r := range rs {
		b := make([]byte, Size)
		le := binary.LittleEndian
		le.PutUint16(b, uint16(r.Type))
		le.PutUint32(b[4:], uint32(r.PID))
		copy(b[8:40], r.Line)
		copy(b[40:44], r.ID)
		copy(b[44:76], r.User)
		copy(b[76:332], r.Host)
		if !r.Time.IsZero() {
			le.PutUint32(b[340:], uint32(r.Time.Unix()))
			le.PutUint32(b[344:], uint32(r.Time.Nanosecond()/1000))
		}
		if r.Addr.Is4() {
			a := r.Addr.As4()
			copy(b[348:], a[:])
		} else if r.Addr.IsValid() {
			a := r.Addr.As16()
			copy(b[348:], a[:])
		}
		out = append(out, b...)
	}
	return out
}

func TestParse(t *testing.T) {
	got := Parse(append(encode(samples...), 1, 2, 3))
	if d := cmp.Diff(samples, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Error(d)
	}
	full := encode(Record{User: strings.Repeat("u", 40)})
	if u := Parse(full)[0].User; u != strings.Repeat("u", 32) {
		t.Errorf("a field without NUL: %q", u)
	}
	if len(Parse(nil)) != 0 || len(Parse(full[:Size-1])) != 0 {
		t.Error("a cut-off record was read")
	}
}

// TestLayouts reads the same records as arm64 writes them, in the one count at
// which both lengths divide the file.
func TestLayouts(t *testing.T) {
	var want []Record
	for len(want) < 24 {
		want = append(want, samples[1])
	}
	var file []byte
	for _, r := range want {
		b := encode(r)
		wide := make([]byte, Size64)
		copy(wide, b[:336])
		copy(wide[344:], b[340:344])
		copy(wide[352:], b[344:348])
		copy(wide[360:], b[348:364])
		file = append(file, wide...)
	}
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if d := cmp.Diff(want, Parse(file), same); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want[:3], Parse(file[:3*Size64]), same); d != "" {
		t.Error(d)
	}
	want = append(want, samples[1])
	if d := cmp.Diff(want, Parse(encode(want...)), same); d != "" {
		t.Error(d)
	}
}

// TestLast compares with last(1), which reads the same file.
func TestLast(t *testing.T) {
	last, err := exec.LookPath("last")
	if err != nil {
		t.Fatal("no last(1) here: util-linux has it")
	}
	file := filepath.Join(t.TempDir(), "wtmp")
	if err := os.WriteFile(file, encode(samples...), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(last, "-F", "-w", "-i", "-f", file)
	cmd.Env = []string{"TZ=UTC", "LC_ALL=C"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Parse(encode(samples...)) {
		if r.Type == UserProcess && !lineWith(out, r.User, r.Line, r.Addr.String(), r.Time.Format("Jan _2 15:04:05 2006")) {
			t.Errorf("last(1) has no line for %+v:\n%s", r, out)
		}
	}
}

func lineWith(out []byte, words ...string) bool {
next:
	for line := range bytes.Lines(out) {
		for _, w := range words {
			if !bytes.Contains(line, []byte(w)) {
				continue next
			}
		}
		return true
	}
	return false
}

func FuzzParse(f *testing.F) {
	f.Add(encode(samples...))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rs := Parse(b)
		if len(rs) != len(b)/Size && len(rs) != len(b)/Size64 {
			t.Fatalf("%d records of %d bytes", len(rs), len(b))
		}
		for _, r := range rs {
			if !utf8.ValidString(r.User+r.Host+r.Line+r.ID) || strings.Contains(r.User, "\x00") {
				t.Fatalf("bad text in %+v", r)
			}
		}
	})
}
