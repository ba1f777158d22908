package yara

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// moreStrings are those that the small test of atoms does not have: what YARA
// itself makes of them is the question here.
var moreStrings = []string{
	`"abcd" fullword`, `"abcd" wide ascii fullword`, `"dab" xor(1-255) ascii wide`, `"abcd" xor fullword`, `"\x00\x00ab"`, `"\"\\\t\n\r\x41"`,
	`{61 62 63 64 [0-8] 61 62}`, `{61 62 63 64 [3] 62}`, `{62 63 64 61 ?? ?? [1-3] 6? 62}`, `{(61 | 62) 63 64 61 62}`,
	`{61 62 63 64 (61 [1-2] 62 | 41)}`, `{00 00}`, `{?? 62 63 64 61}`, `{61 62 63 64 ??}`,
	`{61 62 63 64 [2-] 62 63 64 61}`, `{62 63 64 61 [-] 61 62 63 64 [1-] 00 00}`, `{61 62 63 64 [-] 61 62 [1-3] 64}`,
	`/abcd{2,3}/`, `/abcd(a|ab|abc)/`, `/abcd(abc|ab|a)/`, `/abcd[^\s]+/`, `/abcda*?b/`, `/abcd(ab){,2}c/`, `/abcd.{2,5}/`, `/abcd.{2,5}?b/`,
	`/[a-c]{1,4}dabc/`, `/a.{0,3}dabc/`, `/\wbcda\W/`, `/bcda\b/`, `/abcd\Ba/`, `/ABCD/i`, `/abcd|bcda|cdab/`, `/(abcd|cdab)+/`,
	`/bcda\x00/`, `/abcd[\x00-\x20]/`, `/abcd$/`, `/^abcd/`, `/abcd\n/`, `/abcd.a/s`, `/abcd/ fullword`, `/abcd+/ fullword`, `/abcd\S*/ nocase`,
	`/abcd[]a]b?/`, `/cdab\.?c/`,
}

var conditions = []string{
	"#a > 1 and #b == 0", "#a + #b >= 3", "@a < @b", "@a[2] > 10", "!a[1] == 4", "$a at 0", "$a in (0..20)", "#a in (0..20) > 1",
	"any of them", "all of them", "none of them", "2 of them", "0 of them", "1 of ($a, $b)", "any of ($c*)", "all of ($c*) in (0..60)", "2 of ($*) in (10..90)",
	"for all of them : ( # > 0 )", "for any of ($a, $b) : ( @ > 20 )", "for 2 of them : ( $ in (0..40) )",
	"for any i in (1..#a) : ( @a[i] + 4 == @a[i+1] )", "for all i in (1..#a) : ( @a[i] < 60 )", "for any i in (1, 2, 3) : ( uint8(i) == 0x61 )",
	"for 0 i in (0..3) : ( uint8(i) == 0x62 )", "for all i in (3..1) : ( true )", "for any i in (3..1) : ( true )", "for all i in (1, uint8(filesize)) : ( true )", "for any i in (1, uint8(filesize)) : ( true )", "for 2 i in (0..9) : ( uint8(i) == 0x61 )",
	"uint16(0) == 0x6261 or uint16be(0) == 0x6162", "uint32be(4) > 0x61000000", "int8(0) < 0", "int16(2) > 0 and int32be(2) != 0",
	"filesize > 50 and filesize < 1KB", "filesize % 2 == 0", "not $a", "not @a[9] == 0", "@a[9] == 0 or filesize > 0", "defined @a[2]", "not defined uint32(filesize)",
	"uint8(filesize) == 0 or true", "uint8(filesize) == 0 and true", "1 + 2 * 3 - 4 \\ 2 == 5", "(7 & 3) == 3 and 7 & 3 == 3", "1 | 6 ^ 3 == 5", "2 << 2 == 8 and -8 >> 1 == -4",
	"~0 == -1 and 10 % 3 == 1", "s0 and not s1", "true and not false", "#a * 2 > filesize \\ 20", "$a and ($b or $c1)", "$a at @a[1]", "$b at filesize - 4",
	"for any of them : ( for any i in (1..#) : ( @[i] == 8 ) )", "not $a and not $b or $c2", "filesize == 0 or uint8(0) >= 0",
}

func oracleRules() string {
	var out strings.Builder
	for i, s := range append(append([]string{}, stringsOfAllKinds...), moreStrings...) {
		fmt.Fprintf(&out, "rule s%d { strings: $a = %s condition: $a }\n", i, s)
	}
	for i, c := range conditions {
		fmt.Fprintf(&out, "rule c%d { strings: $a = \"abcd\" $b = { 62 6? 64 61 } $c1 = /abcd+a/ $c2 = \"AB\" nocase condition: %s and (any of them or true) }\n", i, "("+c+")")
	}
	out.WriteString("rule p : t1 { condition: p0 or true }\n")
	return "private rule p0 : t2 { meta: a = 1 condition: filesize > 100 }\n" + out.String()
}

// TestOracle: the same rules, the same places and the same lengths as YARA
// itself (package yara of Debian) finds.
func TestOracle(t *testing.T) {
	dir := t.TempDir()
	text := oracleRules()
	rules := filepath.Join(dir, "rules.yar")
	data := filepath.Join(dir, "data")
	if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	r := parse(t, text)
	want := map[string]string{}
	for i, b := range samples() {
		name := filepath.Join(data, fmt.Sprint("f", i))
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		want[name] = string(b)
	}
	out, err := exec.Command("yara", "-w", "-s", "-L", "-N", "-r", rules, data).CombinedOutput()
	if err != nil {
		t.Fatalf("yara: %v\n%s", err, out)
	}
	theirs := readOracle(string(out))
	for name, b := range want {
		if d := gocmp.Diff(theirs[name], ours(t, r, []byte(b))); d != "" {
			t.Errorf("%q (-yara +demine):\n%s", b, d)
		}
	}
}

// samples are files in which much of what the rules look for stands.
func samples() (out [][]byte) {
	rnd := rand.New(rand.NewPCG(3, 4))
	pieces := []string{"abcd", "abcd", "bcda", "dab", "ab", "a", "b", "c", "d", "ABCD", "\x00", "\x00\x00", " ", "\n", "a\x00b\x00c\x00d\x00", "cbad", "\xff", "_", "\"\\\t\n\rA", "e`gf", "]", "."}
	for i := range 80 {
		var b []byte
		for range rnd.IntN(8 + i/2) {
			b = append(b, pieces[rnd.IntN(len(pieces))]...)
		}
		out = append(out, b)
	}
	return append(out, []byte("abcd"), []byte("abcdabcd"), []byte("abcd\n"), []byte(strings.Repeat("abcd", 50)))
}

// readOracle reads what yara -s -L prints: a line for each rule and file, then
// one for each place, as 0x10:4:$a: text.
func readOracle(out string) map[string]map[string][]string {
	all := map[string]map[string][]string{}
	rule, file := "", ""
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if f := strings.SplitN(line, ":", 4); len(f) == 4 && strings.HasPrefix(line, "0x") {
			all[file][rule] = append(all[file][rule], f[0]+":"+f[1]+":"+f[2])
			continue
		}
		rule, file, _ = strings.Cut(line, " ")
		if all[file] == nil {
			all[file] = map[string][]string{}
		}
		all[file][rule] = []string{}
	}
	return all
}

func ours(t *testing.T, r *Rules, data []byte) map[string][]string {
	t.Helper()
	found, err := r.Scan(data)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]string
	places := atomic(r, data)
	for _, m := range found {
		lines := []string{}
		x := r.rules[r.byName[m.Rule]]
		for i := x.first; i < x.last; i++ {
			for _, f := range places[i] {
				lines = append(lines, fmt.Sprintf("0x%x:%d:$%s", f.off, f.n, r.strs[i].name))
			}
		}
		if all == nil {
			all = map[string][]string{}
		}
		all[m.Rule] = lines
	}
	return all
}
