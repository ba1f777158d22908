package yara

// value is a number or a truth (not 0); undef is what cannot be known, as an
// offset outside of the file.
type value struct {
	n     int64
	undef bool
}

var undefined = value{undef: true}

func (v value) yes() bool { return !v.undef && v.n != 0 }

func truth(b bool) value {
	if b {
		return value{n: 1}
	}
	return value{}
}

// expr is a compiled part of a condition.
type expr func(*scan) value

// levels are the binary operators, the loosest first.
var levels = [][]string{
	{"or"}, {"and"}, {"not"}, {"==", "!="}, {"<", "<=", ">", ">="}, {"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*", "\\", "%"},
}

func (p *parser) expression() expr {
	if p.deep++; p.deep > maxDepth {
		refuse(p.tok.line, "the condition is nested more than %d deep", maxDepth)
	}
	defer func() { p.deep-- }()
	return p.level(0)
}

func (p *parser) level(n int) expr {
	if n == len(levels) {
		return p.unary()
	}
	if levels[n][0] == "not" {
		return p.not(n)
	}
	left := p.level(n + 1)
	for {
		op := ""
		for _, o := range levels[n] {
			if p.is(o) {
				op = o
			}
		}
		if op == "" {
			return left
		}
		line := p.next().line
		if n > 2 && p.tok.kind == tokText {
			refuse(line, "texts in a condition are not supported")
		}
		left = operate(op, left, p.level(n+1))
	}
}

func (p *parser) not(n int) expr {
	deep := p.deep
	defer func() { p.deep = deep }()
	flips := 0
	defined := false
	for {
		switch {
		case p.accept("not"):
			if flips++; flips > maxDepth {
				refuse(p.tok.line, "too many nots")
			}
			continue
		case p.accept("defined"):
			defined = true
		}
		break
	}
	x := p.level(n + 1)
	if defined {
		inner := x
		x = func(sc *scan) value { return truth(!inner(sc).undef) }
	}
	if flips == 0 {
		return x
	}
	return func(sc *scan) value {
		v := x(sc)
		if !v.undef && flips%2 == 1 {
			return truth(v.n == 0)
		}
		return v
	}
}

func operate(op string, a, b expr) expr {
	switch op {
	case "or":
		return func(sc *scan) value { return truth(a(sc).yes() || b(sc).yes()) }
	case "and":
		return func(sc *scan) value { return truth(a(sc).yes() && b(sc).yes()) }
	}
	f := arithmetic[op]
	return func(sc *scan) value {
		x, y := a(sc), b(sc)
		if x.undef || y.undef {
			return undefined
		}
		return f(x.n, y.n)
	}
}

func num(n int64) value { return value{n: n} }

var arithmetic = map[string]func(a, b int64) value{
	"==": func(a, b int64) value { return truth(a == b) },
	"!=": func(a, b int64) value { return truth(a != b) },
	"<":  func(a, b int64) value { return truth(a < b) },
	"<=": func(a, b int64) value { return truth(a <= b) },
	">":  func(a, b int64) value { return truth(a > b) },
	">=": func(a, b int64) value { return truth(a >= b) },
	"|":  func(a, b int64) value { return num(a | b) },
	"^":  func(a, b int64) value { return num(a ^ b) },
	"&":  func(a, b int64) value { return num(a & b) },
	"+":  func(a, b int64) value { return num(a + b) },
	"-":  func(a, b int64) value { return num(a - b) },
	"*":  func(a, b int64) value { return num(a * b) },
	"<<": func(a, b int64) value { return shift(b, func() int64 { return a << uint(b) }) },
	">>": func(a, b int64) value { return shift(b, func() int64 { return a >> uint(b) }) },
	"\\": func(a, b int64) value { return divide(a, b, func() int64 { return a / b }) },
	"%":  func(a, b int64) value { return divide(a, b, func() int64 { return a % b }) },
}

func shift(by int64, f func() int64) value {
	switch {
	case by < 0:
		return undefined
	case by > 63:
		return num(0)
	}
	return num(f())
}

func divide(a, b int64, f func() int64) value {
	if b == 0 || b == -1 && a == -1<<63 {
		return undefined
	}
	return num(f())
}

func (p *parser) unary() expr {
	if !p.is("-") && !p.is("~") {
		return p.operand()
	}
	op := p.next().text
	if p.deep++; p.deep > maxDepth {
		refuse(p.tok.line, "the condition is nested more than %d deep", maxDepth)
	}
	defer func() { p.deep-- }()
	x := p.unary()
	return func(sc *scan) value {
		v := x(sc)
		if op == "-" {
			v.n = -v.n
		} else {
			v.n = ^v.n
		}
		return v
	}
}

func (p *parser) operand() expr {
	switch t := p.tok; t.kind {
	case tokNumber:
		p.next()
		if p.is("%") {
			if w := p.lex; w.next().text == "of" {
				refuse(t.line, "percentages are not supported: name the number")
			}
		}
		if !p.plain && p.is("of") {
			return p.of(func(*scan) value { return num(t.num) })
		}
		return func(*scan) value { return num(t.num) }
	case tokString:
		return p.stands()
	case tokCount, tokOffset, tokLength:
		return p.property()
	case tokWord:
		return p.named()
	case tokText:
		refuse(t.line, "texts in a condition are not supported")
	case tokRegexp:
		refuse(t.line, "regular expressions in a condition are not supported")
	case tokSign:
		if p.accept("(") {
			plain := p.plain
			p.plain = false
			x := p.expression()
			p.expect(")")
			p.plain = plain
			if !plain && p.is("of") {
				return p.of(x)
			}
			return x
		}
	}
	refuse(p.tok.line, "%s in a condition", p.tok)
	return nil
}

// named reads what begins with a word.
func (p *parser) named() expr {
	t := p.next()
	switch t.text {
	case "true", "false":
		return func(*scan) value { return truth(t.text == "true") }
	case "filesize":
		return func(sc *scan) value { return num(int64(len(sc.data))) }
	case "all", "any", "none":
		q := quantifier(t.text)
		if !p.is("of") {
			refuse(p.tok.line, `%s where "of" was expected`, p.tok)
		}
		return p.of(q)
	case "for":
		return p.loop()
	case "entrypoint":
		refuse(t.line, "entrypoint is not supported")
	}
	if x := p.integer(t); x != nil {
		return x
	}
	for i := len(p.vars) - 1; i >= 0; i-- {
		if p.vars[i] == t.text {
			return func(sc *scan) value { return sc.vars[i] }
		}
	}
	id, ok := p.r.byName[t.text]
	if !ok || p.is(".") {
		refuse(t.line, "%q is no earlier rule; modules and external variables are not supported", t.text)
	}
	return func(sc *scan) value { return truth(sc.truth[id]) }
}
