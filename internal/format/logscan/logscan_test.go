package logscan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func scan(t *testing.T, r io.Reader, anchors ...string) (out []string) {
	t.Helper()
	s, err := New(anchors, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Scan(r, func(l Line) error {
		out = append(out, fmt.Sprint(l.Number, " ", l.Offset, " ", string(l.Text), " ", len(l.Anchors)))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestScan(t *testing.T) {
	text := "one needle, another NEEDLE\r\nnothing\n\nthread and needle\nlast needle"
	want := []string{"1 0 one needle, another NEEDLE 1", "4 37 thread and needle 2", "5 55 last needle 1"}
	for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
		if d := cmp.Diff(want, scan(t, r, "needle", "thread")); d != "" {
			t.Error(d)
		}
	}
}

// Lines that are longer than any buffer are looked at in pieces, and lines
// after them keep their numbers.
func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", 3*bufferSize) + "needle" + strings.Repeat("y", bufferSize) + "\nneedle\n"
	s, err := New([]string{"needle"}, false)
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	n, err := s.Scan(strings.NewReader(long), func(l Line) error {
		numbers = append(numbers, l.Number)
		if len(l.Text) > MaxLine {
			t.Errorf("%d bytes", len(l.Text))
		}
		return nil
	})
	if d := cmp.Diff([]int{1, 2}, numbers); d != "" || err != nil || n != int64(len(long)) {
		t.Error(d, err, n)
	}
}

func TestStop(t *testing.T) {
	s, err := New([]string{"needle"}, false)
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, want := range []error{nil, io.ErrNoProgress} {
		stop := want
		if want == nil {
			stop = ErrStop
		}
		_, err := s.Scan(strings.NewReader("needle\nneedle\n"), func(Line) error { calls++; return stop })
		if !errors.Is(err, want) {
			t.Error(err)
		}
	}
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte("a needle\nb\nc needle\n"))
	f.Add([]byte("\n\n\r\nneedle"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := New([]string{"needle", "need"}, false)
		if err != nil {
			t.Fatal(err)
		}
		var got, want []int
		if _, err := s.Scan(bytes.NewReader(b), func(l Line) error { got = append(got, l.Number); return nil }); err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range bytes.Lines(b) {
			if n++; bytes.Contains(line, []byte("need")) {
				want = append(want, n)
			}
		}
		if len(b) < MaxLine && !cmp.Equal(got, want) {
			t.Errorf("%v, not %v", got, want)
		}
	})
}

// What stands before a line is its context, also behind a line that is longer than that may be: the time of the three lines
// stands in the first.
func TestBefore(t *testing.T) {
	long := "\t2 Query\tSELECT 0x" + strings.Repeat("90", maxBefore) + " INTO DUMPFILE 'x'"
	for text, want := range map[string]string{
		"needle\n":       "",
		"a\nb\nneedle\n": "a\nb\n",
		"261123  2:55:10\n" + long + "\nneedle\n":                 "261123  2:55:10\n" + long[:maxHead] + "\n",
		"261123  2:55:10\n\n" + long + "\n" + long + "\nneedle\n": "261123  2:55:10\n\n" + long[:maxHead] + "\n" + long[:maxHead] + "\n",
	} {
		s, err := New([]string{"needle"}, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Scan(strings.NewReader(text), func(l Line) error {
			if d := cmp.Diff(want, string(l.Before)); d != "" {
				t.Error(d)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}
