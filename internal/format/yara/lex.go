package yara

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

type kind int

const (
	tokEnd kind = iota
	tokWord
	tokNumber
	tokText
	tokRegexp // text is the source, flags what follows the slash
	tokHex    // text is what stands between the braces
	tokString // $name or $name*
	tokCount  // #name
	tokOffset // @name
	tokLength // !name
	tokSign   // punctuation
)

type token struct {
	kind  kind
	text  string
	flags string
	num   int64
	line  int
}

func (t token) String() string {
	switch t.kind {
	case tokEnd:
		return "the end of the file"
	case tokNumber:
		return fmt.Sprint(t.num)
	case tokText:
		return "a text"
	case tokRegexp:
		return "a regular expression"
	case tokHex:
		return "a hex string"
	case tokString:
		return `"$` + t.text + `"`
	}
	return strconv.Quote(t.text)
}

// lexer cuts the source into tokens. A brace after "=" begins a hex string.
type lexer struct {
	src    []byte
	at     int
	line   int
	assign bool // the last token was "="
}

func (l *lexer) peek(n int) byte {
	if l.at+n < len(l.src) {
		return l.src[l.at+n]
	}
	return 0
}

func (l *lexer) next() token {
	l.space()
	assign := l.assign
	l.assign = false
	t := token{line: l.line}
	c := l.peek(0)
	switch {
	case l.at >= len(l.src):
		return t
	case wordStart(c):
		t.kind, t.text = tokWord, l.word()
	case c >= '0' && c <= '9':
		t.kind, t.num = tokNumber, l.number()
	case c == '"':
		t.kind, t.text = tokText, l.text()
	case c == '/':
		t.kind = tokRegexp
		t.text, t.flags = l.regexp()
	case c == '{' && assign:
		t.kind, t.text = tokHex, l.hex()
	case c == '$' || c == '#' || c == '@' || c == '!' && l.peek(1) != '=':
		l.at++
		t.kind = map[byte]kind{'$': tokString, '#': tokCount, '@': tokOffset, '!': tokLength}[c]
		t.text = l.word()
		if c == '$' && l.peek(0) == '*' {
			l.at++
			t.text += "*"
		}
	default:
		t.kind, t.text = tokSign, l.sign()
		l.assign = t.text == "="
	}
	return t
}

func wordStart(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

func (l *lexer) word() string {
	from := l.at
	for c := l.peek(0); wordStart(c) || c >= '0' && c <= '9'; c = l.peek(0) {
		l.at++
	}
	return string(l.src[from:l.at])
}

// space skips blanks and comments.
func (l *lexer) space() {
	for l.at < len(l.src) {
		switch c := l.src[l.at]; {
		case c == '\n':
			l.line++
			l.at++
		case c == ' ' || c == '\t' || c == '\r':
			l.at++
		case c == '/' && l.peek(1) == '/':
			for l.at < len(l.src) && l.src[l.at] != '\n' {
				l.at++
			}
		case c == '/' && l.peek(1) == '*':
			n := bytes.Index(l.src[l.at+2:], []byte("*/"))
			if n < 0 {
				refuse(l.line, "the comment has no end")
			}
			l.line += bytes.Count(l.src[l.at:l.at+2+n], []byte("\n"))
			l.at += n + 4
		default:
			return
		}
	}
}

func (l *lexer) sign() string {
	for _, two := range []string{"==", "!=", "<=", ">=", "<<", ">>", ".."} {
		if bytes.HasPrefix(l.src[l.at:], []byte(two)) {
			l.at += 2
			return two
		}
	}
	l.at++
	return string(l.src[l.at-1 : l.at])
}

func (l *lexer) number() int64 {
	from := l.at
	w := ""
	for c := l.peek(0); wordStart(c) || c >= '0' && c <= '9'; c = l.peek(0) {
		l.at++
	}
	w = string(l.src[from:l.at])
	if l.peek(0) == '.' && l.peek(1) != '.' {
		refuse(l.line, "a number with a point: only whole numbers are supported")
	}
	unit := int64(1)
	if s, ok := strings.CutSuffix(w, "KB"); ok {
		w, unit = s, 1<<10
	} else if s, ok := strings.CutSuffix(w, "MB"); ok {
		w, unit = s, 1<<20
	}
	base := 10
	switch {
	case strings.HasPrefix(w, "0x"):
		w, base = w[2:], 16
	case strings.HasPrefix(w, "0o"):
		w, base = w[2:], 8
	}
	n, err := strconv.ParseInt(w, base, 64)
	if err != nil || n > 1<<62/unit {
		refuse(l.line, "%q is no number", string(l.src[from:l.at]))
	}
	return n * unit
}

// text reads a quoted text and its escapes.
func (l *lexer) text() string {
	var out []byte
	for l.at++; ; l.at++ {
		c := l.peek(0)
		switch {
		case l.at >= len(l.src) || c == '\n':
			refuse(l.line, "the text has no end")
		case c == '"':
			l.at++
			return string(out)
		case c == '\\':
			l.at++
			out = append(out, l.escape())
		default:
			out = append(out, c)
		}
	}
}

func (l *lexer) escape() byte {
	switch c := l.peek(0); c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case '"', '\\':
		return c
	case 'x':
		n, err := strconv.ParseUint(string([]byte{l.peek(1), l.peek(2)}), 16, 8)
		if err == nil {
			l.at += 2
			return byte(n)
		}
	}
	refuse(l.line, "an escape that is none of \\\" \\\\ \\t \\n \\r \\xNN")
	return 0
}

// regexp reads /source/flags; the source as it stands but for escaped slashes.
func (l *lexer) regexp() (src, flags string) {
	var out []byte
	for l.at++; ; l.at++ {
		c := l.peek(0)
		switch {
		case l.at >= len(l.src) || c == '\n':
			refuse(l.line, "the regular expression has no end")
		case c == '/':
			l.at++
			return string(out), l.word()
		case c == '\\' && l.peek(1) == '/':
			out = append(out, '/')
			l.at++
		case c == '\\' && l.peek(1) != '\n' && l.at+1 < len(l.src):
			out = append(out, c, l.peek(1))
			l.at++
		default:
			out = append(out, c)
		}
	}
}

// hex reads what stands between braces, without comments.
func (l *lexer) hex() string {
	var out []byte
	for l.at++; ; {
		l.space()
		c := l.peek(0)
		l.at++
		switch {
		case l.at > len(l.src):
			refuse(l.line, "the hex string has no end")
		case c == '}':
			return string(out)
		}
		out = append(out, c)
	}
}
