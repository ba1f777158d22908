package lease

import (
	"bytes"
	"fmt"
	"io"
	"slices"
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

// Every event is told, in its order, and as proved only what the chain proves: of
// a line and the one before, which do not fit, either may be the forged one.
func TestVerify(t *testing.T) {
	whole := chain(t, 5)
	lines := strings.SplitAfter(whole, "\n")
	changed := strings.Replace(whole, `"why":"xx"`, `"why":"yy"`, 1) // line 3
	long := strings.Repeat("x", 2*MaxEvent) + "\n"
	for name, tt := range map[string]struct {
		trail string
		told  string // numbers as the events have them; ? behind one that is not proved
		want  Trail
	}{
		"nothing":         {"", "", Trail{}},
		"whole":           {whole, "1 2 3 4 5", Trail{Lines: 5}},
		"cut last line":   {whole[:len(whole)-5], "1 2 3 4", Trail{Lines: 4, Torn: len(lines[4]) - 5}},
		"changed":         {changed, "1 2 3? 4? 5?", Trail{Lines: 2, Broken: 4}},
		"changed and cut": {changed[:len(changed)-5], "1 2 3? 4?", Trail{Lines: 2, Broken: 4, Torn: len(lines[4]) - 5}},
		"the first":       {strings.Replace(whole, `"n":1,`, `"n":1, `, 1), "1? 2? 3? 4? 5?", Trail{Broken: 2}},
		"the last":        {strings.Replace(whole, `"n":5,`, `"n":6,`, 1), "1 2 3 4 6?", Trail{Lines: 4, Broken: 5}},
		"taken out":       {lines[0] + lines[1] + lines[3] + lines[4], "1 2? 4? 5?", Trail{Lines: 1, Broken: 3}},
		"put in":          {lines[0] + lines[1] + lines[0] + lines[2], "1 2? 1? 3?", Trail{Lines: 1, Broken: 3}},
		"twice":           {lines[0] + lines[0], "1? 1?", Trail{Broken: 2}},
		"turned round":    {lines[1] + lines[0], "2? 1?", Trail{Broken: 1}},
		"a tail alone":    {lines[2] + lines[3], "3? 4?", Trail{Broken: 1}},
		"no JSON":         {lines[0] + lines[1] + "\x00\x00\n" + lines[2], "1 2? 3?", Trail{Lines: 1, Broken: 3, Unread: 1}},
		"no event":        {lines[0] + "{}\nnull\n\n" + lines[1], "1? 2?", Trail{Broken: 2, Unread: 3}},
		"one is too long": {lines[0] + lines[1] + long + lines[2], "1 2? 3?", Trail{Lines: 1, Broken: 3, Unread: 1}},
		"endless":         {lines[0] + lines[1] + long[:len(long)-1], "1 2?", Trail{Lines: 1, Broken: 3, Unread: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var told []string
			got, err := Verify(strings.NewReader(tt.trail), func(e Event) {
				if !slices.ContainsFunc(strings.Split(tt.trail, "\n"), func(line string) bool { return Sum([]byte(line)) == e.Sum }) {
					t.Errorf("line %d: sum %q", e.N, e.Sum)
				}
				n := fmt.Sprint(e.N)
				if e.Unproved {
					n += "?"
				}
				told = append(told, n)
			})
			if err != nil {
				t.Fatal(err)
			}
			full := strings.Split(strings.ReplaceAll(tt.trail, strings.TrimSuffix(long, "\n"), ""), "\n") // of one too long nothing is read
			full = full[:len(full)-1]
			if tt.want.Lines > 0 {
				tt.want.Head = Sum([]byte(full[tt.want.Lines-1]))
			}
			if name == "endless" {
				full = append(full, "")
			}
			if len(full) > 0 {
				tt.want.Last = Sum([]byte(full[len(full)-1]))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || strings.Join(told, " ") != tt.told {
				t.Errorf("told %q, want %q\n%s", told, tt.told, diff)
			}
		})
	}
}

// Behind a break a trail may go on for as long as a file can be; not all of that is
// read, whether it is lines or not.
func TestVerifyEndless(t *testing.T) {
	whole := chain(t, 3)
	for name, rest := range map[string]string{"zeros": "\x00", "lines": "{}\n", "events": `{"n":9}` + "\n"} {
		t.Run(name, func(t *testing.T) {
			r := &endless{rest: []byte(strings.Repeat(rest, 1000))}
			told := 0
			got, err := Verify(io.MultiReader(strings.NewReader(whole), r), func(Event) { told++ })
			if err != nil || !got.Rest || got.Lines != 2 || got.Broken != 4 || told < 3 || r.read > behindBreak+2*MaxEvent {
				t.Errorf("%d told, %d bytes read, %+v, %v", told, r.read, got, err)
			}
		})
	}
	all := whole + strings.Repeat("\x00", behindBreak-MaxEvent) + "\n"
	if got, err := Verify(strings.NewReader(all), func(Event) {}); err != nil || got.Rest || got.Broken != 4 {
		t.Errorf("with an end: %+v, %v", got, err)
	}
}

type endless struct {
	rest []byte
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.rest[(e.read+n)%len(e.rest):])
	}
	e.read += n
	return n, nil
}

// Whatever a trail holds, what is told as proved is a chain from its first line on,
// and nothing is behind what is not.
func FuzzVerify(f *testing.F) {
	whole := chain(f, 3)
	f.Add([]byte(whole))
	f.Add([]byte(strings.Replace(whole, "opened", "closed", 1)))
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"n":1,"prev":""}` + "\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		proved, told := 0, 0
		got, err := Verify(bytes.NewReader(b), func(e Event) {
			if told++; !e.Unproved {
				if proved++; proved != told || e.N != proved {
					t.Errorf("event %d is told as number %d, and %d were proved", e.N, told, proved)
				}
			}
		})
		lines := bytes.Count(b, []byte{'\n'})
		if len(b)-bytes.LastIndexByte(b, '\n')-1 >= MaxEvent { // too long to be one that was cut off
			lines++
		}
		near := got.Broken == got.Lines+1 || got.Broken == got.Lines+2
		if err != nil || proved != got.Lines || told+got.Unread != lines || (got.Broken == 0) != (proved == lines) || got.Broken != 0 && !near {
			t.Errorf("%d told, %d proved, %+v, %v", told, proved, got, err)
		}
	})
}
