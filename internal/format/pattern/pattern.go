// Package pattern finds many byte strings in one pass. It samples: of every
// few bytes it looks at one gram of three, and only where some string has that
// gram it compares. That is the block table of Wu and Manber ("A fast algorithm
// for multi-pattern searching", TR-94-17, 1994) with a fixed stride in place of
// their shift: the loads of one step do not wait for those of the step before.
// The content is the package patterns of this module.
package pattern

import (
	"bytes"
	"fmt"
)

// Strengths of a Pattern.
const (
	Conclusive = "conclusive" // nothing else has it
	Strong     = "strong"     // few other things have it
	Weak       = "weak"       // only tells something beside others
)

// Pattern is one byte string to look for.
type Pattern struct {
	ID       string `json:"id"`
	Strength string `json:"strength"`
	Bytes    []byte `json:"bytes"`
	NoCase   bool   `json:"nocase,omitempty"` // ASCII letters match in both cases
}

// Limits of a Set.
const (
	MinLen = 4
	MaxLen = 256
	maxSet = 1 << 17
)

// Set is what Compile gives. It is safe for concurrent use and does not hold
// the strings in clear, so that a scanner of memory does not find them in it.
type Set struct {
	info    []Pattern // without Bytes
	masked  [][]byte  // their Bytes under mask, in lower case where case does not matter
	longest int
	stride  int // distance of the grams that are looked at
	table   *table
}

// mask keeps what is compared out of clear.
const mask = 0xa5

// Len is how many patterns there are; their numbers are those of the slice
// that was compiled.
func (s *Set) Len() int { return len(s.info) }

// At gives a pattern's ID, Strength and NoCase, without its Bytes.
func (s *Set) At(id int) Pattern { return s.info[id] }

// Compile makes a Set. An error names the pattern that is shorter than MinLen
// or longer than MaxLen, has no known strength or the ID of another one.
func Compile(ps []Pattern) (*Set, error) {
	if len(ps) > maxSet {
		return nil, fmt.Errorf("%d patterns, at most %d", len(ps), maxSet)
	}
	s := &Set{}
	ids := map[string]bool{}
	for _, p := range ps {
		switch {
		case len(p.Bytes) < MinLen || len(p.Bytes) > MaxLen:
			return nil, fmt.Errorf("pattern %q: %d bytes, want %d to %d", p.ID, len(p.Bytes), MinLen, MaxLen)
		case p.Strength != Conclusive && p.Strength != Strong && p.Strength != Weak:
			return nil, fmt.Errorf("pattern %q: strength %q", p.ID, p.Strength)
		case p.ID == "" || ids[p.ID]:
			return nil, fmt.Errorf("pattern %q: no id of its own", p.ID)
		}
		ids[p.ID] = true
		s.longest = max(s.longest, len(p.Bytes))
		s.masked = append(s.masked, masked(p))
		p.Bytes = nil
		s.info = append(s.info, p)
	}
	s.build(ps)
	return s, nil
}

func masked(p Pattern) []byte {
	out := bytes.Clone(p.Bytes)
	for i, c := range out {
		if p.NoCase {
			c = lower(c)
		}
		out[i] = c ^ mask
	}
	return out
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// stands reports whether pattern id stands in b at off.
func (s *Set) stands(id int32, b []byte, off int) bool {
	m := s.masked[id]
	if off < 0 || off+len(m) > len(b) {
		return false
	}
	b = b[off : off+len(m)]
	if s.info[id].NoCase {
		for i, c := range m {
			if lower(b[i])^mask != c {
				return false
			}
		}
		return true
	}
	for i, c := range m {
		if b[i]^mask != c {
			return false
		}
	}
	return true
}
