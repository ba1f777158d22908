package observe

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/pattern"
	"demine/internal/format/yara"
	"demine/internal/host"
)

// maxYara is how much of a file YARA rules are run over: their offsets and
// counts need all of it at once.
const maxYara = 64 << 20

// yaraPrefix begins the ids of what a YARA rule found.
const yaraPrefix = "yara:"

// searcher searches whole files for known patterns and with YARA rules. It is
// not safe for concurrent use.
type searcher struct {
	set   *pattern.Set
	rules *yara.Rules
	hits  []fact.Pattern // by number in set; none where Count is 0
	buf   []byte
	whole []byte // what YARA rules see
	head  []byte
}

func newSearcher(set *pattern.Set, rules *yara.Rules) *searcher {
	return &searcher{set: set, rules: rules, hits: make([]fact.Pattern, set.Len()), buf: make([]byte, imageChunk)}
}

// file searches one file. whole is false when it was searched in part only.
func (s *searcher) file(ctx context.Context, f host.File, size int64) (hits []fact.Pattern, whole bool, err error) {
	clear(s.hits)
	s.whole, s.head = s.whole[:0], s.head[:0]
	if s.rules != nil {
		s.whole = slices.Grow(s.whole, int(min(size, maxYara)))
	}
	c := s.set.Scanner()
	c.Hit = func(id int, off int64) {
		h := &s.hits[id]
		if h.Count++; h.Count == 1 {
			p := s.set.At(id)
			h.ID, h.Strength, h.Offset = p.ID, p.Strength, off
		}
	}
	whole = size <= maxImage
	if err := s.feed(ctx, c, f, min(size, maxImage)); err != nil {
		return nil, false, err
	}
	for _, h := range s.hits {
		if h.Count > 0 {
			hits = append(hits, h)
		}
	}
	if s.rules != nil {
		more, all := yaraHits(s.rules, s.whole)
		hits, whole = append(hits, more...), whole && all && size <= maxYara
	}
	return hits, whole, nil
}

func (s *searcher) feed(ctx context.Context, c *pattern.Scanner, f host.File, size int64) error {
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.ReadAt(s.buf[:min(int64(len(s.buf)), size-off)], off)
		b := s.buf[:n]
		if off == 0 {
			s.head = append(s.head, b[:min(n, headSize)]...)
		}
		_, _ = c.Write(b)
		if s.rules != nil && off < maxYara {
			s.whole = append(s.whole, b...)
		}
		off += int64(n)
		if errors.Is(err, io.EOF) || n == 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// format is what the first bytes of the last file say.
func (s *searcher) format() string {
	f := format(s.head)
	if f == "text" && strings.HasPrefix(strings.TrimLeft(string(s.head), " \t\r\n"), "{") {
		return "json"
	}
	return f
}

// yaraHits runs the rules; all is false when they were given up.
func yaraHits(rules *yara.Rules, data []byte) (hits []fact.Pattern, all bool) {
	found, err := rules.Scan(data)
	for _, m := range found {
		strength := pattern.Weak
		if m.Meta("demine_strength") == pattern.Strong {
			strength = pattern.Strong
		}
		hits = append(hits, fact.Pattern{ID: yaraPrefix + m.Rule, Strength: strength, Offset: int64(m.Offset), Count: max(1, m.Count)})
	}
	return hits, err == nil
}
