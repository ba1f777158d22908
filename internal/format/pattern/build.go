package pattern

import (
	"cmp"
	"slices"
)

const (
	gramLen    = 3
	longWindow = 7 // at most: two grams at its stride fit into the eight bytes that Scan reads
	hashBits   = 15
)

// gram is one place in a pattern by which it is found.
type gram struct {
	hash uint16
	at   uint16 // offset in the pattern
	id   int32
}

// table tells of every gram that occurs in a pattern's window which those are.
type table struct {
	some  [1 << hashBits]uint8   // 1 where there is one
	first [1<<hashBits + 1]int32 // grams[first[h]:first[h+1]] have hash h
	grams []gram
}

// build takes of each pattern a window as long as the shortest one. Wherever
// it stands, exactly one of its grams is at a multiple of the stride.
func (s *Set) build(ps []Pattern) {
	window := longWindow
	for _, p := range ps {
		window = min(window, len(p.Bytes))
	}
	s.stride = window - gramLen + 1
	t := &table{}
	for id, p := range ps {
		from := rarest(p.Bytes, window)
		for at := from; at < from+s.stride; at++ {
			t.grams = append(t.grams, gram{hash3(p.Bytes[at:]), uint16(at), int32(id)})
		}
	}
	// Those of one pattern by falling offset: so its hits come in order.
	slices.SortFunc(t.grams, func(a, b gram) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(b.at, a.at), cmp.Compare(a.id, b.id))
	})
	for _, g := range t.grams {
		t.some[g.hash] = 1
		t.first[int(g.hash)+1]++
	}
	for h := range 1 << hashBits {
		t.first[h+1] += t.first[h]
	}
	s.table = t
}

// hash takes the first three bytes of four in little endian, letters of both
// cases alike (and some signs with each other: what is found is compared).
func hash(v uint32) uint16 {
	return uint16((v | 0x20202020) << 8 * 0x9e3779b1 >> (32 - hashBits))
}

func hash3(b []byte) uint16 { return hash(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16) }

// rarest gives where the window of w begins whose grams are the least common
// in programs and texts.
func rarest(w []byte, window int) (from int) {
	best := -1
	for at := 0; at+window <= len(w); at++ {
		sum := 0
		for i := at; i+gramLen <= at+window; i++ {
			sum += commonness(w[i]) * commonness(w[i+1]) * commonness(w[i+2])
		}
		if best < 0 || sum < best {
			best, from = sum, at
		}
	}
	return from
}

// commonness ranks bytes by how many of them programs and texts hold, roughly:
// it only decides what is compared in vain.
func commonness(c byte) int {
	switch c = lower(c); {
	case c == 0:
		return 40
	case c == 0xff, c == ' ', c == 'e', c == 't', c == 'a', c == 'i', c == 'n', c == 'o', c == 'r', c == 's':
		return 10
	case c >= 'a' && c <= 'z', c == '_', c == 0x48, c == 0x8b, c == 0x89, c == 0x24, c == 0x0f, c == 1:
		return 6 // the last ones are x86-64 code
	case c >= '0' && c <= '9', c == '.', c == '-', c == '/', c < 0x20, c == 0xe8, c == 0x8d, c == 0xc0:
		return 4
	}
	return 2
}
