package yara

import (
	"fmt"
	"strings"
)

// parser reads one file by recursive descent, one token ahead.
type parser struct {
	r     *Rules
	lex   lexer
	tok   token
	rulx  *rule          // that is read
	ids   map[string]int // its strings by name, without those that have none
	vars  []string       // of the loops around
	each  int            // loops over strings around: $ alone means the one at hand
	deep  int
	plain bool // what comes is the quantifier of a loop: "of" is the loop's
}

func (p *parser) next() token {
	t := p.tok
	p.tok = p.lex.next()
	return t
}

func (p *parser) is(sign string) bool {
	return (p.tok.kind == tokSign || p.tok.kind == tokWord) && p.tok.text == sign
}

// accept takes a sign or word if it comes next.
func (p *parser) accept(sign string) bool {
	if p.is(sign) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(sign string) {
	if !p.accept(sign) {
		refuse(p.tok.line, "%s where %q was expected", p.tok, sign)
	}
}

func (p *parser) word(what string) string {
	if p.tok.kind != tokWord {
		refuse(p.tok.line, "%s where %s was expected", p.tok, what)
	}
	return p.next().text
}

func (p *parser) rule() {
	line := p.tok.line
	x := rule{meta: map[string]string{}, first: len(p.r.strs)}
	for !p.is("rule") {
		switch w := p.word(`"rule"`); w {
		case "global":
			x.global = true
		case "private":
			x.private = true
		case "import":
			refuse(line, "import: modules are not supported")
		case "include":
			refuse(line, "include is not supported: name each file")
		default:
			refuse(line, `%q where "rule" was expected`, w)
		}
	}
	p.next()
	x.name = p.word("the name of a rule")
	if _, ok := p.r.byName[x.name]; ok {
		refuse(line, "a second rule %q", x.name)
	}
	if len(p.r.rules) == maxRules {
		refuse(line, "more than %d rules", maxRules)
	}
	if p.accept(":") {
		for p.tok.kind == tokWord {
			x.tags = append(x.tags, p.next().text)
		}
	}
	p.rulx, p.ids = &x, map[string]int{}
	p.expect("{")
	p.sections()
	p.expect("}")
	x.last = len(p.r.strs)
	p.r.byName[x.name] = len(p.r.rules)
	p.r.rules = append(p.r.rules, x)
}

func (p *parser) sections() {
	if p.accept("meta") {
		p.expect(":")
		p.meta()
	}
	if p.accept("strings") {
		p.expect(":")
		for p.tok.kind == tokString {
			p.str()
		}
	}
	if !p.accept("condition") {
		refuse(p.tok.line, `%s where "condition" was expected`, p.tok)
	}
	p.expect(":")
	p.rulx.when = p.expression()
}

func (p *parser) meta() {
	for p.tok.kind == tokWord && p.tok.text != "strings" && p.tok.text != "condition" {
		name := p.next().text
		p.expect("=")
		minus := ""
		if p.accept("-") {
			minus = "-"
		}
		switch t := p.next(); {
		case t.kind == tokText && minus == "":
			p.rulx.meta[name] = t.text
		case t.kind == tokNumber:
			p.rulx.meta[name] = minus + fmt.Sprint(t.num)
		case t.kind == tokWord && minus == "" && (t.text == "true" || t.text == "false"):
			p.rulx.meta[name] = t.text
		default:
			refuse(t.line, "%s: %s is no value of meta", name, t)
		}
	}
}

// str reads one line of the strings section.
func (p *parser) str() {
	t := p.next()
	s := str{name: t.text, line: t.line}
	if strings.HasSuffix(s.name, "*") {
		refuse(s.line, "%s is no name of a string", t)
	}
	if _, ok := p.ids[s.name]; ok && s.name != "" {
		refuse(s.line, "a second string %s", t)
	}
	p.expect("=")
	v := p.next()
	m := p.modifiers(v.kind)
	switch v.kind {
	case tokText:
		s.text([]byte(v.text), m)
	case tokHex:
		s.hex(v.text)
	case tokRegexp:
		s.regexp(v.text, v.flags, m)
	default:
		refuse(v.line, "%s is no string", v)
	}
	if s.name != "" {
		p.ids[s.name] = len(p.r.strs)
	}
	p.r.strs = append(p.r.strs, s)
	if p.r.variants += max(1, len(s.lits)); p.r.variants > maxStrings {
		refuse(s.line, "more than %d strings", maxStrings)
	}
}

// modifiers of a string.
type modifiers struct {
	nocase, wide, ascii, full, xor bool
	from, to                       int // keys of xor
}

func (p *parser) modifiers(k kind) (m modifiers) {
	for line := p.tok.line; p.tok.kind == tokWord; line = p.tok.line {
		switch p.tok.text {
		case "nocase":
			m.nocase = true
		case "wide":
			m.wide = true
		case "ascii":
			m.ascii = true
		case "fullword":
			m.full = true
		case "private":
		case "xor":
			m.xor, m.from, m.to = true, 0, 255
		case "base64", "base64wide":
			refuse(line, "%s is not supported: write the encoded text", p.tok.text)
		default: // the next section
			return m
		}
		w := p.next().text
		if k == tokHex && w != "private" || k == tokRegexp && w == "xor" {
			refuse(line, "%s does not go with this kind of string", w)
		}
		if k == tokRegexp && w == "wide" {
			refuse(line, "wide regular expressions are not supported")
		}
		if w == "xor" && p.accept("(") {
			m.from = p.key()
			m.to = m.from
			if p.accept("-") {
				m.to = p.key()
			}
			p.expect(")")
			if m.from > m.to {
				refuse(line, "xor: the range is empty")
			}
		}
		if m.xor && m.nocase {
			refuse(line, "xor does not go with nocase")
		}
	}
	return m
}

func (p *parser) key() int {
	t := p.next()
	if t.kind != tokNumber || t.num > 255 {
		refuse(t.line, "%s is no key of xor", t)
	}
	return int(t.num)
}
