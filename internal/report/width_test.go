package report

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestColumns(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "确认挖矿": 8, "，。": 4, "e\u0301": 1, "●·…": 3, "한국": 4, "🚀": 2, "ｱ": 1} {
		if got := columns(s); got != want {
			t.Errorf("%q: got %d, want %d", s, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"short", 10, "short"}, {"abcdefgh", 5, "abcd…"}, {"确认挖矿中", 6, "确认…"}, {"确认挖矿中", 7, "确认挖…"}, {"ab cdef", 4, "ab…"},
	} {
		if got := fit(tt.in, tt.n, "…"); got != tt.want {
			t.Errorf("%q in %d: got %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	tests := []struct {
		name, in string
		n        int
		want     []string
	}{
		{"words", "one two three", 8, []string{"one two", "three"}},
		{"percent stays", "waits 71 % of it", 9, []string{"waits", "71 % of", "it"}},
		{"long word", "abcdefghij k", 4, []string{"abcd", "efgh", "ij k"}},
		{"chinese", "确认挖矿，没有改动", 10, []string{"确认挖矿，", "没有改动"}},
		{"no full stop first", "确认挖矿。好", 8, []string{"确认挖", "矿。好"}},
		{"mixed", "由 /var/tmp/x 启动", 12, []string{"由", "/var/tmp/x", "启动"}},
		{"empty", "", 8, []string{""}},
		{"keeps double blanks", "a  b", 8, []string{"a  b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, wrap(tt.in, tt.n)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzWrap(f *testing.F) {
	f.Add("one two 确认挖矿，没有改动 abcdefghijklmnop", 10)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 4 || n > 200 || !utf8.ValidString(s) || strings.ContainsRune(s, '\n') {
			return
		}
		var kept strings.Builder
		for _, l := range wrap(s, n) {
			if columns(l) > n {
				t.Errorf("%q is wider than %d", l, n)
			}
			kept.WriteString(l)
		}
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
		if squeeze(s) != squeeze(kept.String()) {
			t.Errorf("%q lost something: %q", s, kept.String())
		}
	})
}
