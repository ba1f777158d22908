package crontab

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// answers gives the lines of a file of testdata, which were had from the real
// daemons by giving them generated lines.
func answers(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for l := range strings.SplitSeq(strings.TrimSuffix(string(b), "\n"), "\n") {
		if !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}

func TestDebianAgrees(t *testing.T) {
	for _, a := range answers(t, "debian.txt") {
		status, l, _ := strings.Cut(a, " ")
		f := Parse([]byte(l+"\n"), Options{Dialect: Debian})
		if (f.Ignored == 0) != (status == "0") {
			t.Errorf("%q: crontab -n exits %s, ignored is %d (%v)", l, status, f.Ignored, f.Bad)
		}
	}
}

func TestBusyboxAgrees(t *testing.T) {
	for _, a := range answers(t, "busybox.txt") {
		text, arrays, _ := strings.Cut(a, " = ")
		words, want := strings.Fields(text), strings.Fields(arrays)
		var sat uint64
		for i, f := range busyboxFields {
			set, ok := busyboxField(words[i], f.size, f.off, f.names)
			if i == 3 && set&before != 0 {
				sat = 1 << 6
			}
			if i == 4 {
				set |= sat
			}
			got := "x"
			if ok {
				b := bytes.Repeat([]byte{'0'}, f.size)
				for j := range b {
					b[j] += byte(set >> j & 1)
				}
				got = string(b)
			}
			if got != want[i] {
				t.Errorf("%q, field %d: %s, crond says %s", text, i+1, got, want[i])
			}
		}
	}
}
