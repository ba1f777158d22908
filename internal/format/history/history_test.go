package history

import (
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	at := func(n int64) time.Time { return time.Unix(n, 0) }
	for name, c := range map[string]struct {
		in   string
		want []Entry
	}{
		"bash":        {"#1700000000\niptables -I INPUT -j ACCEPT\nls\n", []Entry{{2, at(1700000000), "iptables -I INPUT -j ACCEPT"}, {3, time.Time{}, "ls"}}},
		"bash note":   {"# a note\nls\n", []Entry{{1, time.Time{}, "# a note"}, {2, time.Time{}, "ls"}}},
		"zsh":         {": 1700000000:3;curl x | sh\n", []Entry{{1, at(1700000000), "curl x | sh"}}},
		"fish":        {"- cmd: ls -l\n  when: 1700000000\n", []Entry{{1, at(1700000000), "ls -l"}}},
		"no newline":  {"ls", []Entry{{1, time.Time{}, "ls"}}},
		"odd bytes":   {"l\xffs\r\n", []Entry{{1, time.Time{}, `l\xffs`}}},
		"wild number": {"#99999999999999\nls\n", []Entry{{1, time.Time{}, "#99999999999999"}, {2, time.Time{}, "ls"}}},
		"empty":       {"\n\n", nil},
	} {
		if d := cmp.Diff(c.want, Parse([]byte(c.in))); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// Lines grow, texts are valid UTF-8 and capped, times are of this century.
func FuzzParse(f *testing.F) {
	f.Add([]byte("#1700000000\nls\n: 1700000000:0;x\n- cmd: y\n  when: 1700000000\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		last := 0
		for _, e := range Parse(b) {
			if e.Line <= last || e.Text == "" || !utf8.ValidString(e.Text) || len(e.Text) > 4*maxText {
				t.Fatalf("%+v after line %d", e, last)
			}
			if !e.Time.IsZero() && (e.Time.Year() < 1999 || e.Time.Year() > 2101) {
				t.Fatalf("time %v", e.Time)
			}
			last = e.Line
		}
	})
}
