package i18n

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Both languages have the same messages with the same placeholders, and only
// formats that exist.
func TestParity(t *testing.T) {
	en, zh := Load(English), Load(Chinese)
	if diff := cmp.Diff(en.Under(""), zh.Under("")); diff != "" {
		t.Fatalf("ids (-en +zh-CN):\n%s", diff)
	}
	for _, id := range en.Under("") {
		if diff := cmp.Diff(Placeholders(en.text[id]), Placeholders(zh.text[id])); diff != "" {
			t.Errorf("%s: placeholders (-en +zh-CN):\n%s", id, diff)
		}
		for _, c := range []*Catalogue{en, zh} {
			for _, p := range parse(c.text[id]) {
				if p.format != "" && !strings.Contains(p.format, "|") && !slices.Contains(Formats, p.format) {
					t.Errorf("%s %s: unknown format %q", c.lang, id, p.format)
				}
			}
		}
	}
}

// A command that a message tells to type has all that it needs, in both languages.
// Help only names commands.
func TestCommandsWhole(t *testing.T) {
	named := regexp.MustCompile(`demine lease (open|extend|close|adopt|approve|show)\b`)
	whole := regexp.MustCompile(`demine lease (open --help|extend \{id\} 1h|(close|approve|show) \{(id|lease)\}|adopt \{id\}( --from …)? --for 8h --who … --why …)`)
	for _, lang := range []string{English, Chinese} {
		for id, text := range Load(lang).text {
			if strings.HasPrefix(id, "help.") {
				continue
			}
			if n := len(named.FindAllString(text, -1)); n != len(whole.FindAllString(text, -1)) {
				t.Errorf("%s %s: %s", lang, id, text)
			}
		}
	}
}

// English is ASCII but for the signs that have a plain form: a console without
// UTF-8 shows all of it.
func TestEnglishFolds(t *testing.T) {
	c := Load(English)
	for id, text := range c.text {
		if s := ASCII(text); strings.Contains(s, `\u{`) {
			t.Errorf("%s: %s", id, s)
		}
	}
}

// A Chinese length of time ends in a word, and no blank stands between two.
func TestChineseLengths(t *testing.T) {
	blank := regexp.MustCompile(`:duration\} \p{Han}`)
	for id, text := range Load(Chinese).text {
		if blank.MatchString(text) {
			t.Errorf("%s: %s", id, text)
		}
	}
}

// Nobody is ever told that a host is clean or safe.
func TestNeverSaysSafe(t *testing.T) {
	for _, id := range Load(English).Under("") {
		s := " " + strings.ToLower(Load(English).text[id]) + " "
		s = strings.ReplaceAll(s, "demine clean", "") // the command, not the host
		for _, w := range []string{" clean ", " clean.", " safe ", " safe.", " secure "} {
			if strings.Contains(s, w) {
				t.Errorf("%s says %q: %s", id, w, s)
			}
		}
		zh := strings.ReplaceAll(Load(Chinese).text[id], "不等于安全", "")
		for _, w := range []string{"干净", "很安全", "是安全", "没有问题"} {
			if strings.Contains(zh, w) {
				t.Errorf("%s says %q: %s", id, w, zh)
			}
		}
	}
}

type named string

func (n named) String() string { return "named:" + string(n) }

func TestText(t *testing.T) {
	now := time.Date(2026, 11, 21, 19, 37, 27, 0, time.FixedZone("CST", 8*3600))
	since := time.Date(2026, 11, 21, 11, 0, 2, 0, time.UTC)
	tests := []struct {
		name, text, en, zh string
		args               map[string]any
	}{
		{"int", "{n:int}", "3", "3", map[string]any{"n": 3.2}},
		{"json number", "{n:int}", "13343", "13343", map[string]any{"n": float64(13343)}},
		{"percent", "{n:percent}", "71 %", "71%", map[string]any{"n": 71.4}},
		{"cpu", "{n:cpu}", "1.9", "1.9", map[string]any{"n": 190}},
		{"time", "{t:time}", "19:00:02", "19:00:02", map[string]any{"t": since}},
		{"time of json", "{t:time}", "19:00:02", "19:00:02", map[string]any{"t": "2026-11-21T11:00:02Z"}},
		{"another day", "{t:time}", "2026-11-20 19:00:02", "2026-11-20 19:00:02", map[string]any{"t": since.AddDate(0, 0, -1)}},
		{"no time", "{t:time}", "?", "?", map[string]any{"t": time.Time{}}},
		{"duration", "{d:duration}", "37 min", "37 分钟", map[string]any{"d": 37*time.Minute + 25*time.Second}},
		{"seconds", "{d:duration}", "25 s", "25 秒", map[string]any{"d": 25}},
		{"hours", "{d:duration}", "5 h 12 min", "5 小时 12 分钟", map[string]any{"d": 5*3600 + 12*60}},
		{"whole hours", "{d:duration}", "24 h", "24 小时", map[string]any{"d": 24*time.Hour + 59*time.Second}},
		{"days", "{d:duration}", "3 days", "3 天", map[string]any{"d": 3 * 86400.0}},
		{"bytes", "{b:bytes}", "1.5 GiB", "1.5 GiB", map[string]any{"b": int64(3 << 29)}},
		{"short duration", "{d:duration}", "1.2 s", "1.2 秒", map[string]any{"d": 1.21}},
		{"path with blanks", "{x:path}", `"/tmp/a b"`, "“/tmp/a b”", map[string]any{"x": "/tmp/a b"}},
		{"quote", "{s:quote}", `"a b"`, "“a b”", map[string]any{"s": "a b"}},
		{"list", "{l:list}", "a, b", "a、b", map[string]any{"l": []string{"a", "b"}}},
		{"long list", "{l:list}", "1, 2, 3, 4, 5 and 2 more", "1、2、3、4、5 等 7 项", map[string]any{"l": []any{1, 2, 3, 4, 5, 6, 7.0}}},
		{"no list", "{l:list}", "none", "无", map[string]any{"l": []string{}}},
		{"word", "{w:word}", "everyone", "所有人", map[string]any{"w": "anywhere"}},
		{"unknown word", "{w:word}", `x\x1b`, `x\x1b`, map[string]any{"w": "x\x1b"}},
		{"one", "{n:a|b}", "a", "a", map[string]any{"n": 1}},
		{"many", "{n:a|b}", "b", "b", map[string]any{"n": 2}},
		{"missing", "{x} {y:time}", "? ?", "? ?", nil},
		{"wrong kind", "{x:time} {x:int}", "soon soon", "soon soon", map[string]any{"x": "soon"}},
		{"stringer", "{x:path}", "named:x", "named:x", map[string]any{"x": named("x")}},
		{"hostile", "{x}", `a\x1b[31m\x0a\u{202e}\xff`, `a\x1b[31m\x0a\u{202e}\xff`, map[string]any{"x": "a\x1b[31m\n\u202e\xff"}},
		{"message", "{m}", "no password", "无密码", map[string]any{"m": M("auth.none")}},
		{"message of json", "{m}", "ACL", "ACL", map[string]any{"m": map[string]any{"id": "auth.acl"}}},
		{"not a placeholder", "{A} {} {a b}", "{A} {} {a b}", "{A} {} {a b}", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for lang, want := range map[string]string{English: tt.en, Chinese: tt.zh} {
				c := Load(lang).At(now)
				c.Add("test", tt.text)
				if got := c.Text(Message{ID: "test", Args: tt.args}); got != want {
					t.Errorf("%s: got %q, want %q", lang, got, want)
				}
			}
		})
	}
}

func TestUntold(t *testing.T) {
	c := Load(English)
	got := c.Text(M("no\x1b.such", "b", "x\ny", "a", 1))
	if want := `no\x1b.such (a=1, b=x\x0ay)`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDeepMessage(t *testing.T) {
	c := Load(English)
	c.Add("deep", "{m}")
	m := M("deep")
	m.Args = map[string]any{"m": m}
	for range 100 {
		m = M("deep", "m", m)
	}
	if got := c.Text(m); got != "…" {
		t.Errorf("got %q", got)
	}
}

// What went through JSON reads the same.
func TestMessageJSON(t *testing.T) {
	c := Load(English)
	c.Add("test", "{d:duration} {s}")
	m := M("test", "d", 37*time.Minute, "s", "x\xffy")
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var back Message
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.Text(m), c.Text(back)); diff != "" {
		t.Errorf("text changed (-before +after):\n%s", diff)
	}
}

func FuzzText(f *testing.F) {
	f.Add("{a} {b:time}", "x", "2026")
	f.Add("{a:list}{a:quote}{a:x|y}", "\x1b[2J", "\u202e")
	f.Fuzz(func(t *testing.T, text, a, b string) {
		c := Load(Chinese)
		c.Add("t", "{a:quote} {b} {a:word} {b:list} {a:path}")
		check(t, c.Text(M("t", "a", a, "b", []any{b, map[string]any{"id": a}})))
		check(t, c.Text(M(text, "a", a, b, b)))
		c.Add("u", text)
		c.Text(M("u", "a", a, "b", b)) // catalogue texts are ours; it must only not panic
	})
}
