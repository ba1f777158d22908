package yara

import (
	"fmt"
	"regexp/syntax"
	"strconv"
	"strings"

	"demine/internal/format/pattern"
)

// Limits of expressions.
const (
	maxExpression = 4096 // bytes of the source
	maxJump       = 1000 // what regexp/syntax repeats
	maxBefore     = 1024 // bytes that may stand before the fixed part
	maxMatch      = 4096 // bytes of one match, as in YARA (YR_RE_SCAN_LIMIT)
)

// program is a compiled expression over bytes: a "rune" is one byte.
type program struct{ *syntax.Prog }

// regexp compiles /src/flags.
func (s *str) regexp(src, flags string, m modifiers) {
	mode := syntax.ClassNL | syntax.OneLine | syntax.PerlX
	for _, f := range flags {
		switch f {
		case 'i':
			m.nocase = true
		case 's':
			mode |= syntax.DotNL
		default:
			refuse(s.line, "flag %q of a regular expression", f)
		}
	}
	if m.nocase {
		mode |= syntax.FoldCase
	}
	s.full = m.full
	re := s.compile(translate(src, m.nocase, s.line), mode)
	best := atomsOf(re)
	if len(best) == 0 || shortest(best) < pattern.MinLen {
		refuse(s.line, "the regular expression holds no fixed text of %d bytes near its beginning: it would be tried everywhere", pattern.MinLen)
	}
	s.atoms = best
}

// hex compiles the text of a hex string; after each jump without a limit
// begins a part of its own.
func (s *str) hex(text string) {
	h := hexReader{s: text, line: s.line}
	for part := s; part != nil; part = part.next {
		h.gap, h.jumps = -1, false
		part.part(&h)
		if h.gap >= 0 {
			part.gap, part.next = h.gap, &str{line: s.line}
		}
	}
	if h.at < len(text) {
		refuse(s.line, "%q in a hex string", text[h.at])
	}
}

// part compiles a hex string up to a jump without a limit, by way of an
// expression.
func (s *str) part(h *hexReader) {
	re := s.compile(h.sequence(0), syntax.ClassNL|syntax.OneLine|syntax.PerlX|syntax.DotNL)
	best := atomsOf(re)
	if len(best) > 0 && shortest(best) >= pattern.MinLen {
		s.atoms = best
		return
	}
	s.slow, s.back = fixedPart(re)
	if len(s.slow) == 0 || h.jumps && len(s.slow) < 2 {
		refuse(s.line, "the hex string holds no fixed bytes near its beginning: it would be tried everywhere")
	}
}

func (s *str) compile(src string, mode syntax.Flags) *syntax.Regexp {
	if len(src) > 8*maxExpression {
		refuse(s.line, "the expression is too long")
	}
	re, err := syntax.Parse(src, mode)
	if err != nil {
		refuse(s.line, "regular expression: %v", err)
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		refuse(s.line, "regular expression: %v", err)
	}
	s.prog = &program{prog}
	return re
}

// translate takes YARA's syntax to that of package regexp/syntax and refuses
// what means something else there, or nothing in YARA.
func translate(src string, nocase bool, line int) string {
	if src == "" || len(src) > maxExpression {
		refuse(line, "a regular expression of %d bytes", len(src))
	}
	const space = `\t\n\x0b\x0c\r `
	var out strings.Builder
	class := false
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case c >= 0x80:
			if nocase {
				refuse(line, "case of bytes that are not ASCII")
			}
			fmt.Fprintf(&out, `\x%02x`, c)
		case c == '\\' && i+1 < len(src):
			i++
			switch e := src[i]; {
			case e == 's' && class:
				out.WriteString(space)
			case e == 's':
				out.WriteString("[" + space + "]")
			case e == 'S' && !class:
				out.WriteString("[^" + space + "]")
			case e == 'x' && i+2 < len(src):
				n, err := strconv.ParseUint(src[i+1:i+3], 16, 8)
				if err != nil || nocase && n >= 0x80 {
					refuse(line, "\\x%s in a regular expression", src[i+1:i+3])
				}
				fmt.Fprintf(&out, `\x%02x`, n)
				i += 2
			case strings.IndexByte("wWdDbBtnrfa", e) >= 0 && (!class || e != 'b' && e != 'B'), !alphanumeric(e):
				out.WriteByte('\\')
				out.WriteByte(e)
			default:
				refuse(line, "\\%c in a regular expression", e)
			}
		case c == '(' && !class && strings.HasPrefix(src[i+1:], "?"):
			refuse(line, "(? in a regular expression")
		case c == '[' && class:
			out.WriteString(`\[`)
		case c == '[':
			class = true
			out.WriteByte(c)
			if strings.HasPrefix(src[i+1:], "^") {
				out.WriteByte('^')
				i++
			}
			if strings.HasPrefix(src[i+1:], "]") { // the first one is itself
				out.WriteString(`\]`)
				i++
			}
		case c == '{' && !class && strings.HasPrefix(src[i+1:], ","):
			out.WriteString("{0")
		default:
			class = class && c != ']'
			out.WriteByte(c)
		}
	}
	return out.String()
}

// hexReader turns a hex string into an expression.
type hexReader struct {
	s     string
	at    int
	line  int
	jumps bool // of a length that is not fixed, or a choice
	gap   int  // least length of the jump without a limit that ended the sequence; -1: none did
}

func (h *hexReader) sequence(depth int) string {
	if depth > maxDepth {
		refuse(h.line, "too many brackets")
	}
	var out strings.Builder
	n := 0
	for h.at < len(h.s) && h.s[h.at] != '|' && h.s[h.at] != ')' {
		switch h.s[h.at] {
		case '(':
			h.jumps = true
			h.at++
			out.WriteString("(?:" + h.sequence(depth+1))
			for h.at < len(h.s) && h.s[h.at] == '|' {
				h.at++
				out.WriteString("|" + h.sequence(depth+1))
			}
			if h.at >= len(h.s) || h.s[h.at] != ')' {
				refuse(h.line, "a bracket in a hex string is not closed")
			}
			h.at++
			out.WriteString(")")
		case '[':
			jump := h.jump(depth)
			if h.gap >= 0 {
				return h.ended(out.String(), n)
			}
			out.WriteString(jump)
		default:
			out.WriteString(h.byte())
		}
		n++
	}
	return h.ended(out.String(), n)
}

func (h *hexReader) ended(src string, n int) string {
	if n == 0 {
		refuse(h.line, "an empty hex string, or an empty choice in one")
	}
	return src
}

// byte reads two digits, of which each may be a question mark.
func (h *hexReader) byte() string {
	if h.s[h.at] == '~' {
		refuse(h.line, "~ in a hex string is not supported")
	}
	if h.at+2 > len(h.s) {
		refuse(h.line, "half a byte in a hex string")
	}
	hi, lo := h.s[h.at], h.s[h.at+1]
	h.at += 2
	digit := func(c byte) int64 {
		n, err := strconv.ParseInt(string(c), 16, 8)
		if err != nil {
			refuse(h.line, "%q in a hex string", c)
		}
		return n
	}
	switch {
	case hi == '?' && lo == '?':
		return "."
	case hi == '?':
		var out strings.Builder
		for n := range int64(16) {
			fmt.Fprintf(&out, `\x%02x`, n<<4|digit(lo))
		}
		return "[" + out.String() + "]"
	case lo == '?':
		return fmt.Sprintf(`[\x%x0-\x%xf]`, digit(hi), digit(hi))
	}
	return fmt.Sprintf(`\x%02x`, digit(hi)<<4|digit(lo))
}

// jump reads [n], [n-m], and outside of choices [n-].
func (h *hexReader) jump(depth int) string {
	text, rest, ok := strings.Cut(h.s[h.at+1:], "]")
	if !ok {
		refuse(h.line, "a jump in a hex string is not closed")
	}
	h.at = len(h.s) - len(rest)
	lo, hi, both := strings.Cut(text, "-")
	if lo == "" && both {
		lo = "0"
	}
	if both && hi == "" {
		gap, err := strconv.Atoi(lo)
		if depth > 0 || err != nil || gap < 0 {
			refuse(h.line, "the jump [%s] has no upper limit", text)
		}
		h.gap = gap
		return ""
	}
	if !both {
		hi = lo
	}
	from, err1 := strconv.Atoi(lo)
	to, err2 := strconv.Atoi(hi)
	if err1 != nil || err2 != nil || from > to || from < 0 || to > maxJump {
		refuse(h.line, "the jump [%s]: two numbers up to %d, the smaller one first", text, maxJump)
	}
	h.jumps = h.jumps || from != to
	return fmt.Sprintf(".{%d,%d}?", from, to)
}
