package pattern

import "slices"

// build makes the automaton of the folded words.
func (s *Set) build(words [][]byte) error {
	s.classes(words)
	t := trie{width: int(s.width)}
	t.add()
	for id, w := range words {
		if err := t.insert(id, w, &s.class); err != nil {
			return err
		}
	}
	t.link()
	s.number(&t)
	return nil
}

// classes gives each byte that occurs in a word its own class, and all others
// class 0; capital letters have the class of the small ones.
func (s *Set) classes(words [][]byte) {
	n := uint8(0)
	var seen [256]bool
	for _, w := range words {
		for _, c := range w {
			if !seen[c] {
				seen[c] = true
				n++ // at most 230: capitals never occur
				s.class[c] = n
			}
		}
	}
	for c := byte('A'); c <= 'Z'; c++ {
		s.class[c] = s.class[c|0x20]
	}
	s.width = uint32(n) + 1
}

// trie is the automaton while it is made; state 0 is the start.
type trie struct {
	width int
	next  []int32 // state*width+class → state, -1 none
	outs  [][]int32
	fail  []int32
}

func (t *trie) add() int32 {
	for range t.width {
		t.next = append(t.next, -1)
	}
	t.outs = append(t.outs, nil)
	return int32(len(t.outs) - 1)
}

func (t *trie) insert(id int, w []byte, class *[256]uint8) error {
	at := int32(0)
	for _, c := range w {
		i := int(at)*t.width + int(class[c])
		if t.next[i] < 0 {
			if len(t.outs) >= maxStates {
				return errTooMany
			}
			n := t.add()
			t.next[i] = n
		}
		at = t.next[i]
	}
	t.outs[at] = append(t.outs[at], int32(id))
	return nil
}

// link fills the missing transitions from those of the longest proper suffix,
// in order of depth, and takes over what ends there.
func (t *trie) link() {
	t.fail = make([]int32, len(t.outs))
	queue := make([]int32, 1, len(t.outs))
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for c := range t.width {
			i := int(at)*t.width + c
			via := int32(0)
			if at != 0 {
				via = t.next[int(t.fail[at])*t.width+c]
			}
			to := t.next[i]
			if to < 0 {
				t.next[i] = via
				continue
			}
			t.fail[to] = via
			t.outs[to] = append(slices.Clip(t.outs[to]), t.outs[via]...)
			queue = append(queue, to)
		}
	}
}

// number moves the states that end a pattern to the back, so that one
// comparison a byte tells them.
func (s *Set) number(t *trie) {
	order := make([]uint32, len(t.outs)) // old → new, premultiplied
	n := uint32(0)
	for _, ends := range []bool{false, true} {
		if ends {
			s.accept = n * s.width
		}
		for old, o := range t.outs {
			if (len(o) > 0) == ends {
				order[old] = n * s.width
				n++
				if ends {
					s.outs = append(s.outs, o)
				}
			}
		}
	}
	s.next = make([]uint32, len(t.next))
	for old := range t.outs {
		for c := range t.width {
			s.next[int(order[old])+c] = order[t.next[old*t.width+c]]
		}
	}
}
