package observe

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

// pagemap is one of a process; the memory is in pages of which it holds.
type pagemap func(page uint64) bool

func (m pagemap) ReadAt(p []byte, off int64) (int, error) {
	for i := 0; i+8 <= len(p); i += 8 {
		e := uint64(0x40) << 56 // swapped out
		if m(uint64(off)/8 + uint64(i)/8) {
			e = pagePresent
		}
		binary.LittleEndian.PutUint64(p[i:], e)
	}
	return len(p), nil
}

func (pagemap) Close() error { return nil }

func everything(uint64) bool { return true }

// TestResident: pages that are not in memory are left alone.
func TestResident(t *testing.T) {
	there := pagemap(func(n uint64) bool { return n == 1 || n == 2 || n == 4 })
	s := &memorySearch{pages: there, looks: 1, memory: &fact.Memory{}}
	got := s.resident(area{from: 0, to: 5 * pageBytes})
	want := []addresses{{pageBytes, 3 * pageBytes}, {4 * pageBytes, 5 * pageBytes}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(addresses{})); d != "" {
		t.Error(d)
	}
}

// TestResidentBounds: what is asked of a pagemap is bounded, and where more
// would have to be asked, the places lie evenly.
func TestResidentBounds(t *testing.T) {
	const tera = 1 << 40
	asked := func(s *memorySearch) (n int, last uint64) {
		s.pages = pagemap(func(page uint64) bool { n++; last = page * pageBytes; return false })
		s.resident(area{from: tera, to: 2 * tera})
		return n, last
	}
	for name, c := range map[string]struct {
		s    memorySearch
		most int
		upTo uint64
	}{
		"beginning": {memorySearch{looks: maxLooks}, 1, tera + pageWindow},
		"whole":     {memorySearch{looks: maxLooks, whole: true}, mostLooks, 2 * tera},
		"no more":   {memorySearch{looks: 2, whole: true}, 2, tera + tera/mostLooks + pageWindow},
	} {
		c.s.memory = &fact.Memory{}
		n, last := asked(&c.s)
		if n > c.most*pageWindow/int(pageBytes) || last >= c.upTo || last < c.upTo-tera/mostLooks-pageWindow || c.s.memory.Scanned != "part" {
			t.Errorf("%s: %d pages, the last at %x, %q", name, n, last, c.s.memory.Scanned)
		}
	}
}

// TestReadWhole: of a heap that is larger than what may be read, every part has
// its share; of another process only the beginning is read.
func TestReadWhole(t *testing.T) {
	const heap, may = 512 << 20, 64 << 20
	read := func(whole bool) (eighths [8]int64, s *memorySearch) {
		s = &memorySearch{r: &memoryReader{buf: make([]byte, memoryChunk)}, mem: zeros{}, pages: pagemap(everything)}
		s.whole, s.looks, s.left, s.memory = whole, maxLooks, may, &fact.Memory{}
		next := uint64(0)
		s.read(area{from: 0, to: heap, most: may}, func(addr uint64, b []byte, gap bool) {
			if gap == (addr == next && addr != 0) {
				t.Errorf("gap at %x is %v", addr, gap)
			}
			next = addr + uint64(len(b))
			eighths[addr/(heap/8)] += int64(len(b))
		})
		return eighths, s
	}
	got, s := read(true)
	for i, n := range got {
		if n < may/8-stripe || n > may/8+stripe {
			t.Errorf("%d bytes in part %d", n, i)
		}
	}
	if s.left < 0 || s.memory.Scanned != "part" {
		t.Errorf("%d left, %q", s.left, s.memory.Scanned)
	}
	if got, _ := read(false); got != [8]int64{may} {
		t.Errorf("another process: %v", got)
	}
}

// TestWiden: a small heap comes before the large one, and what runs first.
func TestWiden(t *testing.T) {
	code, heap, small := area{from: 1, to: 2, rank: rankCode}, area{from: 10, to: 99, rank: rankLarge}, area{from: 100, to: 110, rank: rankLarge}
	l := layout{areas: []area{code, heap, small}}
	l.widen(50)
	code.most, heap.most, small.most = 50, 50, 50
	want := []area{code, small, heap}
	if d := cmp.Diff(want, l.areas, cmp.AllowUnexported(area{})); d != "" {
		t.Error(d)
	}
}

// TestShare: those that are searched whole have bounds of their own, and when
// these are used up they are as others.
func TestShare(t *testing.T) {
	r := &memoryReader{left: maxMemory, leftWhole: maxWhole}
	var all int64
	for range 100 {
		pool, n := r.share(true)
		*pool -= n
		all += n
	}
	if all > maxWhole+maxMemory || all < maxWhole || r.left < 0 {
		t.Errorf("%d bytes, %d left", all, r.left)
	}
	if _, n := r.share(false); n != r.left {
		t.Errorf("%d of %d", n, r.left)
	}
}
