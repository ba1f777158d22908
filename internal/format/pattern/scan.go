package pattern

import "encoding/binary"

// Scan calls hit for every occurrence in b, also overlapping ones, with the
// number of the pattern and the offset of its first byte; those of one pattern
// in the order of their offsets.
func (s *Set) Scan(b []byte, hit func(id int, off int)) {
	if len(s.info) == 0 {
		return
	}
	some, d, i := &s.table.some, s.stride, 0
	next := uint(8*d) & 63 // eight bytes hold the grams at i and at i+d
	for ; i+2*d+8 <= len(b); i += 4 * d {
		u, v := binary.LittleEndian.Uint64(b[i:]), binary.LittleEndian.Uint64(b[i+2*d:])
		h0, h1, h2, h3 := hash(uint32(u)), hash(uint32(u>>next)), hash(uint32(v)), hash(uint32(v>>next))
		if some[h0]|some[h1]|some[h2]|some[h3] == 0 {
			continue
		}
		for n, h := range [...]uint16{h0, h1, h2, h3} {
			if some[h] != 0 {
				s.look(h, b, i+n*d, hit)
			}
		}
	}
	for ; i+gramLen <= len(b); i += d {
		s.look(hash3(b[i:]), b, i, hit)
	}
}

// look compares the patterns that have a gram of this hash with what stands
// around i.
func (s *Set) look(h uint16, b []byte, i int, hit func(id int, off int)) {
	t := s.table
	for _, g := range t.grams[t.first[h]:t.first[int(h)+1]] {
		if off := i - int(g.at); s.stands(g.id, b, off) {
			hit(int(g.id), off)
		}
	}
}

// Scanner finds patterns in what comes in pieces, also across them.
type Scanner struct {
	// Hit is called for every occurrence, with the offset of its first byte
	// since the start or the last Reset.
	Hit func(id int, off int64)

	set  *Set
	off  int64  // of the next byte
	tail []byte // the last bytes of what came before: one less than the longest pattern has
	seam []byte
}

// Scanner starts at offset 0. Set its Hit before the first Write.
func (s *Set) Scanner() *Scanner { return &Scanner{set: s} }

// Reset forgets what came before; the next byte stands at off. It is for a
// gap: what stands on both sides of one is no match.
func (c *Scanner) Reset(off int64) { c.off, c.tail = off, c.tail[:0] }

// Write takes the next piece. It never fails and does not keep p.
func (c *Scanner) Write(p []byte) (int, error) {
	if c.Hit != nil {
		c.across(p)
		c.set.Scan(p, func(id, off int) { c.Hit(id, c.off+int64(off)) })
	}
	c.keep(p)
	c.off += int64(len(p))
	return len(p), nil
}

// across finds what begins in the tail and ends in p.
func (c *Scanner) across(p []byte) {
	n := len(c.tail)
	c.seam = append(append(c.seam[:0], c.tail...), p[:min(len(p), max(0, c.set.longest-1))]...)
	c.set.Scan(c.seam, func(id, off int) {
		if off < n && off+len(c.set.masked[id]) > n {
			c.Hit(id, c.off-int64(n)+int64(off))
		}
	})
}

func (c *Scanner) keep(p []byte) {
	n := max(0, c.set.longest-1)
	if len(p) >= n {
		c.tail = append(c.tail[:0], p[len(p)-n:]...)
		return
	}
	c.tail = append(c.tail, p...)
	if over := len(c.tail) - n; over > 0 {
		c.tail = append(c.tail[:0], c.tail[over:]...)
	}
}
