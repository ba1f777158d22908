package pattern

// Scan calls hit for every occurrence in b, also overlapping ones, in the
// order of their ends, with the number of the pattern and the offset of its
// first byte.
func (s *Set) Scan(b []byte, hit func(id int, off int)) {
	s.run(0, b, func(ends uint32, end int) {
		for _, id := range s.outs[ends] {
			if off, ok := s.exact(id, b, end); ok {
				hit(int(id), off)
			}
		}
	})
}

// run feeds b to the automaton and calls found with the output list and the
// offset of the byte after, wherever some pattern may end. It gives the state
// in which it stopped.
func (s *Set) run(state uint32, b []byte, found func(ends uint32, end int)) uint32 {
	if len(s.outs) == 0 {
		return 0
	}
	next, class, accept := s.next, &s.class, s.accept
	for i, c := range b {
		state = next[state+uint32(class[c])]
		if state >= accept {
			found((state-accept)/s.width, i+1)
		}
	}
	return state
}

// exact checks the case of the letters of pattern id that ends at b[end]; its
// length comes from what was compiled.
func (s *Set) exact(id int32, b []byte, end int) (off int, ok bool) {
	off = end - s.lens[id]
	m := s.masked[id]
	for i, c := range m {
		if b[off+i] != c^mask {
			return 0, false
		}
	}
	return off, true
}

// Scanner finds patterns in what comes in pieces, also across them.
type Scanner struct {
	// Hit is called for every occurrence, with the offset of its first byte
	// since the start or the last Reset.
	Hit func(id int, off int64)

	set   *Set
	state uint32
	off   int64  // of the next byte
	tail  []byte // the last bytes of what came before
}

// Scanner starts at offset 0. Set its Hit before the first Write.
func (s *Set) Scanner() *Scanner {
	return &Scanner{set: s, tail: make([]byte, 0, 2*s.longest)}
}

// Reset forgets what came before; the next byte stands at off. It is for a
// gap: what stands on both sides of one is no match.
func (c *Scanner) Reset(off int64) {
	c.state, c.off, c.tail = 0, off, c.tail[:0]
}

// Write takes the next piece. It never fails and does not keep p.
func (c *Scanner) Write(p []byte) (int, error) {
	s := c.set
	c.state = s.run(c.state, p, func(ends uint32, end int) {
		for _, id := range s.outs[ends] {
			if c.exact(id, p, end) && c.Hit != nil {
				c.Hit(int(id), c.off+int64(end-s.lens[id]))
			}
		}
	})
	c.keep(p)
	c.off += int64(len(p))
	return len(p), nil
}

// exact is Set.exact over the seam between tail and p.
func (c *Scanner) exact(id int32, p []byte, end int) bool {
	s := c.set
	if off := end - s.lens[id]; off < 0 {
		for i, m := range s.masked[id] {
			var b byte
			if at := off + i; at >= 0 {
				b = p[at]
			} else {
				b = c.tail[len(c.tail)+at]
			}
			if b != m^mask {
				return false
			}
		}
		return true
	}
	_, ok := s.exact(id, p, end)
	return ok
}

// keep remembers as many bytes as the longest pattern has.
func (c *Scanner) keep(p []byte) {
	n := c.set.longest
	if len(p) >= n {
		c.tail = append(c.tail[:0], p[len(p)-n:]...)
		return
	}
	c.tail = append(c.tail, p...)
	if len(c.tail) > n {
		c.tail = append(c.tail[:0], c.tail[len(c.tail)-n:]...)
	}
}
