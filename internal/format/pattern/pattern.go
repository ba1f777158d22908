// Package pattern finds many byte strings in one pass: an automaton of Aho and
// Corasick ("Efficient string matching: an aid to bibliographic search", CACM
// 18(6), 1975) made deterministic, over classes of bytes. The content is the
// package patterns of this module.
package pattern

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
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

// Limits of a Set: what they allow takes 64 MiB at most.
const (
	minLen    = 4
	maxLen    = 256
	maxStates = 1 << 16
)

// Set is what Compile gives. It is safe for concurrent use and does not hold
// the strings in clear, so that a scanner of memory does not find them in it.
type Set struct {
	info    []Pattern // without Bytes
	class   [256]uint8
	width   uint32   // transitions of a state
	next    []uint32 // state+class → state; states are multiples of width
	accept  uint32   // states from here on end a pattern
	outs    [][]int32
	longest int
	lens    []int
	masked  [][]byte // nil where the automaton alone decides
}

// mask keeps the copies that letters' case is checked against out of clear.
const mask = 0xa5

// Len is how many patterns there are; their numbers are those of the slice
// that was compiled.
func (s *Set) Len() int { return len(s.info) }

// At gives a pattern's ID, Strength and NoCase, without its Bytes.
func (s *Set) At(id int) Pattern { return s.info[id] }

// Compile makes a Set. An error names the pattern that is shorter than 4 or
// longer than 256 bytes, has no known strength or the ID of another one.
func Compile(ps []Pattern) (*Set, error) {
	s := &Set{}
	ids := map[string]bool{}
	var words [][]byte
	for _, p := range ps {
		switch {
		case len(p.Bytes) < minLen || len(p.Bytes) > maxLen:
			return nil, fmt.Errorf("pattern %q: %d bytes, want %d to %d", p.ID, len(p.Bytes), minLen, maxLen)
		case p.Strength != Conclusive && p.Strength != Strong && p.Strength != Weak:
			return nil, fmt.Errorf("pattern %q: strength %q", p.ID, p.Strength)
		case p.ID == "" || ids[p.ID]:
			return nil, fmt.Errorf("pattern %q: no id of its own", p.ID)
		}
		ids[p.ID] = true
		s.longest = max(s.longest, len(p.Bytes))
		s.lens = append(s.lens, len(p.Bytes))
		words = append(words, folded(p.Bytes))
		s.masked = append(s.masked, masked(p))
		p.Bytes = nil
		s.info = append(s.info, p)
	}
	return s, s.build(words)
}

// folded is p in lower case (ASCII): the automaton knows no other.
func folded(p []byte) []byte {
	out := bytes.Clone(p)
	for i, c := range out {
		out[i] = lower(c)
	}
	return out
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// masked is what an exact pattern with letters is checked against.
func masked(p Pattern) []byte {
	letters := slices.ContainsFunc(p.Bytes, func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' })
	if p.NoCase || !letters {
		return nil
	}
	out := bytes.Clone(p.Bytes)
	for i := range out {
		out[i] ^= mask
	}
	return out
}

var errTooMany = errors.New("too many patterns")
