package observe

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"demine/internal/fact"
	"demine/internal/host/fixture"
)

// A process with pid 9 and what memory finds in it.
func remember(t *testing.T, text string, in fact.Snapshot) (*fact.Memory, fact.Coverage) {
	t.Helper()
	const stat = "-- /proc/9/stat --\n9 (x) S 1 9 9 0 -1 4194560 0 0 0 0 1 0 0 0 20 0 1 0 77 7000000 600\n"
	h, err := fixture.Parse([]byte(stat + text))
	if err != nil {
		t.Fatal(err)
	}
	in.Process = append(in.Process, fact.Process{Ref: "process:9", PID: 9, StartTicks: 77, Exe: "/tmp/x"})
	s := Run(context.Background(), h, []*Observer{memory}, Scope{Memory: []fact.Ref{"process:9"}}, &in)
	c := s.Coverage[len(s.Coverage)-1]
	if c.State == fact.Failed {
		t.Fatal(c)
	}
	return s.Process[len(s.Process)-1].Memory, c
}

const (
	state0 = `\x0d\x2c\xb5\x92\xde\x56\xa8\x9f\x47\xdb\x82\xcc\xad\x3a\x98\xd7`
	key1   = `\x07\xaf\x7c\x6d\x0d\x71\x6a\x84\x78\xd3\x25\x17\x4e\xdc\xa1\x0d`
)

func TestMemory(t *testing.T) {
	got, c := remember(t, `-- /proc/9/maps --
00400000-00401000 r-xp 00000000 08:01 7 /tmp/x
00500000-00540000 rw-p 00000000 00:00 0 [heap]
00600000-00601000 r--p 00000000 00:00 0 
00700000-00710000 rwxp 00000000 00:00 0 
00800000-00801000 r-xp 00000000 08:01 8 /tmp/lib.so
00900000-00901000 r-xp 00000000 08:01 9 /usr/lib/libc.so.6
7f0000000000-7f0082000000 rw-p 00000000 00:00 0 
7fffff000000-7fffff001000 r-xp 00000000 00:00 0 [vdso]
-- kernel/mem/9 --
400000 `+state0+`
500010 x stratum+tcp://pool.example.org:3333 `+state0+`
600000 `+state0+state0+`
700000 `+key1+`
7f0000000000 `+key1+`
7fffff000000 `+key1+`
`, fact.Snapshot{})
	want := &fact.Memory{
		Scanned: "whole", Code: 0x10000, CodeWritable: 0x10000, Dataset: true, Libraries: []fact.Path{"/tmp/lib.so"},
		Patterns: []fact.Pattern{
			{ID: "randomx-aes-gen-1r-key1", Strength: "conclusive", Offset: 0x700000, Count: 1, Where: "code"},
			{ID: "randomx-aes-hash-1r-state0", Strength: "conclusive", Offset: 0x600000, Count: 3, Where: "fixed"},
			{ID: "stratum-url-tcp", Strength: "strong", Offset: 0x500012, Count: 1, Where: "data"},
		},
		Indicators: []fact.Indicator{{Kind: "pool", Value: "stratum+tcp://pool.example.org:3333", Offset: 0x500012}},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(fact.Memory{}, "Bytes")); d != "" || c.State != fact.Seen {
		t.Error(c, d)
	}
}

// TestMemoryOwn: a miner that is known by its image is asked whom it mines for;
// an image that is packed is searched in memory.
func TestMemoryOfImage(t *testing.T) {
	text := `-- /proc/9/maps --
00400000-00401000 r--p 00000000 08:01 7 /tmp/x
00500000-00540000 rw-p 00000000 00:00 0 [heap]
-- kernel/mem/9 --
400000 ` + state0 + `
500010 pay 44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A now
`
	in := func(f fact.File) fact.Snapshot {
		f.Ref = "file:/tmp/x"
		return fact.Snapshot{File: []fact.File{f}, Process: []fact.Process{{Ref: "process:8", PID: 8}}}
	}
	for name, c := range map[string]struct {
		file                 fact.File
		patterns, indicators int
	}{
		"plain":  {fact.File{}, 0, 0},
		"packed": {fact.File{ELF: &fact.ELF{UPX: true}}, 1, 1},
		"miner":  {fact.File{Patterns: []fact.Pattern{{Strength: "conclusive"}}}, 0, 1},
	} {
		s := in(c.file)
		h, err := fixture.Parse([]byte("-- /proc/9/stat --\n9 (x) S 1 9 9 0 -1 4194560 0 0 0 0 1 0 0 0 20 0 1 0 77 7000000 600\n" + text))
		if err != nil {
			t.Fatal(err)
		}
		s.Process = append(s.Process, fact.Process{Ref: "process:9", PID: 9, StartTicks: 77, Exe: "/tmp/x", ExeFile: "file:/tmp/x"})
		out := Run(context.Background(), h, []*Observer{memory}, Scope{Memory: []fact.Ref{"process:9"}}, &s)
		m := out.Process[1].Memory
		if m == nil || len(m.Patterns) != c.patterns || len(m.Indicators) != c.indicators {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// TestMemoryWeak: words that others say too speak of mining when there are
// several, and then it is asked whom for; they must stay as others must.
func TestMemoryWeak(t *testing.T) {
	const wallet = "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A"
	for words, indicators := range map[string]int{
		`{"method":"login","job_id":"7"}`:                      0,
		`{"method":"login","job_id":"7"}{"method":"submit"}`:   1,
		`{"method":"login","job_id":"7"}{"method": "unknown"}`: 0,
	} {
		text := "-- /proc/9/maps --\n00500000-00540000 rw-p 00000000 00:00 0 [heap]\n-- kernel/mem/9 --\n500010 " +
			strings.ReplaceAll(words, `"`, `\"`) + " " + wallet + " \n"
		if m, c := remember(t, text, fact.Snapshot{}); m == nil || len(m.Indicators) != indicators || c.State != fact.Seen {
			t.Errorf("%s: %+v %+v", words, m, c)
		}
	}
}

// TestMemoryNotThere: a process that ended is no gap, one that may not be read
// is; a number that another process has taken over is not that process.
func TestMemoryNotThere(t *testing.T) {
	const maps = "-- /proc/9/maps --\n00500000-00540000 rw-p 00000000 00:00 0 [heap]\n"
	for name, c := range map[string]struct {
		text string
		gaps int
	}{
		"ended":      {"", 0},
		"forbidden":  {"-- /proc/9/maps error=permission --\n", 1},
		"unreadable": {maps, 1},
		"another":    {maps + "-- /proc/9/stat --\n9 (x) S 1 9 9 0 -1 4194560 0 0 0 0 1 0 0 0 20 0 1 0 78 7000000 600\n", 0},
	} {
		m, cov := remember(t, c.text, fact.Snapshot{})
		if m != nil || len(cov.Gaps) != c.gaps {
			t.Errorf("%s: %+v %v", name, m, cov.Gaps)
		}
	}
}

// TestMemoryOfDemine: neither itself nor another one that looks at the host.
func TestMemoryOfDemine(t *testing.T) {
	in := fact.Snapshot{Host: fact.HostInfo{Self: 8}}
	in.Process = []fact.Process{
		{Ref: "process:8", PID: 8, ExeID: fact.FileID{Dev: 1, Ino: 2}},
		{Ref: "process:7", PID: 7, ExeID: fact.FileID{Dev: 1, Ino: 2}},
		{Ref: "process:6", PID: 6, ExeID: fact.FileID{Dev: 1, Ino: 3}},
	}
	got := memoryOrder(&in, []fact.Ref{"process:8", "process:7", "process:6", "process:5"})
	if len(got) != 1 || got[0].PID != 6 {
		t.Errorf("%+v", got)
	}
}

// TestMemoryBounds: of a large mapping only the beginning is read, and of all
// together no more than the bounds.
func TestMemoryBounds(t *testing.T) {
	var maps strings.Builder
	for i := range 60 {
		fmt.Fprintf(&maps, "%x-%x rw-p 00000000 00:00 0 \n", 0x10000000+i<<24, 0x10000000+i<<24+1<<22)
	}
	fmt.Fprintf(&maps, "%x-%x rw-p 00000000 00:00 0 \n", 0x7f0000000000, 0x7f0000000000+1<<30)
	h, err := fixture.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := known()
	if err != nil {
		t.Fatal(err)
	}
	p := fact.Process{PID: 9, Exe: "/tmp/x"}
	l := layoutOf([]byte(maps.String()), &p, false)
	if n := len(l.areas); n != 61 || l.areas[n-1].rank != rankLarge || l.areas[n-1].most != maxSample {
		t.Errorf("%d areas, the last %+v", n, l.areas[n-1])
	}
	r := &memoryReader{v: newView(h, memory, &fact.Snapshot{}), set: set, left: maxMemory, buf: make([]byte, memoryChunk)}
	s := r.search(&p, zeros{}, l, false)
	if s.memory.Bytes != maxOneMemory || s.memory.Scanned != "part" || r.left != maxMemory-maxOneMemory {
		t.Errorf("%d bytes, %s, %d left", s.memory.Bytes, s.memory.Scanned, r.left)
	}
}

// TestMemoryAround: of a heap of which a part alone is searched, a wallet is
// found that lies near the words that were, in a stripe that is left out.
func TestMemoryAround(t *testing.T) {
	const (
		heap  = 0x7f0000000000
		size  = 256 << 20
		words = heap + 503*stripe + 1<<14
	)
	h, err := fixture.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := known()
	if err != nil {
		t.Fatal(err)
	}
	for _, behind := range []int64{64 << 10, -64 << 10, 0} {
		mem := sparse{
			words: `{"method":"login","job_id":"7"}{"method":"submit"}`, words + behind + 60: " 44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3X" +
				"jrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A ",
		}
		p := fact.Process{Ref: "process:9", PID: 9, Exe: "/tmp/x"}
		l := layoutOf(fmt.Appendf(nil, "%x-%x rw-p 00000000 00:00 0 \n", heap, heap+size), &p, false)
		r := &memoryReader{v: newView(h, memory, &fact.Snapshot{}), set: set, whole: []fact.Ref{p.Ref}, buf: make([]byte, memoryChunk)}
		r.leftWhole = size / 4 // every eighth stripe is searched for words, and every sixteenth for wallets
		s := r.search(&p, mem, l, false)
		if len(s.memory.Patterns) == 0 || len(s.memory.Indicators) != 1 || s.memory.Scanned != "part" {
			t.Errorf("%d: %+v", behind, s.memory)
		}
	}
}

// TestAround: surroundings end where the area does, and those that overlap are
// one; what lies in no area has none.
func TestAround(t *testing.T) {
	set, err := known()
	if err != nil {
		t.Fatal(err)
	}
	s := &memorySearch{r: &memoryReader{set: set}, hits: map[int]*hit{
		0: {pattern: fact.Pattern{Offset: 0x10100}, at: []int64{0x10100, 0x20100, 0x900000}},
		1: {pattern: fact.Pattern{Offset: 0x500100}},
	}}
	got := s.around([]area{{from: 0x10000, to: 0x100000}, {from: 0x400000, to: 0x600000}})
	want := []area{{from: 0x10000, to: 0x40000, most: 0x30000}, {from: 0x4e0000, to: 0x520000, most: 0x40000}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(area{})); d != "" {
		t.Error(d)
	}
}

// sparse is memory with texts at their addresses, zeros between.
type sparse map[int64]string

func (m sparse) ReadAt(p []byte, addr int64) (int, error) {
	clear(p)
	for at, text := range m {
		if from, to := max(at, addr), min(at+int64(len(text)), addr+int64(len(p))); from < to {
			copy(p[from-addr:], text[from-at:to-at])
		}
	}
	return len(p), nil
}

func (sparse) Close() error { return nil }

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }
func (zeros) Close() error                          { return nil }

// TestDoubts: what was only in passing in data is not told.
func TestDoubts(t *testing.T) {
	h, err := fixture.Parse([]byte("-- kernel/mem/9 --\n5000 " + state0 + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	set, err := known()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]int{}
	for i := range set.Len() {
		ids[set.At(i).ID] = i
	}
	stays, goes := "randomx-aes-hash-1r-state0", "randomx-aes-gen-1r-key1"
	p := Part{Process: []fact.Process{
		{Ref: "a", Memory: &fact.Memory{
			Patterns:   []fact.Pattern{{ID: stays, Strength: "conclusive"}, {ID: goes, Strength: "conclusive"}},
			Indicators: []fact.Indicator{{}},
		}},
		{Ref: "b", Memory: &fact.Memory{Patterns: []fact.Pattern{{ID: goes, Strength: "conclusive"}}, Indicators: []fact.Indicator{{}}}},
	}}
	r := &memoryReader{v: newView(h, memory, &fact.Snapshot{}), set: set, buf: make([]byte, memoryChunk), doubts: []doubt{
		{"a", 9, ids[stays], []int64{0x4000, 0x5000}}, {"a", 9, ids[goes], []int64{0x5000}}, {"b", 8, ids[goes], []int64{0x5000}},
	}}
	if err := r.again(context.Background(), &p); err != nil {
		t.Fatal(err)
	}
	a, b := p.Process[0].Memory, p.Process[1].Memory
	if len(a.Patterns) != 1 || a.Patterns[0].ID != stays || len(a.Indicators) != 1 || len(b.Patterns) != 0 || b.Indicators != nil {
		t.Errorf("%+v\n%+v", a, b)
	}
}

// FuzzLayout: whatever the map says, areas are within it and bounded.
func FuzzLayout(f *testing.F) {
	if b, err := os.ReadFile("/proc/self/maps"); err == nil {
		f.Add(b, "/tmp/x", true)
	}
	f.Add([]byte("0-ffffffffffffffff rwxp 0 0:0 0 \n1-2 r-xp 0 0:0 1 /\n1-2 r-xp 0 0:0 1 x (deleted)\n"), "", false)
	f.Fuzz(func(t *testing.T, text []byte, exe string, packed bool) {
		l := layoutOf(text, &fact.Process{Exe: fact.Path(exe)}, packed)
		if len(l.areas) > 4096 || len(l.memory.Libraries) > 64 {
			t.Fatal("bounds")
		}
		for _, a := range l.areas {
			if a.to <= a.from || a.most <= 0 || a.most > maxArea || a.where == "" {
				t.Fatalf("%+v", a)
			}
		}
	})
}
