package history

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func at(sec int64) time.Time { return time.Unix(sec, 0).UTC() }

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []Entry
	}{
		{"bash without times", "ls -l\n\ncurl http://h/x | sh\r\n", []Entry{{1, time.Time{}, "ls -l"}, {3, time.Time{}, "curl http://h/x | sh"}}},
		{"bash", "old\n#1795363119\nls\n#1795363120\nfor x in 1\ndo y\n# a comment\n#12x\n", []Entry{
			{1, time.Time{}, "old"}, {3, at(1795363119), "ls"}, {5, at(1795363120), "for x in 1"}, {6, time.Time{}, "do y"},
			{7, time.Time{}, "# a comment"}, {8, time.Time{}, "#12x"},
		}},
		{"zsh", ": 1795363119:0;ls\n: 1795363120:12;for x\\\ndo y\\\ndone\n: x;y\n: 1:2\nplain\n", []Entry{
			{1, at(1795363119), "ls"}, {2, at(1795363120), "for x\ndo y\ndone"}, {5, time.Time{}, ": x;y"},
			{6, time.Time{}, ": 1:2"}, {7, time.Time{}, "plain"},
		}},
		{"zsh metafied", ": 1795363119:0;echo \xe4\xbd\x83\x80\n", []Entry{{1, at(1795363119), "echo 你"}}},
		{"fish", "- cmd: curl x \\\\ y\\nz\n  when: 1795363119\n  paths:\n    - a\n- cmd: ls\n  when: bad\n", []Entry{
			{1, at(1795363119), "curl x \\ y\nz"}, {5, time.Time{}, "ls"},
		}},
		{"binary", "\x00\xff\n", []Entry{{1, time.Time{}, "\x00\\xff"}}},
		{"bash note", "# a note\nls", []Entry{{1, time.Time{}, "# a note"}, {2, time.Time{}, "ls"}}},
		{"wild number", "#99999999999999\n#22\nls\n", []Entry{
			{1, time.Time{}, "#99999999999999"}, {2, time.Time{}, "#22"}, {3, time.Time{}, "ls"},
		}},
		{"empty", "\n\n", nil},
	} {
		got := Parse([]byte(c.in))
		if c.want == nil {
			got = append([]Entry(nil), got...)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func TestBig(t *testing.T) {
	start := time.Now()
	got := Parse([]byte(strings.Repeat("a\n", 1e6)))
	if len(got) != maxEntries || got[len(got)-1].Line != 1e6 {
		t.Errorf("%d entries", len(got))
	}
	got = Parse([]byte(": 1795363119:0;" + strings.Repeat("abc\\\n", 1<<19)))
	if len(got) != 1 || len(got[0].Text) > maxText {
		t.Errorf("continued: %d entries", len(got))
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v", took)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("#1795363119\nls\n: 1795363120:12;for x\\\ndo y\n- cmd: a\n  when: 3\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		last, lines := 0, bytes.Count(b, []byte{'\n'})+1
		for _, e := range Parse(b) {
			if e.Line <= last || e.Line > lines || e.Text == "" || !utf8.ValidString(e.Text) || len(e.Text) > 4*maxText {
				t.Fatalf("%+v after line %d of %d", e, last, lines)
			}
			last = e.Line
			if !e.Time.IsZero() && (e.Time.Year() < 2000 || e.Time.Year() > 2100) {
				t.Fatalf("%+v", e)
			}
		}
	})
}
