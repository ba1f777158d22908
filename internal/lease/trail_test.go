package lease

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// chain makes a trail of n events.
func chain(t testing.TB, n int) string {
	t.Helper()
	var b strings.Builder
	prev := ""
	for i := range n {
		line, sum, err := Event{N: i + 1, Kind: DidOpen, ID: "L-7Q2KD", Why: strings.Repeat("x", i), Prev: prev}.Line()
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
		prev = sum
	}
	return b.String()
}

// The largest lease that can be asked for fits in a line, whatever its texts are.
func TestLargestEvent(t *testing.T) {
	for _, char := range []string{"<", "订", "\x01", "\xff", "😀"} {
		text := strings.Repeat(char, MaxText)
		a := Ask{Proto: "tcp", Port: 65535, For: MaxLong, Long: true, Who: text, Why: text}
		for i := range maxSources {
			a.From = append(a.From, netip.PrefixFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8:1111:2222:3333:4444:5555:ff%02x", i)), 128))
		}
		a, err := Check(a)
		if err != nil {
			t.Fatal(err)
		}
		l := Begin("L-7Q2KD", a, Clock{})
		for range maxPasses {
			l.Passes = append(l.Passes, strings.Repeat("-m tcp ", 50))
		}
		if line, _, err := (Event{Kind: DidOpen, Lease: &l}).Line(); err != nil || len(line) > MaxEvent/2 {
			t.Errorf("%q: %d bytes, %v", char, len(line), err)
		}
	}
}

func TestVerify(t *testing.T) {
	whole := chain(t, 4)
	lines := strings.SplitAfter(whole, "\n")
	for name, tt := range map[string]struct {
		trail               string
		lines, broken, torn int
	}{
		"nothing":       {"", 0, 0, 0},
		"whole":         {whole, 4, 0, 0},
		"cut last line": {whole[:len(whole)-5], 3, 0, len(lines[3]) - 5},
		"changed":       {strings.Replace(whole, `"why":"x"`, `"why":"y"`, 1), 2, 3, 0},
		"taken out":     {lines[0] + lines[2] + lines[3], 1, 2, 0},
		"twice":         {lines[0] + lines[0], 1, 2, 0},
		"turned round":  {lines[1] + lines[0], 0, 1, 0},
		"no JSON":       {lines[0] + "\x00\x00\n" + lines[1], 1, 2, 0},
		"endless":       {lines[0] + strings.Repeat("x", 2*MaxEvent), 1, 2, 0},
		"a tail alone":  {lines[2] + lines[3], 0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			got, err := Verify(strings.NewReader(tt.trail), func(e Event) {
				if n++; e.N != n {
					t.Errorf("event %d told as number %d", e.N, n)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			want := Trail{Lines: tt.lines, Broken: tt.broken, Torn: tt.torn}
			if told := strings.Split(tt.trail, "\n"); tt.lines > 0 { // a changed line is only found by the next one
				want.Head = Sum([]byte(told[tt.lines-1]))
			}
			if diff := cmp.Diff(want, got); diff != "" || n != tt.lines {
				t.Errorf("%d told\n%s", n, diff)
			}
		})
	}
}

// Whatever a trail holds, what is told of it is a chain from its first line on.
func FuzzVerify(f *testing.F) {
	f.Add([]byte(chain(f, 3)))
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"n":1,"prev":""}` + "\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		told := 0
		got, err := Verify(bytes.NewReader(b), func(Event) { told++ })
		if err != nil || told != got.Lines || got.Broken != 0 && got.Broken != got.Lines+1 {
			t.Errorf("%d told, %+v, %v", told, got, err)
		}
	})
}
