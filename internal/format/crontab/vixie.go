package crontab

import (
	"bytes"

	"demine/internal/fact"
)

// eof is EOF of stdio; Debian keeps characters in a C char, so a byte 0xff is
// one too (get_list, get_range and get_number return char).
const eof = -1

// Sizes of the buffers of the daemons, which cut (cronie) or refuse (Debian)
// what is longer: cron.h of Debian, macros.h of cronie.
const (
	debianString = 1000   // MAX_COMMAND, MAX_ENVSTR, MAX_TEMPSTR
	cronieString = 131072 // the same
	// Debian refuses a file when LineNumber reaches
	// MAX_TAB_LINES + NHEADER_LINES + 2.
	debianLines = 10000 + 3 + 2
)

// reader is get_char and unget_char of misc.c.
type reader struct {
	b    []byte
	pos  int
	line int
}

func (r *reader) get() int {
	if r.pos >= len(r.b) {
		return eof
	}
	c := r.b[r.pos]
	r.pos++
	if c == '\n' {
		r.line++
	}
	return int(c)
}

func (r *reader) unget(ch int) {
	if ch == eof {
		return
	}
	r.pos--
	if ch == '\n' {
		r.line--
	}
}

// among is strchr(terms, ch): NUL is a member of every C string.
func among(terms string, ch int) bool {
	if ch == 0 {
		return true
	}
	for i := 0; i < len(terms); i++ {
		if int(terms[i]) == ch {
			return true
		}
	}
	return false
}

// word is get_string of misc.c: the bytes up to a terminator (or a NUL), which
// is consumed and returned; what is beyond size-1 bytes is read and dropped.
func (r *reader) word(size int, terms string) ([]byte, int) {
	start := r.pos
	ch := r.get()
	for ch != eof && !among(terms, ch) {
		ch = r.get()
	}
	end := r.pos
	if ch != eof {
		end--
	}
	return r.b[start:min(end, start+size-1)], ch
}

// skipComments is skip_comments of misc.c.
func (r *reader) skipComments() {
	ch := r.get()
	for ch != eof {
		ch = r.blanks(ch)
		if ch == eof || ch != '\n' && ch != '#' {
			break
		}
		for ch != '\n' && ch != eof {
			ch = r.get()
		}
		if ch == eof {
			return
		}
		ch = r.get()
	}
	r.unget(ch)
}

func (r *reader) blanks(ch int) int {
	for ch == ' ' || ch == '\t' {
		ch = r.get()
	}
	return ch
}

// vixie reads the two children of Paul Vixie's cron.
type vixie struct {
	reader
	o    Options
	size int // of the daemon's buffers
	text struct {
		start, end int
		s          string
	}
}

func parseVixie(b []byte, o Options) File {
	p := &vixie{reader: reader{b: b, line: 1}, o: o, size: cronieString}
	if o.Dialect == Debian {
		p.size = debianString
	}
	var f File
	for len(f.Jobs)+len(f.Env) < maxJobs && p.one(&f) {
	}
	return f
}

// one is a round of the loop of load_user in user.c: a setting, or else a job.
func (p *vixie) one(f *File) bool {
	from, line := p.pos, p.line
	p.skipComments()
	at, atLine := p.pos, p.line
	s, ch := p.word(p.envSize(), "\n")
	if ch == eof {
		p.unfinished(f, at, s)
		return false
	}
	if name, value, ok := assign(s); ok && p.fits(name, value) {
		f.Env = append(f.Env, Assign{atLine, fact.Text(name), fact.Text(value)})
		return true
	}
	p.pos, p.line = from, line
	p.skipComments()
	p.job(f)
	if p.o.Dialect == Debian && p.line >= debianLines {
		f.ignore(p.line)
		return false
	}
	return true
}

// envSize: Debian's load_env hands MAX_ENVSTR - 1 to get_string.
func (p *vixie) envSize() int {
	if p.o.Dialect == Debian {
		return p.size - 1
	}
	return p.size
}

func (p *vixie) fits(name, value []byte) bool { return len(name)+1+len(value) < p.size-1 }

// unfinished is a last line without a newline: load_env says EOF, cronie
// forgets the line and Debian the file.
func (p *vixie) unfinished(f *File, at int, s []byte) {
	if len(s) == 0 {
		return
	}
	f.bad(p.line, p.b[at:], "missing newline before EOF")
	if p.o.Dialect == Debian {
		f.ignore(p.line)
	}
}

func (f *File) ignore(line int) {
	if f.Ignored == 0 {
		f.Ignored = line
	}
}

// job is load_entry of entry.c, and what its callers do with its failure.
func (p *vixie) job(f *File) {
	start, line := p.pos, p.line
	j := Job{Line: line}
	ch, why := p.entry(&j)
	if why == "" {
		j.Text = p.physical(start)
		f.Jobs = append(f.Jobs, j)
		return
	}
	for ch != '\n' && p.pos < len(p.b) {
		ch = p.get()
	}
	f.bad(line, p.lineAt(start), why)
	if p.o.Dialect == Debian {
		f.ignore(line)
	}
}

// entry reads one job; why says what is wrong with it, and ch is then the last
// byte read.
func (p *vixie) entry(j *Job) (ch int, why string) {
	debian := p.o.Dialect == Debian
	ch = p.get()
	if ch == '-' && !debian {
		// "Do not log": allowed in system files and to root, whose file
		// this may be.
		ch = p.get()
	}
	start := p.pos - 1
	if ch == '@' {
		var ok bool
		if ch, ok = p.nick(&j.Schedule); !ok {
			return ch, "bad time specifier"
		}
	} else if ch, why = p.fields(&j.Schedule, ch); why != "" {
		return ch, why
	}
	ch = p.blanks(ch)
	if !debian && (ch == '\n' || ch == '*' || ch == eof) {
		return ch, "bad command"
	}
	p.unget(ch)
	j.Schedule.text = scheduleText(p.b[start:p.pos])
	if p.o.System {
		if ch, why = p.user(j); why != "" {
			return ch, why
		}
	} else if ch == '*' {
		return ch, "bad command"
	}
	return p.command(j)
}

func (p *vixie) nick(s *Schedule) (int, bool) {
	w, ch := p.word(p.size, " \t\n")
	n, ok := nick(string(w))
	*s = n
	return ch, ok
}

// user: Debian looks for a blank only, so a line without a command eats the
// next; such a name has a newline in it and is never a user.
func (p *vixie) user(j *Job) (ch int, why string) {
	terms := " \t\n"
	if p.o.Dialect == Debian {
		terms = " \t"
	}
	at, line := p.pos, p.line
	w, ch := p.word(p.size, terms)
	if i := bytes.IndexByte(p.b[at:p.pos], '\n'); i >= 0 {
		// Both have lost the file or the line; go on with the next line.
		p.pos, p.line = at+i+1, line+1
		return '\n', "bad command"
	}
	if ch == eof {
		return ch, "bad command"
	}
	j.User = fact.Text(w)
	return ch, ""
}

func (p *vixie) command(j *Job) (ch int, why string) {
	w, ch := p.word(p.size, "\n")
	if p.o.Dialect == Debian && len(w) == p.size-1 {
		return ch, "command too long"
	}
	if ch == eof {
		return ch, "bad command"
	}
	if p.o.System {
		// The shell drops blanks after the user; a caller compares.
		w = bytes.TrimLeft(w, " \t")
	}
	c, in := percent(w, p.o.Dialect == Debian)
	j.Command, j.Stdin = fact.Text(c), fact.Text(in)
	return ch, ""
}

// lineAt is the physical line that holds offset at.
func (p *vixie) lineAt(at int) []byte {
	start, end := p.bounds(at)
	return p.b[start:end]
}

func (p *vixie) bounds(at int) (int, int) {
	start := bytes.LastIndexByte(p.b[:at], '\n') + 1
	end := bytes.IndexByte(p.b[at:], '\n')
	if end < 0 {
		return start, len(p.b)
	}
	return start, at + end
}

// physical is lineAt as text, kept while jobs come from the same line: NULs
// can cut one line into very many jobs.
func (p *vixie) physical(at int) string {
	if t := &p.text; t.s == "" || at < t.start || at >= t.end {
		t.start, t.end = p.bounds(at)
		t.s = fact.Text(p.b[t.start:t.end])
	}
	return p.text.s
}

// percent is what do_command.c does to a command: an unescaped % ends it, the
// rest is its standard input with % for a newline.
func percent(b []byte, debian bool) (command, stdin []byte) {
	if bytes.IndexByte(b, '%') < 0 && !debian {
		return b, nil
	}
	out := make([]byte, 0, len(b))
	escaped := false
	for i, c := range b {
		switch {
		case escaped:
			escaped = false
			if c == '%' || debian && c == '\\' {
				out = out[:len(out)-1]
			}
		case c == '\\':
			escaped = true
		case c == '%':
			return out, input(b[i+1:])
		}
		out = append(out, c)
	}
	return out, nil
}

func input(b []byte) []byte {
	out := make([]byte, 0, len(b)+1)
	escaped := false
	for _, c := range b {
		if escaped && c != '%' {
			out = append(out, '\\')
		}
		if !escaped && c == '%' {
			c = '\n'
		}
		if escaped = c == '\\'; !escaped {
			out = append(out, c)
		}
	}
	if escaped {
		out = append(out, '\\')
	}
	if n := len(out); n > 0 && out[n-1] != '\n' {
		out = append(out, '\n')
	}
	return out
}
