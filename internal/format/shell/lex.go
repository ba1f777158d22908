package shell

import "strings"

// word is one word after quote removal. Substitutions stay in text as they are
// written, so that text can be read again as code (eval, sh -c) with each of
// them in its place.
type word struct {
	text    string
	subs    []sub
	bare    bool // nothing in it was quoted
	dynamic bool // a variable, a substitution or a pattern is in it
}

// sub is a substitution: '$' for $( ) and ` `, '<' for <( ), '>' for >( ).
type sub struct {
	kind byte
	lead bool // it starts the word
	body []item
	out  flow // what it prints, once it was run
}

// plain reports whether the text is what the program gets.
func (w *word) plain() bool { return !w.dynamic }

// printed is what the substitutions of a kind print.
func (w *word) printed(kind byte) flow {
	var f flow
	for i := range w.subs {
		if w.subs[i].kind == kind {
			f = f.or(w.subs[i].out.tainted())
		}
	}
	return f
}

// assignment splits NAME=value.
func (w *word) assignment() (name, value string, ok bool) {
	name, value, ok = strings.Cut(w.text, "=")
	name = strings.TrimSuffix(name, "+")
	if !ok || name == "" || name[0] >= '0' && name[0] <= '9' {
		return "", "", false
	}
	for i := range len(name) {
		if !isName(name[i]) {
			return "", "", false
		}
	}
	return name, value, true
}

// lexer builds a word.
type lexer struct {
	*parser
	b strings.Builder
	w word
}

// word reads one word, an empty one if none starts here.
func (p *parser) word() word {
	l := lexer{parser: p, w: word{bare: true}}
	for p.i < len(p.s) && l.part() {
	}
	l.w.text = l.b.String()
	return l.w
}

// part reads a piece of a word; false at its end.
func (l *lexer) part() bool {
	switch c := l.s[l.i]; c {
	case ' ', '\t', '\r', '\n', ';', '&', '|', '(', ')', 0:
		return false
	case '<', '>':
		if l.at(1) != '(' {
			return false
		}
		l.paren(c)
	case '\\':
		l.escape()
	case '\'':
		l.w.bare = false
		l.i++
		s, _, _ := strings.Cut(l.s[l.i:], "'")
		l.b.WriteString(s)
		l.i = min(l.i+len(s)+1, len(l.s))
	case '"':
		l.quoted()
	case '$':
		l.dollar(false)
	case '`':
		l.backtick()
	case '*', '?', '[':
		l.w.dynamic = true
		l.take(1)
	default:
		l.take(1)
	}
	return true
}

func (l *lexer) take(n int) {
	l.b.WriteString(l.s[l.i : l.i+n])
	l.i += n
}

func (l *lexer) escape() {
	l.w.bare = false
	l.i++
	if l.i >= len(l.s) {
		return
	}
	if l.s[l.i] == '\n' {
		l.i++
		return
	}
	l.take(1)
}

// quoted reads "…".
func (l *lexer) quoted() {
	l.w.bare = false
	for l.i++; l.i < len(l.s); {
		switch c := l.s[l.i]; {
		case c == '"':
			l.i++
			return
		case c == '\\' && strings.IndexByte("$`\"\\\n", l.at(1)) >= 0 && l.i+1 < len(l.s):
			if l.i++; l.s[l.i] == '\n' {
				l.i++
			} else {
				l.take(1)
			}
		case c == '$':
			l.dollar(true)
		case c == '`':
			l.backtick()
		default:
			l.take(1)
		}
	}
}

// dollar reads what starts with a $.
func (l *lexer) dollar(quoted bool) {
	switch start := l.i; {
	case !quoted && l.at(1) == '\'':
		l.ansi()
	case !quoted && l.at(1) == '"': // a message to translate
		l.i++
		l.quoted()
	case l.has("$((") && l.arith():
		l.w.dynamic = true
		l.b.WriteString(l.s[start:l.i])
	case l.at(1) == '(' && l.nest < maxNest:
		l.paren('$')
	case l.at(1) == '{':
		l.brace()
	default:
		l.w.dynamic = l.w.dynamic || isName(l.at(1)) || strings.IndexByte("@*#?!$-", l.at(1)) > -1 && l.at(1) != 0
		l.take(1)
	}
}

func (l *lexer) brace() {
	l.w.dynamic = true
	i := -1
	if !l.noBrace {
		i = strings.IndexByte(l.s[l.i:], '}')
		l.noBrace = i < 0
	}
	l.take(max(i+1, 2))
}

// paren reads $( ), <( ) or >( ).
func (l *lexer) paren(kind byte) {
	l.w.dynamic = true
	start, lead := l.i, l.b.Len() == 0
	l.i += 2
	if l.nest < maxNest {
		body := l.nested(')')
		l.w.subs = append(l.w.subs, sub{kind: kind, lead: lead, body: body})
	}
	l.b.WriteString(l.s[start:l.i])
}

// backtick reads `…`, in which a backslash quotes a backtick.
func (l *lexer) backtick() {
	l.w.dynamic = true
	start, lead := l.i, l.b.Len() == 0
	var code strings.Builder
	for l.i++; l.i < len(l.s) && l.s[l.i] != '`'; l.i++ {
		if l.s[l.i] == '\\' && l.i+1 < len(l.s) && strings.IndexByte("`\\$", l.s[l.i+1]) >= 0 {
			l.i++
		}
		code.WriteByte(l.s[l.i])
	}
	l.i = min(l.i+1, len(l.s))
	l.b.WriteString(l.s[start:l.i])
	if l.nest < maxNest {
		p := parser{s: code.String(), nest: l.nest + 1}
		l.w.subs = append(l.w.subs, sub{kind: '$', lead: lead, body: p.list(0)})
	}
}

// ansi reads $'…' of bash.
func (l *lexer) ansi() {
	l.w.bare = false
	l.i += 2
	start := l.i
	for l.i < len(l.s) && l.s[l.i] != '\'' {
		if l.s[l.i] == '\\' {
			l.i++
		}
		l.i++
	}
	end := min(l.i, len(l.s))
	l.i = min(l.i+1, len(l.s))
	text, _ := unescape(l.s[start:end])
	l.b.WriteString(text)
}

// unescape does the escapes of $'…', echo -e and printf, and counts those that
// give a byte by its number.
func unescape(s string) (text string, numbers int) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; {
		case c == 'x':
			v, n := digits(s[i+1:], 16, 2)
			i += n
			numbers++
			b.WriteByte(byte(v))
		case c >= '0' && c <= '7':
			v, n := digits(s[i:], 8, 3+strings.Count(s[i:i+1], "0"))
			i += n - 1
			numbers++
			b.WriteByte(byte(v))
		case strings.IndexByte("abefnrtv", c) >= 0:
			b.WriteByte("\a\b\x1b\f\n\r\t\v"[strings.IndexByte("abefnrtv", c)])
		case strings.IndexByte(`\'"?`, c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	return b.String(), numbers
}

func digits(s string, base, most int) (v, n int) {
	for n < len(s) && n < most {
		d := strings.IndexByte("0123456789abcdef", s[n])
		if d < 0 {
			d = 10 + strings.IndexByte("ABCDEF", s[n])
		}
		if d < 0 || d >= base || d == 9 && s[n] != '9' {
			break
		}
		v, n = v*base+d, n+1
	}
	return v, n
}
