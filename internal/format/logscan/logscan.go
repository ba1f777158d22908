// Package logscan goes through logs of any size in one pass and a fixed
// buffer: it finds the lines that hold one of a set of byte strings, and looks
// at no other. What it costs is the search, not the lines.
package logscan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"demine/internal/format/pattern"
)

// MaxLine is where a line is cut: a longer one is looked at in pieces, which
// are told as one line each with the same number.
const MaxLine = 64 << 10

const (
	bufferSize = 256 << 10
	maxBefore  = 8 << 10
	maxHead    = 256 // of a line that fills all of maxBefore: its time stands there
)

// Line is one line that holds an anchor, without its newline. What
// it points to is valid until hit returns.
type Line struct {
	Text    []byte
	Number  int    // 1-based, in what was read
	Offset  int64  // of its first byte
	Anchors []int  // numbers of those that were found in it
	Before  []byte // what stands before it, of long lines the heads: a few KiB at most
}

// Scanner finds anchors. It is not safe for concurrent use.
type Scanner struct {
	set *pattern.Set
	buf []byte
}

// New makes a Scanner of anchors of 4 to 256 bytes; letters match in both
// cases where noCase.
func New(anchors []string, noCase bool) (*Scanner, error) {
	ps := make([]pattern.Pattern, len(anchors))
	for i, a := range anchors {
		ps[i] = pattern.Pattern{ID: fmt.Sprint(i), Strength: pattern.Weak, Bytes: []byte(a), NoCase: noCase}
	}
	set, err := pattern.Compile(ps)
	if err != nil {
		return nil, fmt.Errorf("anchors: %w", err)
	}
	return &Scanner{set: set, buf: make([]byte, bufferSize)}, nil
}

// ErrStop is what hit returns to end a Scan without an error.
var ErrStop = errors.New("enough")

// Scan calls hit for each line with an anchor, in order. It gives the bytes
// read; an error is that of r or of hit.
func (s *Scanner) Scan(r io.Reader, hit func(Line) error) (int64, error) {
	p := pass{set: s.set, hit: hit, line: 1}
	have := 0
	for {
		n, err := r.Read(s.buf[have:])
		have += n
		end := bytes.LastIndexByte(s.buf[:have], '\n') + 1
		switch {
		case err != nil:
			end = have // the last line may have no newline
		case end == 0 && have >= MaxLine:
			end = have
		}
		if stop := p.chunk(s.buf[:end]); stop != nil {
			if errors.Is(stop, ErrStop) {
				stop = nil
			}
			return p.off, stop
		}
		have = copy(s.buf, s.buf[end:have])
		if errors.Is(err, io.EOF) {
			return p.off, nil
		}
		if err != nil {
			return p.off, err
		}
	}
}

// before is the end of b; if that is nothing but the end of a line (a library that MySQL was sent in hexadecimal digits,
// say), then the heads of the lines in b, as many as are enough to find a time.
func before(b []byte) []byte {
	tail := b[max(0, len(b)-maxBefore):]
	if len(tail) == len(b) || bytes.IndexByte(tail[:len(tail)-1], '\n') >= 0 {
		return tail
	}
	var heads []byte
	for n := 0; len(b) > 0 && n < maxBefore/maxHead; n++ {
		line := b[bytes.LastIndexByte(b[:len(b)-1], '\n')+1:]
		b = b[:len(b)-len(line)]
		head := line[:min(len(line)-1, maxHead)]
		heads = slices.Concat(head, newline, heads)
	}
	return heads
}

type pass struct {
	set     *pattern.Set
	hit     func(Line) error
	off     int64 // of the chunk
	line    int   // number of its first line
	anchors []int // of the line that the search is in
}

// chunk takes whole lines, or a piece of one that is too long.
func (p *pass) chunk(b []byte) (err error) {
	from, to, counted, line := 0, -1, 0, p.line
	tell := func() {
		if to < 0 || err != nil {
			return
		}
		line += bytes.Count(b[counted:from], newline)
		counted = from
		text := bytes.TrimSuffix(b[from:to], []byte{'\r'})
		err = p.hit(Line{
			Text: text[:min(len(text), MaxLine)], Number: line, Offset: p.off + int64(from), Anchors: p.anchors,
			Before: before(b[:from]),
		})
	}
	p.set.Scan(b, func(id, at int) {
		if at >= to {
			tell()
			p.anchors = p.anchors[:0]
			from = bytes.LastIndexByte(b[:at], '\n') + 1
			to = len(b)
			if i := bytes.IndexByte(b[at:], '\n'); i >= 0 {
				to = at + i
			}
		}
		if !slices.Contains(p.anchors, id) {
			p.anchors = append(p.anchors, id)
		}
	})
	tell()
	p.line = line + bytes.Count(b[counted:], newline)
	p.off += int64(len(b))
	return err
}

var newline = []byte{'\n'}
