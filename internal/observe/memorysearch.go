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
	at      []int64 // the first few places in data
}

const mostPlaces = 8 // of a pattern in data that are kept

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
	if where == fact.WhereData && len(h.at) < mostPlaces {
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

// indicators goes over the data again, in pieces that overlap: first around
// what was found, for a program says whom it mines for where it speaks of mining,
// and half of the bytes at the least over all of it.
func (s *memorySearch) indicators(areas []area) {
	const mostBytes, most = 16 << 20, 32
	scanned := s.memory.Scanned // of the search, not of this
	defer func() { s.memory.Scanned = scanned }()
	s.looks = maxLooks
	piece := make([]byte, 0, wallet.Longest+memoryChunk)
	defer func() { clear(piece[:cap(piece)]) }()
	look := func(addr uint64, b []byte, gap bool) {
		if gap {
			piece = piece[:0]
		}
		piece = append(piece[:copy(piece, piece[max(0, len(piece)-wallet.Longest):])], b...)
		for _, i := range wallet.Find(piece, int64(addr)+int64(len(b)-len(piece)), most) {
			s.memory.Indicators = addIndicator(s.memory.Indicators, i, most)
		}
	}
	s.left = mostBytes / 2
	for _, a := range s.around(areas) {
		s.read(a, look)
	}
	s.left += mostBytes / 2
	for _, a := range areas {
		s.read(a, look)
	}
}

// around are the surroundings of what was found, within their areas: the first
// place of every pattern comes before any second.
func (s *memorySearch) around(areas []area) []area {
	const reach = 128 << 10
	var out []area
	for n := range mostPlaces + 1 {
		for id := range s.r.set.Len() {
			at, ok := s.hits[id].place(n)
			i := slices.IndexFunc(areas, func(a area) bool { return a.from <= at && at < a.to })
			if !ok || i < 0 {
				continue
			}
			from, to := max(at, reach)-reach, at+reach // of whole pages
			from, to = max(areas[i].from, from&^(pageBytes-1)), min(areas[i].to, to&^(pageBytes-1))
			out = join(out, area{from: from, to: to, where: areas[i].where})
		}
	}
	for i := range out {
		out[i].most = int64(out[i].to - out[i].from)
	}
	return out
}

// place is the n-th that is known: the strongest one, then those in data.
func (h *hit) place(n int) (at uint64, ok bool) {
	switch {
	case h == nil || n > len(h.at):
		return 0, false
	case n == 0:
		return uint64(h.pattern.Offset), true
	}
	return uint64(h.at[n-1]), true
}

// join adds an area, or widens the first that it overlaps.
func join(as []area, a area) []area {
	for i := range as {
		if b := &as[i]; a.from <= b.to && b.from <= a.to {
			b.from, b.to = min(a.from, b.from), max(a.to, b.to)
			return as
		}
	}
	return append(as, a)
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
