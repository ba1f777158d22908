package observe

import (
	"context"
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
	whole  bool      // all of it is wanted, not the beginnings of what is large
	looks  int       // windows of the pagemap that may still be read
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
	whole := !miner && slices.Contains(r.whole, p.Ref)
	pool, share := r.share(whole)
	s := &memorySearch{r: r, ref: p.Ref, pid: p.PID, mem: mem, whole: whole, looks: maxLooks, left: share}
	s.memory, s.hits = &l.memory, map[int]*hit{}
	if f, _, err := r.v.Open(pidPath(p.PID) + "/pagemap"); err == nil {
		s.pages = f
		defer f.Close()
	}
	if l.memory.Scanned == "" {
		l.memory.Scanned = "whole"
	}
	if whole {
		l.widen(share)
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
	*pool -= share - s.left
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
		if h := s.hits[id]; h != nil {
			s.memory.Patterns = append(s.memory.Patterns, h.pattern)
		}
	}
	if !speaks(s.memory.Patterns) {
		return false
	}
	weak := !slices.ContainsFunc(s.memory.Patterns, notWeak)
	for id := range s.r.set.Len() {
		if h := s.hits[id]; h != nil && h.pattern.Where == fact.WhereData && (weak || notWeak(h.pattern)) {
			s.doubts = append(s.doubts, doubt{s.ref, s.pid, id, h.at})
		}
	}
	return true
}

// speaks: the patterns speak of mining together, if one is more than weak or
// there are several. A miner in a script may say no word that others never do.
func speaks(ps []fact.Pattern) bool {
	const several = 3
	return len(ps) >= several || slices.ContainsFunc(ps, notWeak)
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
		if !speaks(m.Patterns) {
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
