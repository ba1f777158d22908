package observe

import (
	"encoding/binary"
	"os"
)

type addresses struct{ from, to uint64 }

var pageBytes = uint64(os.Getpagesize())

// Bounds of what is asked of a pagemap and kept of its answers: a mapping may
// be terabytes of which nothing was ever touched.
const (
	pageWindow = 64 << 20 // bytes of memory, of one reading of the pagemap
	mostLooks  = 64       // readings of one area
	maxLooks   = 4096     // of one process
	mostSpans  = 1 << 16  // resident parts of one area
)

// stripe is how much is read at a place when not all can be.
const stripe = 256 << 10

// read gives the resident pieces of an area to f, in order; gap says that the
// piece does not follow the one before. It stops at the bounds. Where the whole
// process is to be searched and more lies in the area than may be read, it
// reads stripes of it, evenly: what a runtime with a moving collector keeps is
// anywhere in its heap.
func (s *memorySearch) read(a area, f func(addr uint64, b []byte, gap bool)) {
	p := pieces{s: s, f: f, left: min(a.most, s.left), gap: true}
	may, there := p.left, int64(0)
	spans := s.resident(a)
	for _, span := range spans {
		there += int64(span.to - span.from)
	}
	if !s.whole {
		there = min(there, may)
	}
	var due int64 // it is read of each stripe what may be read of all, once that comes to a whole one
	for _, span := range spans {
		for ; span.from < span.to; span.from = min(span.from+stripe, span.to) {
			if due += may; due < there {
				s.memory.Scanned = "part"
				continue
			}
			due -= there
			if !p.read(span.from, min(span.from+stripe, span.to)) {
				return
			}
		}
	}
}

// pieces reads an area chunk by chunk.
type pieces struct {
	s        *memorySearch
	f        func(addr uint64, b []byte, gap bool)
	left     int64  // of the area
	end      uint64 // of the last piece
	gap      bool   // the next does not follow it
	failures int
}

// read reads on from an address; false when nothing more is to be read.
func (p *pieces) read(from, to uint64) bool {
	p.gap = p.gap || from != p.end
	for from < to && p.failures < 8 {
		n := min(uint64(len(p.s.r.buf)), to-from, uint64(max(0, p.left)), uint64(max(0, p.s.left)))
		if n == 0 {
			p.s.memory.Scanned = "part"
			return false
		}
		got, err := p.s.mem.ReadAt(p.s.r.buf[:n], int64(from))
		if got > 0 {
			p.f(from, p.s.r.buf[:got], p.gap)
			p.gap = false
			p.left, p.s.left = p.left-int64(got), p.s.left-int64(got)
		}
		from += uint64(got)
		p.end = from
		if err != nil { // a page that is not there any more; the next may be
			p.s.err, p.gap = err, true
			p.failures++
			from = (from + pageBytes) &^ (pageBytes - 1)
		}
	}
	return p.failures < 8
}

// resident are the parts of an area that lie in memory. What was never touched,
// or was swapped out, is left alone: to read it would make the target larger.
// Without a pagemap everything is read. Of an area that is larger than its
// readings, they lie evenly.
func (s *memorySearch) resident(a area) []addresses {
	if s.pages == nil {
		return []addresses{{a.from, a.to}}
	}
	size, most := a.to-a.from, uint64(1)
	if s.whole {
		most = mostLooks
	}
	n := max(1, min((size+pageWindow-1)/pageWindow, most))
	if n*pageWindow < size {
		s.memory.Scanned = "part"
	}
	step := max(pageWindow, size/n&^(pageBytes-1))
	var out []addresses
	for from := a.from; from < a.to && n > 0; from, n = from+step, n-1 {
		if s.looks--; s.looks < 0 || len(out) > mostSpans {
			s.memory.Scanned = "part"
			break
		}
		out = s.present(out, from, min(from+pageWindow, a.to))
	}
	return out
}

// pagePresent is a bit of /proc/PID/pagemap (Documentation/admin-guide/mm/
// pagemap.rst).
const pagePresent = 1 << 63

// present adds what is in memory between two addresses.
func (s *memorySearch) present(out []addresses, from, to uint64) []addresses {
	add := func(from, to uint64) {
		if last := len(out) - 1; last >= 0 && out[last].to == from {
			out[last].to = to
		} else {
			out = append(out, addresses{from, to})
		}
	}
	entries := make([]byte, (to-from)/pageBytes*8)
	n, err := s.pages.ReadAt(entries, int64(from/pageBytes*8))
	if err != nil && n == 0 {
		add(from, to)
		return out
	}
	for i := 0; i+8 <= n; i += 8 {
		if at := from + uint64(i)/8*pageBytes; binary.LittleEndian.Uint64(entries[i:])&pagePresent != 0 {
			add(at, at+pageBytes)
		}
	}
	return out
}
