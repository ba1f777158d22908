package crontab

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// span is one of the five fields: its numbers, its names, and the words of the
// daemons for an error in it.
type span struct {
	low, high int
	names     []string
	why       string
}

var spans = [5]span{
	{0, 59, nil, "bad minute"},
	{0, 23, nil, "bad hour"},
	{1, 31, nil, "bad day-of-month"},
	{1, 12, monthNames, "bad month"},
	{0, 7, dayNames, "bad day-of-week"},
}

var (
	monthNames = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	dayNames   = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun"} // misc.c has both Sundays
)

// masks of one field: the numbers that it can take, and those that are left
// when each random range (cronie's a~b) takes its lowest.
type masks struct{ all, pick uint64 }

func (m *masks) add(n int, pick bool) {
	m.all |= 1 << n
	if pick {
		m.pick |= 1 << n
	}
}

// fields reads the five fields whose first byte is ch; the byte after them and
// their blanks is returned. After an error the last byte is put back.
func (p *vixie) fields(s *Schedule, ch int) (int, string) {
	var m [5]masks
	var star [5]bool
	for i := range spans {
		star[i] = ch == '*'
		ch = p.list(&m[i], spans[i], ch)
		if ch == eof {
			return eof, spans[i].why
		}
	}
	*s = newSchedule(m, star[2] || star[4])
	return ch, ""
}

// list is get_list of entry.c. What follows a range without being a comma is
// skipped up to the next blank, as Vixie does ("*/5x" is "*/5").
func (p *vixie) list(m *masks, s span, ch int) int {
	for {
		ch = p.element(m, s, ch)
		if ch == eof || p.o.Dialect == Debian && ch == 0xff {
			p.unget(ch)
			return eof
		}
		if ch != ',' {
			break
		}
		ch = p.get()
	}
	for ch != '\t' && ch != ' ' && ch != '\n' && ch != eof {
		ch = p.get()
	}
	return p.blanks(ch)
}

// element is get_range of entry.c: *, n, n-m, with /step after a star or a
// range; cronie also has ~, n~, ~m and n~m.
func (p *vixie) element(m *masks, s span, ch int) int {
	cronie := p.o.Dialect == Cronie
	from, to := s.low, s.high
	var ok bool
	switch {
	case ch == '*':
		ch = p.get()
	case ch == '~' && cronie:
		return p.random(m, s, from)
	default:
		if from, ch, ok = p.number(s, ch, ",-~ \t\n"); !ok {
			return eof
		}
		if ch == '~' && cronie {
			return p.random(m, s, from)
		}
		if ch != '-' {
			return p.single(m, s, from, ch)
		}
		if to, ch, ok = p.number(s, p.get(), "/, \t\n"); !ok || cronie && from > to {
			p.unget(ch)
			return eof
		}
	}
	step := 1
	if ch == '/' {
		if step, ch, ok = p.number(span{}, p.get(), ", \t\n"); !ok || step <= 0 {
			p.unget(ch)
			return eof
		}
	}
	if from < s.low || from > s.high || to < s.low || to > s.high {
		p.unget(ch)
		return eof
	}
	// Debian takes 5-3 for a range of nothing.
	for i := from; i <= to; i += step {
		m.add(i, true)
	}
	return ch
}

func (p *vixie) single(m *masks, s span, n, ch int) int {
	if n < s.low || n > s.high || p.o.Dialect == Debian && ch == '/' {
		p.unget(ch)
		return eof
	}
	m.add(n, true)
	return ch
}

// random is what follows a tilde: cronie draws one number of the range when it
// loads the file.
func (p *vixie) random(m *masks, s span, from int) int {
	to, ch, ok := s.high, p.get(), true
	if !among(", \t\n", ch) {
		to, ch, ok = p.number(s, ch, ", \t\n")
	}
	if !ok || from < s.low || from > to || to > s.high {
		if ok {
			p.unget(ch)
		}
		return eof
	}
	for i := from; i <= to; i++ {
		m.add(i, i == from)
	}
	return ch
}

// number is get_number of entry.c. When it fails, the last byte was put back
// and ch is eof. Debian takes any byte after a number, cronie a terminator.
func (p *vixie) number(s span, ch int, terms string) (n, next int, ok bool) {
	start := p.pos - 1
	if ch == eof {
		return 0, eof, false
	}
	digits := true
	for isAlnum(ch) && p.pos-start < p.size {
		if !isDigit(ch) {
			if p.o.Dialect == Cronie && (digits && p.pos-1 > start) {
				break // letters do not continue digits
			}
			digits = false
		} else if p.o.Dialect == Cronie && !digits {
			break
		}
		ch = p.get()
	}
	end := p.pos
	if ch != eof {
		end--
	}
	w := string(p.b[start:end])
	if w == "" || len(w) >= p.size-1 || p.o.Dialect == Cronie && !among(terms, ch) {
		p.unget(ch)
		return 0, eof, false
	}
	for i, name := range s.names {
		if strings.EqualFold(name, w) {
			return i + s.low, ch, true
		}
	}
	if !digits {
		p.unget(ch)
		return 0, eof, false
	}
	return atoi(w), ch, true
}

// atoi is atoi of glibc: strtol, which stops at the largest long, cut to an
// int.
func atoi(w string) int {
	n, err := strconv.ParseInt(w, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		n = math.MaxInt64
	}
	return int(int32(n))
}

func isDigit(ch int) bool { return ch >= '0' && ch <= '9' }

func isAlnum(ch int) bool { return isDigit(ch) || ch|0x20 >= 'a' && ch|0x20 <= 'z' }
