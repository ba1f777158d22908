package crontab

import (
	"bytes"
	"strings"

	"demine/internal/fact"
)

// busyboxDays is the size of cl_Days, which counts a day 0 (crond.c).
const busyboxDays = 32

// busyboxFields are the arguments of load_crontab's calls of ParseField.
var busyboxFields = [5]struct {
	size, off int
	names     []string
}{
	{60, 0, nil}, {24, 0, nil}, {busyboxDays, 0, nil}, {12, -1, monthNames}, {7, 0, dayNames[:7]},
}

// parseBusybox is load_crontab of crond.c, with the tables of root: a file of
// another user ends after 255 lines.
func parseBusybox(b []byte) File {
	var f File
	r := lines{b: b, next: 1}
	for n := 0; n < maxJobs-1; n++ {
		l, ok := r.read()
		if !ok {
			break
		}
		l.parse(&f)
	}
	return f
}

// lines is get_line_with_continuation of parse_config.c: a backslash at the end
// of a line joins the next one to it, and a NUL hides the rest.
type lines struct {
	b    []byte
	next int // number of the line that starts b
}

type configLine struct {
	n    int
	raw  []byte // as it stands, without the last newline
	data []byte // trimmed at its start; never empty, never a comment
}

func (r *lines) read() (configLine, bool) {
	for len(r.b) > 0 {
		l := configLine{n: r.next}
		var joined []byte
		rest := r.b
		for {
			part, after, _ := bytes.Cut(rest, []byte{'\n'})
			rest = after
			r.next++
			more := len(part) > 0 && part[len(part)-1] == '\\'
			if more {
				part = part[:len(part)-1]
			}
			if joined = append(joined, part...); !more || len(rest) == 0 {
				break
			}
		}
		l.raw = bytes.TrimSuffix(r.b[:len(r.b)-len(rest)], []byte{'\n'})
		r.b = rest
		if i := bytes.IndexByte(joined, 0); i >= 0 {
			joined = joined[:i]
		}
		l.data = bytes.TrimLeft(joined, " \t")
		if len(l.data) > 0 && l.data[0] != '#' {
			return l, true
		}
	}
	return configLine{}, false
}

// parse is the rest of a round of load_crontab.
func (l configLine) parse(f *File) {
	t := tokens(l.data)
	first := string(t[0])
	for _, name := range []string{"MAILTO", "SHELL"} {
		if v, ok := strings.CutPrefix(first, name+"="); ok {
			f.Env = append(f.Env, Assign{l.n, name, fact.Text([]byte(v))})
			return
		}
	}
	j := Job{Line: l.n}
	if strings.HasPrefix(first, "@") {
		s, ok := nick(first[1:])
		if !ok || len(t) < 2 {
			f.bad(l.n, l.raw, "bad time specifier")
			return
		}
		// The command is taken from the unsplit line, comment and all.
		_, rest, _ := cutBlank(l.data)
		j.Schedule, j.Command = s, fact.Text(bytes.TrimLeft(rest, " \t"))
	} else {
		if len(t) < 6 {
			f.bad(l.n, l.raw, "too few fields")
			return
		}
		s, err := busyboxSchedule([5]string{first, string(t[1]), string(t[2]), string(t[3]), string(t[4])})
		if s.never() {
			f.bad(l.n, l.raw, err)
			return
		}
		// After a parse error the line still runs at what was set.
		j.Schedule, j.Command = s, fact.Text(t[5])
	}
	j.Text = fact.Text(l.raw)
	f.Jobs = append(f.Jobs, j)
}

// tokens is config_read with six tokens, delimiters blank and tab, and the rest
// of the line as the last one; a # ends the line wherever it stands.
func tokens(line []byte) [][]byte {
	line, _, _ = bytes.Cut(line, []byte{'#'})
	var t [][]byte
	for len(t) < 5 {
		w, rest, _ := cutBlank(line)
		t = append(t, w)
		if line = bytes.TrimLeft(rest, " \t"); len(line) == 0 {
			return t
		}
	}
	return append(t, bytes.TrimRight(line, " \t"))
}

func cutBlank(b []byte) (word, rest []byte, found bool) {
	i := bytes.IndexAny(b, " \t")
	if i < 0 {
		return b, nil, false
	}
	return b[:i], b[i+1:], true
}

// busyboxSchedule is the calls of ParseField and FixDayDow.
func busyboxSchedule(f [5]string) (Schedule, string) {
	var m [5]masks
	why := "never runs"
	for i, x := range busyboxFields {
		set, ok := busyboxField(f[i], x.size, x.off, x.names)
		if !ok {
			why = "parse error at " + clip([]byte(f[i]))
		}
		if i != 3 {
			set &^= before
		}
		m[i] = masks{set, set}
	}
	if m[3].all&before != 0 {
		m[4].all |= 1 << 6 // the byte before cl_Mons is the last of cl_Dow
	}
	months := m[3].all &^ before << 1 // they count from 0 there
	m[3] = masks{months, months}
	days, week := m[2].all != 1<<busyboxDays-1, m[4].all != 1<<7-1
	if week && !days {
		m[2] = masks{}
	}
	if days && !week {
		m[4] = masks{}
	}
	s := newSchedule(m, false)
	s.text = scheduleText([]byte(strings.Join(f[:], " ")))
	return s, why
}

// busyboxField is ParseField, with its wrap-around (22-2 is a night), its
// fail-safe of 1,024 rounds and the bits that it leaves set after an error.
func busyboxField(p string, size, off int, names []string) (set uint64, ok bool) {
	n1, n2 := -1, -1
	for {
		n, rest, found := busyboxNumber(p, off, names)
		switch {
		case strings.HasPrefix(p, "*"):
			n1, n2, p = 0, size-1, p[1:]
		case !found:
			return set, false
		case n1 < 0:
			n1, p = n, rest
		default:
			n2, p = n, rest
		}
		if strings.HasPrefix(p, "-") && n2 < 0 {
			p = p[1:]
			continue
		}
		if n2 < 0 {
			n2 = n1
		}
		step := 1
		if strings.HasPrefix(p, "/") {
			step, p = strtol(p[1:])
		}
		var filled bool
		if set, filled = fill(set, n1, n2, step, size); !filled {
			return set, false
		}
		if !strings.HasPrefix(p, ",") {
			return set, p == ""
		}
		n1, n2, p = -1, -1, p[1:]
	}
}

func busyboxNumber(p string, off int, names []string) (n int, rest string, ok bool) {
	if p != "" && isDigit(int(p[0])) {
		n, rest = strtol(p)
		return n + off, rest, true
	}
	for i, name := range names {
		if len(p) >= 3 && strings.EqualFold(p[:3], name) {
			return i, p[3:], true
		}
	}
	return 0, p, false
}

// strtol is strtol of libc cut to an int; without digits it reads nothing.
func strtol(p string) (int, string) {
	i := 0
	if p != "" && (p[0] == '-' || p[0] == '+') {
		i++
	}
	start := i
	for i < len(p) && isDigit(int(p[i])) {
		i++
	}
	if i == start {
		return 0, p
	}
	n := atoi(p[start:i])
	if p[0] == '-' {
		n = -n
	}
	return n, p[i:]
}

// before is the bit that stands for the byte before an array: month 0 is
// written there.
const before = 1 << 63

func fill(set uint64, n1, n2, step, size int) (uint64, bool) {
	left := 1
	n1--
	for range 1023 {
		n1 = (n1 + 1) % size
		if left--; left == 0 {
			switch {
			case n1 >= 0:
				set |= 1 << n1
			case n1 == -1:
				set |= before
			}
			left = step
		}
		if n1 == n2 {
			return set, true
		}
	}
	return set, false
}
