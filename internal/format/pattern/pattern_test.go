package pattern

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

type found struct{ ID, Off int }

var some = []Pattern{
	{ID: "hex", Strength: Conclusive, Bytes: []byte{0, 1, 2, 3}},
	{ID: "exact", Strength: Strong, Bytes: []byte("AbcAbc")},
	{ID: "fold", Strength: Weak, Bytes: []byte("abcab"), NoCase: true},
	{ID: "suffix", Strength: Weak, Bytes: []byte("bcab"), NoCase: true},
	{ID: "same", Strength: Weak, Bytes: []byte("abcab")},
	{ID: "high", Strength: Strong, Bytes: []byte{0xff, 'A', 0x80, 'z'}},
}

func compile(t testing.TB, ps []Pattern) *Set {
	t.Helper()
	s, err := Compile(ps)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func folded(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		out[i] = lower(c)
	}
	return out
}

// naive is what Scan has to find.
func naive(ps []Pattern, b []byte) []found {
	var out []found
	for id, p := range ps {
		for off := 0; off+len(p.Bytes) <= len(b); off++ {
			w := b[off : off+len(p.Bytes)]
			if bytes.Equal(w, p.Bytes) || p.NoCase && bytes.Equal(folded(w), folded(p.Bytes)) {
				out = append(out, found{id, off})
			}
		}
	}
	return sorted(out)
}

func sorted(f []found) []found {
	slices.SortFunc(f, func(a, b found) int { return cmp.Or(a.Off-b.Off, a.ID-b.ID) })
	return f
}

func scan(s *Set, b []byte) []found {
	var out []found
	s.Scan(b, func(id, off int) { out = append(out, found{id, off}) })
	return sorted(out)
}

// pieces scans b in pieces whose lengths are in cuts, over and over.
func pieces(s *Set, b []byte, cuts []byte) []found {
	var out []found
	c := s.Scanner()
	c.Hit = func(id int, off int64) { out = append(out, found{id, int(off)}) }
	for i := 0; len(b) > 0; i++ {
		n := len(b)
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)])%13+1)
		}
		c.Write(b[:n])
		b = b[n:]
	}
	return sorted(out)
}

func TestScan(t *testing.T) {
	s := compile(t, some)
	for _, in := range []string{"", "abc", "xAbcAbcAbc", "ABCABCAB", "\x00\x00\x01\x02\x03\x00\x01\x02\x03", "\xffA\x80z\xffa\x80z", "abcabcab"} {
		want := naive(some, []byte(in))
		if d := gocmp.Diff(want, scan(s, []byte(in))); d != "" {
			t.Errorf("%q: %s", in, d)
		}
		inOrder(t, s, []byte(in))
		if d := gocmp.Diff(want, pieces(s, []byte(in), []byte{0, 2})); d != "" {
			t.Errorf("%q in pieces: %s", in, d)
		}
	}
	if s.At(1).ID != "exact" || s.At(1).Bytes != nil || s.Len() != len(some) {
		t.Error(s.At(1))
	}
}

// inOrder: the hits of one pattern come in the order of their offsets.
func inOrder(t *testing.T, s *Set, b []byte) {
	t.Helper()
	last := map[int]int{}
	s.Scan(b, func(id, off int) {
		if at, ok := last[id]; ok && at >= off {
			t.Errorf("%q: pattern %d at %d after %d", b, id, off, at)
		}
		last[id] = off
	})
}

func TestScannerReset(t *testing.T) {
	c := compile(t, some).Scanner()
	var got []int64
	c.Hit = func(_ int, off int64) { got = append(got, off) }
	c.Write([]byte{0, 1})
	c.Reset(100)
	c.Write([]byte{2, 3, 0, 1})
	c.Write([]byte{2, 3})
	if d := gocmp.Diff([]int64{102}, got); d != "" {
		t.Error(d)
	}
}

func TestCompileErrors(t *testing.T) {
	ok := Pattern{ID: "a", Strength: Weak, Bytes: []byte("abcd")}
	for name, ps := range map[string][]Pattern{
		"short":    {{ID: "a", Strength: Weak, Bytes: []byte("abc")}},
		"long":     {{ID: "a", Strength: Weak, Bytes: make([]byte, MaxLen+1)}},
		"strength": {{ID: "a", Strength: "x", Bytes: []byte("abcd")}},
		"twice":    {ok, ok},
		"no id":    {{Strength: Weak, Bytes: []byte("abcd")}},
	} {
		if _, err := Compile(ps); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	s := compile(t, nil)
	if got := scan(s, []byte("anything")); got != nil {
		t.Error(got)
	}
}

// FuzzScan: any patterns in any bytes, at once and in pieces, as the naive
// search finds them.
func FuzzScan(f *testing.F) {
	f.Add([]byte("abcabcab"), []byte("AbcAbcAbcabcab"), []byte{1, 2})
	f.Add([]byte{0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 4}, []byte{0, 0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 4}, []byte{})
	f.Fuzz(func(t *testing.T, words, b, cuts []byte) {
		var ps []Pattern
		for i := 0; len(words) >= MinLen && i < 20; i++ {
			n := MinLen + int(words[0])%5
			n = min(n, len(words))
			ps = append(ps, Pattern{ID: fmt.Sprint(i), Strength: Weak, Bytes: bytes.Clone(words[:n]), NoCase: i%2 == 1})
			words = words[min(n, 3):]
		}
		b = b[:min(len(b), 4096)]
		s := compile(t, ps)
		want := naive(ps, b)
		if d := gocmp.Diff(want, scan(s, b)); d != "" {
			t.Fatal(d)
		}
		inOrder(t, s, b)
		if d := gocmp.Diff(want, pieces(s, b, cuts)); d != "" {
			t.Fatal("in pieces:", d)
		}
	})
}

func TestCodec(t *testing.T) {
	b, err := Encode(some)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if d := gocmp.Diff(some, got); d != "" || err != nil {
		t.Error(err, d)
	}
	if _, err := Decode(b[1:]); err == nil {
		t.Error("a broken list was read")
	}
}

func FuzzDecode(f *testing.F) {
	b, _ := Encode(some)
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		ps, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Encode(ps)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(again); err != nil || !gocmp.Equal(ps, got) {
			t.Fatal(err)
		}
		Compile(ps)
	})
}

// bench has the shape of the real list: constants and texts.
func bench() ([]Pattern, []byte) {
	r := rand.New(rand.NewPCG(1, 2))
	var ps []Pattern
	for i := range 100 {
		w := make([]byte, 8+r.IntN(16))
		for j := range w {
			w[j] = byte(r.Uint32())
			if i%2 == 0 {
				w[j] = "abcdefghijklmnopqrstuvwxyz-/+:"[r.IntN(30)]
			}
		}
		ps = append(ps, Pattern{ID: fmt.Sprint(i), Strength: Weak, Bytes: w, NoCase: i%4 == 0})
	}
	data := []byte(strings.Repeat("the quick stratum of code \x00\x01\x7fELF mov rax, rbx donate ", 1<<15))
	for i := 0; i < len(data); i += 3 {
		data[i] = byte(r.Uint32())
	}
	return ps, data
}

func BenchmarkScan(b *testing.B) {
	ps, data := bench()
	s := compile(b, ps)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		s.Scan(data, func(int, int) {})
	}
}

func BenchmarkScanTwoCores(b *testing.B) {
	ps, data := bench()
	s := compile(b, ps)
	b.SetBytes(2 * int64(len(data)))
	for b.Loop() {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { s.Scan(data, func(int, int) {}) })
		}
		wg.Wait()
	}
}
