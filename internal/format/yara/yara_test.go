package yara

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

func parse(t testing.TB, text string) *Rules {
	t.Helper()
	r, err := Parse(Source{"t.yar", []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// one is a rule named x with these strings and this condition.
func one(strs, condition string) string {
	if strs != "" {
		strs = "strings: " + strs
	}
	return fmt.Sprintf("rule x { %s condition: %s }", strs, condition)
}

func TestConditions(t *testing.T) {
	const data = "\x7fELF\x01\x02\x03\x04 stratum+tcp://pool xmrig XMRig minerd minerd 0123456789"
	for _, c := range []struct {
		strs, when string
		want       bool
	}{
		{"", "true", true},
		{"", "false or not false", true},
		{"", "not true == false", true},
		{"", "1 + 2 * 3 == 7 and 7 \\ 2 == 3 and 7 % 4 == 3 and -1 < 0 and ~0 == -1", true},
		{"", "1 \\ 0 == 1 or not (1 \\ 0 == 1)", false},
		{"", "defined (1 \\ 0)", false},
		{"", fmt.Sprint("filesize == ", len(data)) + " and filesize < 1KB and filesize < 1MB", true},
		{"", "uint32(0) == 0x464c457f and uint32be(0) == 0x7f454c46 and uint16(1) == 0x4c45 and uint8(0) == 0x7f", true},
		{"", "uint32(filesize - 3) == 0", false},
		{"", "0x10 | 1 == 17 and 6 & 3 == 2 and 6 ^ 3 == 5 and 1 << 4 == 16 and 16 >> 2 == 4", true},
		{`$a = "minerd"`, "#a == 2 and @a[2] - @a[1] == 7 and !a[1] == 6", true},
		{`$a = "minerd"`, "@a[3] == 0 or not @a[3] == 0", false},
		{`$a = "MINERD" nocase`, "#a == 2", true},
		{`$a = "xmrig" nocase`, "#a == 2 and #a in (0..33) == 1", true},
		{`$a = "miner" fullword`, "$a", false},
		{`$a = "minerd" fullword`, "$a", true},
		{`$a = {7f 45 4c 46}`, "$a at 0 and $a in (0..10) and not $a at 1", true},
		{`$a = {45 ?c}`, "$a at 1 and #a == 1", true},
		{`$a = "EL"`, "$a at 1 and not $a at 0", true},
		{`$a = {7f 4? 4c 46 [2-6] 04 20}`, "$a and !a == 9", true},
		{`$a = {73 74 72 61 (74 75 | 00 00 00) 6d}`, "$a", true},
		{`$a = /stratum\+(tcp|ssl):\/\/[a-z]+/`, "!a == 18", true},
		{`$a = /STRATUM\+tcp/i`, "$a", true},
		{`$a = /rig xmrig$/`, "$a", false},
		{`$a = "xmrig" $b = "minerd" $c = "nowhere"`, "2 of them and not all of them and any of ($a, $c) and none of ($c*)", true},
		{`$a1 = "xmrig" $a2 = "minerd"`, "for all of ($a*) : ( # > 0 and @ > 4 )", true},
		{`$a = "minerd"`, "for any i in (1..#a) : ( @a[i] > 45 )", true},
		{`$a = "minerd"`, "for all i in (1, 2) : ( !a[i] == 6 )", true},
		{`$ = "minerd" $ = "nowhere"`, "1 of them", true},
		{`$a = "minerd" xor`, "#a == 2", true},
		{`$a = "minerd" wide`, "$a", false},
	} {
		if got, err := parse(t, one(c.strs, c.when)).Scan([]byte(data)); len(got) == 1 != c.want || err != nil {
			t.Errorf("%s condition: %s: %v, want %v (%v)", c.strs, c.when, got, c.want, err)
		}
	}
}

func TestRules(t *testing.T) {
	r := parse(t, `
		// a comment
		private rule elf { condition: uint32(0) == 0x464c457f }
		rule miner : cpu coin { /* another */
			meta: author = "me" demine_strength = "strong" year = -3 ok = true
			strings: $a = "stratum" $b = "xmrig"
			condition: elf and all of them }
		rule later { condition: miner and filesize < 100 }`)
	got, err := r.Scan([]byte("\x7fELF xmrig stratum"))
	if err != nil || len(got) != 2 || got[0].Rule != "miner" || got[0].Offset != 5 || got[0].Count != 2 || got[1].Rule != "later" {
		t.Fatal(got, err)
	}
	if d := gocmp.Diff([]string{"cpu", "coin"}, got[0].Tags); d != "" || got[0].Meta("demine_strength") != "strong" ||
		got[0].Meta("year") != "-3" || got[0].Meta("ok") != "true" || got[0].Meta("none") != "" {
		t.Error(d, got[0])
	}
	r = parse(t, "global private rule small { condition: filesize < 4 } rule any1 { condition: true }")
	for data, want := range map[string]int{"abc": 1, "abcd": 0} {
		if got, _ := r.Scan([]byte(data)); len(got) != want {
			t.Errorf("%q: %v", data, got)
		}
	}
}

// What is refused says where and what.
func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"import \"pe\"\nrule x { condition: true }":                 "t.yar:1: import",
		"include \"other.yar\"":                                     "t.yar:1: include",
		"rule x {\n condition: entrypoint == 0 }":                   "t.yar:2: entrypoint",
		"rule x {\n condition: pe.is_pe }":                          `t.yar:2: "pe"`,
		"rule x {\n condition: y }":                                 `t.yar:2: "y"`,
		"rule x { condition: $a }":                                  `no string "$a"`,
		"rule x { condition: 1.5 > 1 }":                             "whole numbers",
		"rule x { condition: 50% of them }":                         "percentages",
		"rule x { condition: \"a\" == \"a\" }":                      "texts in a condition",
		"rule x { condition: true":                                  "the end of the file",
		"rule x { condition: true } rule x {":                       `second rule "x"`,
		one(`$a = "abcd" $a = "abcd"`, "$a"):                        "second string",
		one("\n$a = \"abcd\" base64", "$a"):                         "t.yar:2: base64",
		one(`$a = ""`, "$a"):                                        "empty text",
		one(`$a = "abcd" xor nocase`, "$a"):                         "xor does not go",
		one(`$a = /[0-9a-f]{64}/`, "$a"):                            "no fixed text of 4 bytes",
		one(`$a = /.*miner/`, "$a"):                                 "no fixed text of 4 bytes",
		one(`$a = /miner/ wide`, "$a"):                              "wide regular expressions",
		one(`$a = /(?i)miner/`, "$a"):                               "(?",
		one(`$a = /miner(/`, "$a"):                                  "regular expression",
		one(`$a = { 41 42 43 44 (45 [2-] 46 | 47) }`, "$a"):         "no upper limit",
		one(`$a = { 41 [1-3] 42 }`, "$a"):                           "no fixed bytes",
		one(`$a = { ?? ?? }`, "$a"):                                 "no fixed bytes",
		one(`$a = { 4 }`, "$a"):                                     "half a byte",
		one(`$a = { 4g }`, "$a"):                                    "'g'",
		one(`$a = { 41 42 43 44 ( | 45 ) }`, "$a"):                  "empty",
		one(`$a = { 41 42 43 44 nocase }`, "$a"):                    "hex string",
		"rule x { condition: " + strings.Repeat("(", 1000) + "true": "nested",
		"rule x { condition: true /* ":                              "no end",
	} {
		_, err := Parse(Source{"t.yar", []byte(text)})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, want %q", text, err, want)
		}
	}
}

// The second file may use rules of the first.
func TestSeveralFiles(t *testing.T) {
	r, err := Parse(Source{"a", []byte("rule a { condition: true }")}, Source{"b", []byte("rule b { condition: a }")})
	if err != nil || r.Len() != 2 {
		t.Fatal(err)
	}
	_, err = Parse(Source{"a", []byte("rule a { condition: true }")}, Source{"b", []byte("\n\nrule a { condition: true }")})
	if err == nil || err.Error() != `b:3: a second rule "a"` {
		t.Error(err)
	}
}

// A file made to cost much is given up with what was found.
func TestLimits(t *testing.T) {
	r := parse(t, one(`$a = "aaaa"`, "$a")+` rule y { strings: $b = /abcd[a-d]*x/ condition: $b }`)
	got, err := r.Scan(make([]byte, 1<<20))
	if err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	got, err = r.Scan([]byte(strings.Repeat("a", maxHits+10)))
	if !errors.Is(err, ErrTooMuch) || len(got) != 1 {
		t.Error(got, err)
	}
	if _, err = r.Scan([]byte(strings.Repeat("abcd", 1<<17))); !errors.Is(err, ErrTooMuch) {
		t.Error("expressions cost nothing:", err)
	}
}

// naive tries every string at every place.
func naive(r *Rules, data []byte) [][]found {
	sc := &scan{r: r, data: data, steps: maxSteps}
	out := make([][]found, len(r.strs))
	for i := len(r.strs) - 1; i >= 0; i-- { // tails stand behind their heads
		s := &r.strs[i]
		for off := range data {
			n, ok := s.stands(sc, off, -1)
			for j := 0; ok && s.next != nil; j++ {
				if ok = j < len(out[s.tail]); ok && out[s.tail][j].off >= off+n+s.gap {
					n = out[s.tail][j].off + out[s.tail][j].n - off
					break
				}
			}
			if ok {
				out[i] = append(out[i], found{off, n})
			}
		}
	}
	return out
}

func atomic(r *Rules, data []byte) [][]found {
	sc := &scan{r: r, data: data, steps: maxSteps, hits: make([][]found, len(r.strs)), done: make([]bool, len(r.strs))}
	sc.find()
	out := make([][]found, len(r.strs))
	for i := range r.strs {
		out[i] = sc.of(i)
	}
	return out
}

var stringsOfAllKinds = []string{
	`"abcd"`, `"abab" nocase`, `"ab"`, `"A" nocase`, `"abc" wide`, `"abcd" wide ascii nocase`, `"bcab" fullword`, `"aab" wide fullword`,
	`"abca" xor`, `"abca" xor(1-3) wide`, `"ba" xor(2)`,
	`{61 62 63 64}`, `{61 ?? 63 64 65 66}`, `{61 62 6? ?3 61 62 63 61}`, `{61 62}`, `{61 ?? 62}`, `{61 62 63 61 [1-4] 62}`,
	`{61 62 (63 | 64 65) 61 62 63 61}`, `{61 [2] 62 63 61 62}`, `{(61 62 63 64 | 64 63 62 61) 61}`,
	`{61 62 63 64 [-] 64 63}`, `{61 62 [3-] 64 61 62 63 [1-] 41}`,
	`/abca+/`, `/abca+?b/`, `/a{1,3}bcab/`, `/(abcd|dcba)./`, `/(ab|abc)abcd/`, `/[ab]{2,4}abcd\s/`, `/abcd.*e/`, `/abca/i`,
	`/\babcd\b/`, `/^abcd/`, `/abcd$/`, `/abcd[^a]/s`, `/(abab)?cdcd/`, `/x?abcd|dcbab/`, `/abab\x00?/ nocase fullword`, `/a(bcab){1,2}c/`,
}

func allKinds() string {
	var out strings.Builder
	for i, s := range stringsOfAllKinds {
		fmt.Fprintf(&out, "rule r%d { strings: $a = %s condition: $a }\n", i, s)
	}
	return out.String()
}

// A string is found by its fixed part wherever trying every place finds it.
func TestAtoms(t *testing.T) {
	r := parse(t, allKinds())
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		data := make([]byte, rnd.IntN(200))
		for i := range data {
			data[i] = "abcdabcdabcdABe\x00\x00 \nx"[rnd.IntN(20)]
		}
		same(t, r, data)
	}
}

func same(t *testing.T, r *Rules, data []byte) {
	t.Helper()
	want, got := naive(r, data), atomic(r, data)
	for i := range want {
		if d := gocmp.Diff(want[i], got[i], gocmp.AllowUnexported(found{})); d != "" {
			t.Errorf("string %d in %q: %s", i, data, d)
		}
	}
}

// FuzzParse: whatever the file of rules holds, it is compiled or refused with
// its line, and what is compiled finds the same by atoms as without.
func FuzzParse(f *testing.F) {
	f.Add([]byte(allKinds()), []byte("abcdabab abcab\x00b\x00"))
	f.Add([]byte(one(`$a = "abcd" $b = {61 6? [1-4] 62 63 64 65}`, "for any of them : ( # > 1 and @[1] in (0..filesize) )")), []byte("abcdabcd"))
	f.Add([]byte(one(`$a = /a(b|c){2,3}defgh/i wide`, "for all i in (1..#a) : ( @a[i] < 10KB ) or uint16be(0) == 0x4d5a")), []byte("abcdefgh"))
	f.Add([]byte("global private rule a : t { meta: a = -1 condition: not defined 1 \\ 0 } rule b { condition: a and 1 of them }"), []byte{})
	f.Fuzz(func(t *testing.T, text, data []byte) {
		text, data = text[:min(len(text), 4096)], data[:min(len(data), 512)]
		r, err := Parse(Source{"f", text})
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 {
				t.Fatal(err)
			}
			return
		}
		if _, err := r.Scan(data); err != nil && !errors.Is(err, ErrTooMuch) {
			t.Fatal(err)
		}
		if len(r.strs) < 50 {
			same(t, r, data)
		}
	})
}
