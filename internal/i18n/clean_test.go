package i18n

import (
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "/var/tmp/minerd", "/var/tmp/minerd"},
		{"chinese", "/data/备份.sh", "/data/备份.sh"},
		{"emoji", "x🚀", "x🚀"},
		{"accent", "cafe\u0301", "cafe\u0301"},
		{"escape", "\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"newline", "a\nb\r\tc", `a\x0ab\x0d\x09c`},
		{"nul and del", "a\x00b\x7f", `a\x00b\x7f`},
		{"c1", "a\u009b31m", `a\u{9b}31m`},
		{"bidi", "txt.\u202eexe", `txt.\u{202e}exe`},
		{"isolate", "\u2066x\u2069", `\u{2066}x\u{2069}`},
		{"zero width", "a\u200bb\ufeffc\u2060", `a\u{200b}b\u{feff}c\u{2060}`},
		{"replacement", "a\ufffdb", `a\u{fffd}b`},
		{"bad utf-8", "a\xff\xc3(", `a\xff\xc3(`},
		{"line separator", "a\u2028b", `a\u{2028}b`},
		{"no-break space", "a\u00a0b", `a\u{a0}b`},
		{"hangul filler", "a\u3164b", `a\u{3164}b`},
		{"braille blank", "a\u2800", `a\u{2800}`},
		{"tag", "a\U000e0041", `a\u{e0041}`},
		{"variation selector", "a\ufe0f", `a\u{fe0f}`},
		{"private use", "\ue0b0", `\u{e0b0}`},
		{"mark first", "\u0301a", `\u{301}a`},
		{"pile of marks", "a\u0301\u0302\u0303\u0304", "a\u0301\u0302\\u{303}\\u{304}"},
		{"mark after escape", "\x1b\u0301", `\x1b\u{301}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Clean(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// check fails when a text holds a character that could command a terminal,
// hide or reorder. The classes are written out here once more, so that a
// mistake in Hostile does not hide itself.
func check(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Fatalf("not UTF-8: %q", s)
	}
	for _, r := range s {
		bad := r < 0x20 || (r >= 0x7f && r <= 0x9f) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Bidi_Control, r) ||
			unicode.Is(unicode.Co, r) || r == 0xfffd || r == 0x2028 || r == 0x2029 || (r >= 0xfe00 && r <= 0xfe0f) ||
			(r >= 0xe0000 && r <= 0xe0fff) || r == 0x3164 || r == 0x115f || r == 0x1160 || r == 0xffa0 || r == 0x34f ||
			unicode.Is(unicode.Noncharacter_Code_Point, r)
		if bad {
			t.Fatalf("U+%04X in %q", r, s)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "a\x1b[2J", "\u202e\u2066", "\xff\xfe", "e\u0301\u0301\u0301", "\U000e0041", "备份"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := Clean(s)
		check(t, c)
		if again := Clean(c); again != c {
			t.Errorf("Clean twice: %q became %q", c, again)
		}
		for _, r := range ASCII(c) {
			if r < 0x20 || r > 0x7e {
				t.Errorf("ASCII left U+%04X of %q", r, s)
			}
		}
	})
}

func TestChoose(t *testing.T) {
	tests := []struct {
		name, flag string
		env        map[string]string
		want       string
		plain      bool
	}{
		{"nothing set", "", nil, "en", true},
		{"flag", "zh", map[string]string{"LANG": "en_US.UTF-8"}, "zh-CN", false},
		{"flag over all", "en", map[string]string{"DEMINE_LANG": "zh", "LC_ALL": "zh_CN.UTF-8"}, "en", false},
		{"own variable", "", map[string]string{"DEMINE_LANG": "zh_TW", "LC_ALL": "en_US.UTF-8"}, "zh-CN", false},
		{"own variable on a plain terminal", "", map[string]string{"DEMINE_LANG": "zh-CN"}, "zh-CN", true},
		{"LC_ALL", "", map[string]string{"LC_ALL": "zh_CN.utf8", "LANG": "en_US.UTF-8"}, "zh-CN", false},
		{"LC_MESSAGES", "", map[string]string{"LC_MESSAGES": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, "zh-CN", false},
		{"LANG", "", map[string]string{"LANG": "zh_CN.UTF-8"}, "zh-CN", false},
		{"other language", "", map[string]string{"LANG": "de_DE.UTF-8"}, "en", false},
		{"C", "", map[string]string{"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en", true},
		{"POSIX", "", map[string]string{"LANG": "POSIX"}, "en", true},
		{"C.UTF-8", "", map[string]string{"LANG": "C.UTF-8"}, "en", false},
		{"GBK", "", map[string]string{"LANG": "zh_CN.GBK"}, "en", true},
		{"ctype alone", "", map[string]string{"LC_CTYPE": "UTF-8"}, "en", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := func(k string) string { return tt.env[k] }
			if got := Choose(tt.flag, env); got != tt.want {
				t.Errorf("language: got %s, want %s", got, tt.want)
			}
			if got := Plain(env); got != tt.plain {
				t.Errorf("plain: got %t, want %t", got, tt.plain)
			}
		})
	}
}
