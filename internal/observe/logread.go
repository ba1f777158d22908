package observe

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/logscan"
	"demine/internal/format/unpack"
	"demine/internal/host"
)

// logReader spends what one observer may spend on logs.
type logReader struct {
	ctx  context.Context
	v    *View
	p    *Part
	left int64 // bytes of text
	each int64 // at most of one file; 0: all that is left
	told bool  // with traces, what is left out is said
	seen map[fact.FileID]bool
}

func newLogReader(ctx context.Context, v *View, p *Part, sc Scope, little, much int64) *logReader {
	r := &logReader{ctx: ctx, v: v, p: p, left: little, told: sc.Traces, seen: map[fact.FileID]bool{}}
	if sc.Traces {
		r.left = much
	}
	return r
}

// scan gives the lines of one log with an anchor. Of a plain file that is
// larger than what may still be read its end is read, of a compressed one the
// beginning: its end is not to be had without the rest.
func (r *logReader) scan(at fact.Path, s *logscan.Scanner, start func(host.Info), hit func(l logscan.Line, number int, offset int64)) {
	f, info, err := r.v.Open(at)
	if err != nil {
		r.p.gap(at, err)
		return
	}
	defer f.Close()
	most := r.left
	if r.each > 0 {
		most = min(most, r.each)
	}
	if r.seen[info.ID] && info.ID != (fact.FileID{}) {
		return
	}
	r.seen[info.ID] = true
	if r.left <= 0 || r.ctx.Err() != nil {
		r.leave(at)
		return
	}
	start(info)
	skip := max(0, info.Size-most)
	input := &metered{ctx: r.ctx, r: io.NewSectionReader(f, 0, info.Size), left: most + headOfLog}
	plain, packed, err := unpack.Reader(input)
	if err != nil {
		r.p.gap(at, err)
		return
	}
	defer plain.Close()
	in := io.LimitReader(plain, most)
	switch {
	case packed:
		skip = 0
	case skip > 0:
		in = &metered{ctx: r.ctx, r: r.end(f, skip, info.Size), left: most}
		r.leave(at)
	}
	n, err := s.Scan(in, func(l logscan.Line) error {
		if r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		if skip > 0 {
			hit(l, 0, skip+l.Offset)
		} else {
			hit(l, l.Number, 0)
		}
		return nil
	})
	if packed { // what is packed may hold nothing, and have any size
		n = max(n, most-input.left)
	}
	r.left -= n
	if packed && n >= most {
		r.leave(at)
	}
	if err != nil && input.left >= 0 && !errors.Is(err, fs.ErrNotExist) {
		r.p.gap(at, err)
	}
}

// metered reads until a context ends, or more was read than may be.
type metered struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

// headOfLog may be read in any case, to see what a log is packed with.
const headOfLog = 64 << 10

var errSpent = errors.New("more than may be read of a log")

func (m *metered) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	if m.left -= int64(n); m.left < 0 {
		return 0, errSpent
	}
	return n, err
}

// end reads from the first whole line after skip.
func (r *logReader) end(f host.File, skip, size int64) io.Reader {
	return &cutLine{b: bufio.NewReaderSize(io.NewSectionReader(f, skip, size-skip), 64<<10)}
}

// cutLine blanks the first line, of which the beginning is missing: offsets
// stay right.
type cutLine struct {
	b    *bufio.Reader
	done bool
}

func (c *cutLine) Read(p []byte) (int, error) {
	n, err := c.b.Read(p)
	for i := 0; i < n && !c.done; i++ {
		c.done = p[i] == '\n'
		if !c.done {
			p[i] = ' '
		}
	}
	return n, err
}

func (r *logReader) leave(at fact.Path) {
	if r.told {
		r.p.Gaps = append(r.p.Gaps, fact.Gap{Code: "older-not-read", What: at.String()})
	}
}

// rotation is one file of a log that is rotated.
type rotation struct {
	path fact.Path
	age  int    // 0 is being written, 1 the one before it …
	n    int    // its number, where it has one
	date string // or its date
}

// rotations gives the files of a log, newest first: NAME, NAME.1, NAME.2.gz …,
// or NAME-20261115, NAME-20261108.xz (logrotate's dateext).
func rotations(dir fact.Path, names []string, base string) []rotation {
	var out []rotation
	for _, n := range names {
		suffix, ok := strings.CutPrefix(n, base)
		if !ok {
			continue
		}
		r := rotation{path: host.Join(dir, n)}
		if suffix != "" {
			if len(suffix) < 2 {
				continue
			}
			mark := suffix[1:]
			if e := path.Ext(suffix); slices.Contains([]string{".gz", ".xz", ".bz2", ".zst"}, e) && len(e) < len(suffix) {
				mark = suffix[1 : len(suffix)-len(e)]
			}
			number, err := strconv.Atoi(mark)
			switch {
			case suffix[0] == '.' && err == nil && number >= 0 && number < 10_000:
				r.n = number + 1 // some begin with 0
			case (suffix[0] == '-' || suffix[0] == '.') && len(mark) >= 6 && strings.Trim(mark, "0123456789-") == "":
				r.date = mark
			default:
				continue
			}
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b rotation) int {
		return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(b.order(), a.order()))
	})
	for i := range out {
		out[i].age = i
	}
	return out
}

// order puts the file that is written now before those with dates.
func (r rotation) order() string {
	if r.date == "" && r.n == 0 {
		return "~"
	}
	return r.date
}

// lastLine is when the last line of a file can have been written: what stands
// in it is no newer, so that a year which it does not say can be told.
func lastLine(info host.Info, age int, now time.Time) time.Time {
	if m := info.Modified; age > 0 && m.Year() > 2000 && m.Before(now) {
		return m
	}
	return now
}
