package shell

import "strings"

// item is a pipe line; async if an & ends it.
type item struct {
	pipe  []command
	async bool
}

// command is words or a group ( … ) or { …; }, with redirections. control marks
// the head of a for, case or select, whose words are no command.
type command struct {
	words   []word
	redirs  []redir
	group   []item
	control bool
}

// redir is one redirection. body is a heredoc's.
type redir struct {
	fd   string
	op   string
	to   word
	body string
}

func (r *redir) input() bool { return strings.HasPrefix(r.op, "<") && r.op != "<>" && r.op != "<&" }

// stdout reports whether the redirection takes the standard output away.
func (r *redir) stdout() bool {
	return !r.input() && (r.fd == "" || r.fd == "1") && r.op != "<>" && r.op != "<&"
}

func (c *command) redirsAway() bool {
	for i := range c.redirs {
		r := &c.redirs[i]
		if r.stdout() && r.to.text != "&1" && r.to.text != "/dev/stdout" {
			return true
		}
	}
	return false
}

// parser reads a text into items. maxNest bounds its recursion; deeper
// substitutions are plain text.
type parser struct {
	s     string
	i     int
	nest  int
	cases int // that are open
	skip  int // where the next newline goes on: behind the heredocs of its line

	// Set once a search to the end of the text was in vain, so that many
	// openings do not each search it again.
	noArith, noBrace, noLine bool
}

const maxNest = 24

func (p *parser) at(n int) byte {
	if p.i+n < len(p.s) {
		return p.s[p.i+n]
	}
	return 0
}

func (p *parser) has(prefix string) bool { return strings.HasPrefix(p.s[p.i:], prefix) }

// blank skips blanks, joined lines and comments. A CR is a blank here: it is no
// separator in sh, but files with CRLF should read as they were meant.
func (p *parser) blank() {
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == 0:
			p.i++
		case p.has("\\\n"):
			p.i += 2
		case p.has("\\\r\n"):
			p.i += 3
		case c == '#':
			for p.i < len(p.s) && p.s[p.i] != '\n' {
				p.i++
			}
		default:
			return
		}
	}
}

// list reads up to the stop, ')' or '}', or to the end of the text for 0.
func (p *parser) list(stop byte) []item {
	var out []item
	cases, last := p.cases, -1
	for {
		p.blank()
		if p.i >= len(p.s) {
			return out
		}
		switch c := p.s[p.i]; c {
		case ')':
			if p.cases > cases {
				if n := len(out); n > 0 && last == p.i && !out[n-1].pipe[0].control {
					out = out[:n-1] // the pattern of a case
				}
			} else if stop == ')' {
				p.i++
				return out
			}
			p.i++
		case '\n':
			p.i = max(p.i+1, p.skip)
		case ';', '|':
			p.i++
		case '&':
			if p.i++; p.at(0) == '>' {
				p.i--
				it, _ := p.pipeline(stop)
				out = append(out, it)
			}
		default:
			it, end := p.pipeline(stop)
			if len(it.pipe) > 0 {
				out = append(out, it)
			}
			last = p.i
			if end {
				return out
			}
		}
	}
}

func (p *parser) pipeline(stop byte) (it item, end bool) {
	for {
		c, end := p.command(stop)
		if end {
			return it, true
		}
		it.pipe = append(it.pipe, c)
		p.blank()
		if p.at(0) != '|' || p.at(1) == '|' {
			break
		}
		if p.i++; p.at(0) == '&' {
			p.i++
		}
		for p.blank(); p.at(0) == '\n'; p.blank() {
			p.i++
		}
	}
	switch {
	case p.has("&&"), p.has("||"):
		p.i += 2
	case p.at(0) == '&' && p.at(1) != '>':
		it.async = true
		p.i++
	}
	return it, false
}

// command reads one command; end is true at the } that closes the group.
func (p *parser) command(stop byte) (c command, end bool) {
	for {
		p.blank()
		if p.i >= len(p.s) {
			return c, false
		}
		switch b := p.s[p.i]; {
		case b == '\n' || b == ';' || b == ')' || b == '|' || b == '&' && p.at(1) != '>':
			return c, false
		case b == '(':
			p.paren(&c)
		case p.redirAhead():
			c.redirs = append(c.redirs, p.redir())
		default:
			start := p.i
			w := p.word()
			if p.i == start { // never stand still
				p.i++
				continue
			}
			if len(c.words) == 0 && c.group == nil && !c.control && w.bare {
				if w.text == "}" && stop == '}' {
					return c, true
				}
				if p.keyword(w.text, &c) {
					continue
				}
			}
			c.words = append(c.words, w)
		}
	}
}

// keyword handles a reserved word at the start of a command.
func (p *parser) keyword(w string, c *command) bool {
	switch w {
	case "if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "}":
	case "esac":
		p.cases--
	case "function":
		p.blank()
		p.word()
	case "for", "case", "select":
		c.control = true
		if w == "case" {
			p.cases++
		}
	case "{":
		c.group = p.nested('}')
	default:
		return false
	}
	return true
}

// paren is a ( : a subshell, (( )), the () of a function or the values of an
// array.
func (p *parser) paren(c *command) {
	switch {
	case len(c.words) == 0 && p.has("(("):
		if p.arith() {
			c.control = true
			return
		}
		p.i += 2
	case len(c.words) == 0 && c.group == nil && !c.control:
		p.i++
		c.group = p.nested(')')
		if c.group == nil {
			c.group = []item{}
		}
	default:
		p.i++
		p.blank()
		if p.at(0) == ')' { // name() { … }
			p.i++
			c.words = nil
			return
		}
		for _, it := range p.nested(')') {
			for _, x := range it.pipe {
				c.words = append(c.words, x.words...)
			}
		}
	}
}

// arith skips to behind the next )).
func (p *parser) arith() bool {
	if p.noArith {
		return false
	}
	i := strings.Index(p.s[p.i:], "))")
	p.noArith = i < 0
	if i >= 0 {
		p.i += i + 2
	}
	return i >= 0
}

func (p *parser) nested(stop byte) []item {
	if p.nest >= maxNest {
		return nil
	}
	p.nest++
	defer func() { p.nest-- }()
	return p.list(stop)
}

// redirAhead: <, >, &> or a number right before < or >; <( and >( are words.
func (p *parser) redirAhead() bool {
	i := 0
	for p.at(i) >= '0' && p.at(i) <= '9' && i < 4 {
		i++
	}
	if i == 0 && p.at(0) == '&' && p.at(1) == '>' {
		return true
	}
	b := p.at(i)
	return (b == '<' || b == '>') && (i > 0 || p.at(1) != '(')
}

var redirOps = []string{"<<<", "<<-", "&>>", "<<", ">>", "&>", ">|", ">&", "<&", "<>", "<", ">"}

func (p *parser) redir() redir {
	var r redir
	for p.at(0) >= '0' && p.at(0) <= '9' {
		r.fd += string(p.at(0))
		p.i++
	}
	for _, op := range redirOps {
		if p.has(op) {
			r.op = op
			p.i += len(op)
			break
		}
	}
	p.blank()
	r.to = p.word()
	if r.op == ">&" && (r.to.text == "-" || strings.Trim(r.to.text, "0123456789") == "") {
		r.to = word{text: "&" + r.to.text, dynamic: true} // a descriptor
	}
	if r.op == "<<" || r.op == "<<-" {
		r.body = p.heredoc(r.op, r.to.text)
	}
	return r
}

// heredoc takes the lines below the one at hand up to the delimiter; the
// newline that ends that line then goes on behind them.
func (p *parser) heredoc(op, delim string) string {
	at := p.skip
	if at <= p.i {
		if p.noLine {
			return ""
		}
		nl := strings.IndexByte(p.s[p.i:], '\n')
		if p.noLine = nl < 0; p.noLine {
			return ""
		}
		at = p.i + nl + 1
	}
	var b strings.Builder
	for at < len(p.s) {
		line, _, _ := strings.Cut(p.s[at:], "\n")
		at = min(at+len(line)+1, len(p.s))
		line = strings.TrimSuffix(line, "\r")
		if op == "<<-" {
			line = strings.TrimLeft(line, "\t")
		}
		if line == delim {
			break
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	p.skip = at
	return b.String()
}
