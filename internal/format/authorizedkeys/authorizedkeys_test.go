package authorizedkeys

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// keys were made by ssh-keygen of OpenSSH 9.2; keys.fingerprints is what its -l
// says of them.
func keys(t testing.TB) (lines, prints []string) {
	t.Helper()
	read := func(name string) []string {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	}
	return read("keys"), read("keys.fingerprints")
}

func TestFingerprints(t *testing.T) {
	lines, prints := keys(t)
	got := Parse([]byte(strings.Join(lines, "\n")))
	if len(got) != len(prints) {
		t.Fatalf("%d keys, want %d", len(got), len(prints))
	}
	for i, e := range got {
		want := strings.Fields(prints[i])
		comment := strings.Join(want[2:len(want)-1], " ")
		if e.Fingerprint != want[1] || e.Comment != comment || e.Line != i+1 || !strings.HasPrefix(lines[i], e.Type+" ") {
			t.Errorf("%+v, want %v", e, want)
		}
	}
}

func TestParse(t *testing.T) {
	lines, _ := keys(t)
	k := lines[0]
	want := Parse([]byte(k))[0]
	kind, rest, _ := strings.Cut(k, " ")
	blob, _, _ := strings.Cut(rest, " ")
	with := func(line int, options ...string) Entry {
		e := want
		e.Line, e.Options = line, options
		return e
	}
	for _, c := range []struct {
		name, in string
		want     []Entry
	}{
		{"CRLF", "# c\r\n\r\n" + k + "\r\n", []Entry{with(3)}},
		{"blanks", " \t" + strings.Replace(k, " ", " \t ", 1) + "  \n", []Entry{with(1)}},
		{"no comment", kind + " " + blob, []Entry{{Line: 1, Type: want.Type, Fingerprint: want.Fingerprint}}},
		{"options", `no-pty,command="echo \"a, b\" c",from="10.0.0.0/8,::1" ` + k, []Entry{
			with(1, "no-pty", `command="echo \"a, b\" c"`, `from="10.0.0.0/8,::1"`),
		}},
		{"redis", "REDIS0010\xfa\x09redis-ver\x067.0.15\xfa\nredis-bits\xc0@\xfe\x00\xfb\x01\x00\x00\x01xAj\n\n" + k + "\n\n\xff\x00", []Entry{with(4)}},
		{"long", strings.Repeat("x", 1<<20) + "\n" + k, []Entry{with(2)}},
		{"long options", strings.Repeat("x,", 1<<19) + " " + k, nil},
		{"behind a NUL", "\x00" + k, nil},
		{"comment", "# " + k, nil},
		{"wrong type", "ssh-rsa " + blob, nil},
		{"no blob", kind + "\n" + kind + " \n", nil},
		{"blob cut between", kind + " " + blob[:28], nil},
		{"cut blob", kind + " " + blob[:20], nil},
		{"bad base64", kind + " " + blob[:20] + "*" + blob[20:], nil},
		{"open quote", `command="x ` + k, nil},
		{"private key", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE=\n", nil},
		{"ssh1", "1024 35 1234567 a@b", nil},
	} {
		if d := cmp.Diff(c.want, Parse([]byte(c.in))); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
	start := time.Now()
	if n := len(Parse([]byte(strings.Repeat(k+"\n", 100_000)))); n != maxKeys || time.Since(start) > time.Minute {
		t.Errorf("%d keys in %v", n, time.Since(start))
	}
}

func FuzzParse(f *testing.F) {
	lines, _ := keys(f)
	for _, l := range lines {
		f.Add([]byte(l))
		f.Add([]byte(`command="a b",no-pty ` + l + "\r\n\x00\xff\n" + l))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := Parse(b)
		last := 0
		for _, e := range got {
			if e.Line <= last || len(e.Fingerprint) != 50 || e.Type == "" {
				t.Fatalf("%+v after line %d", e, last)
			}
			last = e.Line
		}
		// A key below is found whatever stands above it.
		more := Parse(append(append(bytes.Clone(b), '\n'), lines[0]...))
		if len(more) != len(got)+1 || more[len(got)].Comment != "me@ecdsa host" && more[len(got)].Comment != "me@ed25519 host" {
			t.Fatalf("%+v", more)
		}
	})
}
