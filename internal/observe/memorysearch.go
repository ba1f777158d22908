package observe

import (
	"context"
	"encoding/binary"
	"os"
	"slices"

	"demine/internal/fact"
	"demine/internal/format/pattern"
	"demine/internal/format/wallet"
	"demine/internal/host"
)

// memorySearch is the search of one process.
type memorySearch struct {
	r      *memoryReader
	ref    fact.Ref
	pid    int
	mem    host.File
	pages  host.File // /proc/PID/pagemap, or nil
	left   int64
	memory *fact.Memory
	hits   map[int]*hit
	doubts []doubt
	err    error // the last of a read
}

type hit struct {
	pattern fact.Pattern
	at      []int64 // the first few places, when all are data
}

// doubt is a pattern that was only found in data. What a program has read of
// others lies there too, and is overwritten soon: it is looked at again.
type doubt struct {
	ref fact.Ref
	pid int
	id  int
	at  []int64
}

// search looks at the areas of a process. A known miner is asked whom it mines
// for whatever is found.
func (r *memoryReader) search(p *fact.Process, mem host.File, l layout, miner bool) *memorySearch {
	share := min(maxOneMemory, max(minOneMemory, r.left/4), r.left)
	s := &memorySearch{r: r, ref: p.Ref, pid: p.PID, mem: mem, left: share, memory: &l.memory, hits: map[int]*hit{}}
	if f, _, err := r.v.Open(pidPath(p.PID) + "/pagemap"); err == nil {
		s.pages = f
		defer f.Close()
	}
	if l.memory.Scanned == "" {
		l.memory.Scanned = "whole"
	}
	scan := r.set.Scanner()
	for _, a := range l.areas {
		scan.Hit = func(id int, off int64) { s.hit(id, off, a.where) }
		s.read(a, func(addr uint64, b []byte, gap bool) {
			if gap {
				scan.Reset(int64(addr))
			}
			_, _ = scan.Write(b)
		})
	}
	r.left -= share - s.left
	s.memory.Bytes = share - s.left
	if s.tell() || miner {
		s.indicators(l.areas)
	}
	return s
}

// hit keeps the strongest place of a pattern: what runs, then what cannot be
// written, then data.
func (s *memorySearch) hit(id int, off int64, where string) {
	const places = 8
	h := s.hits[id]
	if h == nil {
		p := s.r.set.At(id)
		h = &hit{pattern: fact.Pattern{ID: p.ID, Strength: p.Strength, Offset: off, Where: where}}
		s.hits[id] = h
	}
	h.pattern.Count++
	if rank := slices.Index(wheres, where); rank < slices.Index(wheres, h.pattern.Where) {
		h.pattern.Where, h.pattern.Offset = where, off
	}
	if where == fact.WhereData && len(h.at) < places {
		h.at = append(h.at, off)
	}
}

var wheres = []string{fact.WhereCode, fact.WhereFixed, fact.WhereData}

// tell writes down what was found, and whether it speaks of mining.
func (s *memorySearch) tell() (mining bool) {
	for id := range s.r.set.Len() {
		h := s.hits[id]
		if h == nil {
			continue
		}
		s.memory.Patterns = append(s.memory.Patterns, h.pattern)
		if !notWeak(h.pattern) {
			continue
		}
		mining = true
		if h.pattern.Where == fact.WhereData {
			s.doubts = append(s.doubts, doubt{s.ref, s.pid, id, h.at})
		}
	}
	return mining
}

// indicators goes over the data again, in pieces that overlap.
func (s *memorySearch) indicators(areas []area) {
	const mostBytes, most = 16 << 20, 32
	scanned := s.memory.Scanned // of the search, not of this
	defer func() { s.memory.Scanned = scanned }()
	s.left = mostBytes
	piece := make([]byte, 0, wallet.Longest+memoryChunk)
	defer func() { clear(piece[:cap(piece)]) }()
	for _, a := range areas {
		s.read(a, func(addr uint64, b []byte, gap bool) {
			if gap {
				piece = piece[:0]
			}
			piece = append(piece[:copy(piece, piece[max(0, len(piece)-wallet.Longest):])], b...)
			for _, i := range wallet.Find(piece, int64(addr)+int64(len(b)-len(piece)), most) {
				s.memory.Indicators = addIndicator(s.memory.Indicators, i, most)
			}
		})
	}
}

// addIndicator adds one that is not there yet.
func addIndicator(have []fact.Indicator, i fact.Indicator, most int) []fact.Indicator {
	same := func(h fact.Indicator) bool { return h.Kind == i.Kind && h.Value == i.Value }
	if len(have) >= most || slices.ContainsFunc(have, same) {
		return have
	}
	return append(have, i)
}

// read gives the resident pieces of an area to f, in order; gap says that the
// piece does not follow the one before. It stops at the bounds.
func (s *memorySearch) read(a area, f func(addr uint64, b []byte, gap bool)) {
	left, gap, failures := a.most, true, 0
	for _, span := range s.resident(a) {
		if span.from != a.from {
			gap = true
		}
		for span.from < span.to && failures < 8 {
			n := min(uint64(len(s.r.buf)), span.to-span.from, uint64(max(0, left)), uint64(max(0, s.left)))
			if n == 0 {
				s.memory.Scanned = "part"
				return
			}
			got, err := s.mem.ReadAt(s.r.buf[:n], int64(span.from))
			if got > 0 {
				f(span.from, s.r.buf[:got], gap)
				gap = false
				left, s.left = left-int64(got), s.left-int64(got)
			}
			span.from += uint64(got)
			if err != nil { // a page that is not there any more; the next may be
				s.err, gap = err, true
				failures++
				span.from = (span.from + pageBytes) &^ (pageBytes - 1)
			}
		}
	}
}

type addresses struct{ from, to uint64 }

var pageBytes = uint64(os.Getpagesize())

// pagePresent is a bit of /proc/PID/pagemap (Documentation/admin-guide/mm/
// pagemap.rst).
const pagePresent = 1 << 63

// resident are the parts of an area that lie in memory. What was never touched,
// or was swapped out, is left alone: to read it would make the target larger.
// Without a pagemap everything is read.
func (s *memorySearch) resident(a area) []addresses {
	const window = 64 << 20 // of a large area
	if s.pages == nil {
		return []addresses{{a.from, a.to}}
	}
	if a.to-a.from > window {
		a.to = a.from + window
		s.memory.Scanned = "part"
	}
	entries := make([]byte, (a.to-a.from)/pageBytes*8)
	n, err := s.pages.ReadAt(entries, int64(a.from/pageBytes*8))
	if err != nil && n == 0 {
		return []addresses{{a.from, a.to}}
	}
	var out []addresses
	for i := 0; i+8 <= n; i += 8 {
		if binary.LittleEndian.Uint64(entries[i:])&pagePresent == 0 {
			continue
		}
		at := a.from + uint64(i)/8*pageBytes
		if last := len(out) - 1; last >= 0 && out[last].to == at {
			out[last].to += pageBytes
		} else {
			out = append(out, addresses{at, at + pageBytes})
		}
	}
	return out
}

// again looks a second time at what was only found in data, after a pause, and
// drops what is not there any more: what a copy, a backup or a scanner of files
// had just read. What a miner holds stays.
func (r *memoryReader) again(ctx context.Context, p *Part) error {
	if len(r.doubts) == 0 {
		return nil
	}
	if err := r.v.Host().Wait(ctx, settle); err != nil {
		return err
	}
	for _, d := range r.doubts {
		if r.still(d) {
			continue
		}
		i := slices.IndexFunc(p.Process, func(q fact.Process) bool { return q.Ref == d.ref })
		m, id := p.Process[i].Memory, r.set.At(d.id).ID
		m.Patterns = slices.DeleteFunc(m.Patterns, func(f fact.Pattern) bool { return f.ID == id })
		if !slices.ContainsFunc(m.Patterns, notWeak) {
			m.Indicators = nil
		}
	}
	return nil
}

func notWeak(p fact.Pattern) bool { return p.Strength != pattern.Weak }

func (r *memoryReader) still(d doubt) bool {
	const longest = 256 // that a pattern may be
	mem, err := r.v.Host().Kernel.Memory(d.pid)
	if err != nil {
		return false
	}
	defer mem.Close()
	for _, at := range d.at {
		found := false
		n, _ := mem.ReadAt(r.buf[:longest], at)
		r.set.Scan(r.buf[:n], func(id, off int) { found = found || id == d.id && off == 0 })
		if found {
			return true
		}
	}
	return false
}
