// Package nftconf reads the text of nft(8): /etc/nftables.conf,
// /etc/sysconfig/nftables.conf and the output of "nft list ruleset". It knows as
// much of the language (nftables src/parser_bison.y, nft(8)) as ordinary files
// have: blocks of tables, chains, sets and maps, definitions, the commands add
// and insert, and the conditions that fact.Rule can say, put together by the
// same code as the kernel's own (package nftrules). Every rule is kept: what is
// not understood of it is in Unknown. Included files are named, not read.
package nftconf

import (
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
)

// MaxRules is the number of rules read from one text; the rest is left out.
const MaxRules = 100_000

// Parse reads a text as one ruleset a table, of the families ip, ip6 and inet.
// path becomes Persisted and the Origin of every rule.
func Parse(b []byte, path fact.Path) []fact.Ruleset {
	p := newParser(b, path)
	p.file()
	var out []fact.Ruleset
	for i := range p.tables {
		t := &p.tables[i]
		t.rules(p)
		if f := t.set.Family; f == "ip" || f == "ip6" || f == "inet" {
			out = append(out, t.set)
		}
	}
	return out
}

// Includes are the file patterns that a text includes, as they stand there.
func Includes(b []byte) []string {
	p := newParser(b, "")
	p.file()
	return p.includes
}

type parser struct {
	text     string
	path     fact.Path
	tokens   []token
	defines  map[string][]token
	tables   []table
	includes []string
	rules    int
	spent    *int // tokens that variables and sets became
}

// maxSpent is how many tokens variables and sets may become in all; there may
// be maxTables tables, and maxBlocks chains in one.
const (
	maxSpent  = 4_000_000
	maxTables = 1000
	maxBlocks = 20_000
)

// table is a table with the rules of its chains not yet read, because they may
// name sets that come later.
type table struct {
	set    fact.Ruleset
	sets   map[string][]token // the elements of sets and maps
	raw    map[string][][]token
	first  map[string][][]token // of insert, the last one in front
	places map[string]int
}

func newParser(b []byte, path fact.Path) *parser {
	text := fact.Text(b)
	return &parser{text: text, path: path, tokens: lex(text), defines: map[string][]token{}, spent: new(int)}
}

func (p *parser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0].text
}

func (p *parser) next() token {
	if len(p.tokens) == 0 {
		return token{}
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

func ends(s string) bool { return s == "\n" || s == ";" || s == "}" || s == "" }

// statement takes the tokens up to the end of a statement; braces in it may
// hold several lines. The end itself is left when it is a closing brace.
func (p *parser) statement() (out []token) {
	depth := 0
	for len(p.tokens) > 0 {
		t := p.peek()
		switch {
		case depth == 0 && t == "}":
			return out
		case depth == 0 && (t == "\n" || t == ";"):
			p.next()
			return out
		case t == "{":
			depth++
		case t == "}":
			depth--
		}
		if x := p.next(); x.text != "\n" {
			out = append(out, x)
		}
	}
	return out
}

// block takes what stands between braces, with the opening one at the front.
func (p *parser) block() (out []token) {
	p.skipLines()
	if p.peek() != "{" {
		return nil
	}
	p.next()
	for depth := 1; len(p.tokens) > 0; {
		t := p.next()
		switch t.text {
		case "{":
			depth++
		case "}":
			if depth--; depth == 0 {
				return out
			}
		}
		out = append(out, t)
	}
	return out
}

func (p *parser) skipLines() {
	for p.peek() == "\n" {
		p.next()
	}
}

func (p *parser) file() {
	for len(p.tokens) > 0 {
		switch p.peek() {
		case "\n", ";", "}":
			p.next()
		case "define", "redefine":
			p.define()
		case "include":
			p.include()
		case "table":
			p.next()
			p.table()
		case "add", "insert", "create", "replace":
			p.command()
		case "flush":
			if s := p.statement(); len(s) > 1 && s[1].text == "ruleset" {
				p.tables = nil
			}
		default:
			p.statement()
		}
	}
}

func (p *parser) include() {
	if s := p.statement(); len(s) > 1 {
		p.includes = append(p.includes, unquote(s[1].text))
	}
}

// define is "define name = value", where the value may use others.
func (p *parser) define() {
	s := p.statement()
	if len(s) < 4 || s[2].text != "=" {
		return
	}
	p.defines[s[1].text] = p.expand(s[3:])
}

// expand puts the values of variables in their places.
func (p *parser) expand(in []token) (out []token) {
	for _, t := range in {
		v, ok := p.defines[strings.TrimPrefix(t.text, "$")]
		if !ok || t.text[0] != '$' || *p.spent > maxSpent {
			out = append(out, t)
			continue
		}
		*p.spent += len(v)
		for _, x := range v {
			x.line, x.at, x.end = t.line, t.at, t.end
			out = append(out, x)
		}
	}
	return out
}

// tableOf finds a table or makes it.
func (p *parser) tableOf(family, name string) *table {
	for i := range p.tables {
		if t := &p.tables[i]; t.set.Family == family && t.set.Table == name || i == maxTables {
			return t
		}
	}
	p.tables = append(p.tables, table{sets: map[string][]token{}, raw: map[string][][]token{}, first: map[string][][]token{}, places: map[string]int{}, set: fact.Ruleset{
		Ref: fact.RulesetRef("nft", family, name, p.path), Backend: "nft", Family: family, Table: name, Persisted: p.path}})
	return &p.tables[len(p.tables)-1]
}

func isFamily(s string) bool {
	switch s {
	case "ip", "ip6", "inet", "arp", "bridge", "netdev":
		return true
	}
	return false
}

// tableName reads "[family] name"; no family is ip.
func (p *parser) tableName() (family, name string) {
	family = "ip"
	if isFamily(p.peek()) {
		family = p.next().text
	}
	return family, unquote(p.next().text)
}

func (p *parser) table() {
	t := p.tableOf(p.tableName())
	body := p.block()
	if body == nil {
		p.statement()
		return
	}
	inner := &parser{text: p.text, path: p.path, tokens: body, defines: p.defines, spent: p.spent}
	inner.tableBody(t)
	p.includes = append(p.includes, inner.includes...)
}

func (p *parser) tableBody(t *table) {
	for len(p.tokens) > 0 {
		switch p.peek() {
		case "\n", ";", "}":
			p.next()
		case "define", "redefine":
			p.define()
		case "include":
			p.include()
		case "chain":
			p.next()
			name := unquote(p.next().text)
			p.chain(t, name, p.block())
		case "set", "map":
			p.next()
			t.addSet(p.next().text, p.expand(p.block()))
		default:
			p.other()
		}
	}
}

// other skips a statement of a table with the block that it may have.
func (p *parser) other() {
	for !ends(p.peek()) && p.peek() != "{" {
		p.next()
	}
	if p.peek() == "{" {
		p.block()
	}
}

// addSet keeps the tokens of "elements = { … }".
func (t *table) addSet(name string, body []token) {
	t.sets[name] = append(t.sets[name], token{text: "\n"}) // it is there, even when it is empty
	for i := range body {
		if body[i].text == "elements" && i+2 < len(body) && body[i+1].text == "=" && body[i+2].text == "{" {
			t.addElements(name, body[i+3:])
		}
	}
}

func (t *table) addElements(name string, body []token) {
	depth := 0
	if len(t.sets[name]) > 0 {
		t.sets[name] = append(t.sets[name], token{text: ","})
	}
	for _, x := range body {
		switch x.text {
		case "{":
			depth++
		case "}":
			if depth--; depth < 0 {
				return
			}
		}
		t.sets[name] = append(t.sets[name], x)
	}
}

func (t *table) chainOf(name string) *fact.Chain {
	i, ok := t.places[name]
	if len(t.places) >= maxBlocks && !ok {
		i, ok = len(t.set.Chains)-1, true
	}
	if ok {
		return &t.set.Chains[i]
	}
	t.places[name] = len(t.set.Chains)
	t.set.Chains = append(t.set.Chains, fact.Chain{Name: name})
	return &t.set.Chains[len(t.set.Chains)-1]
}

// chain reads a block of properties and rules.
func (p *parser) chain(t *table, name string, body []token) {
	c := t.chainOf(name)
	in := &parser{tokens: body, defines: p.defines, spent: p.spent}
	for len(in.tokens) > 0 {
		s := in.expand(in.statement())
		if len(s) == 0 {
			if in.peek() == "}" {
				in.next()
			}
			continue
		}
		switch s[0].text {
		case "type":
			hook(c, s)
		case "policy":
			if len(s) > 1 && c.Hook != "" {
				c.Policy = s[1].text
			}
		case "include":
			if len(s) > 1 {
				p.includes = append(p.includes, unquote(s[1].text))
			}
		case "comment", "flags", "devices", "device":
		case "define", "redefine":
			if len(s) > 3 {
				p.defines[s[1].text] = s[3:]
			}
		default:
			t.raw[c.Name] = append(t.raw[c.Name], s)
		}
	}
}

var priorities = map[string]int{"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100, "out": 100}

// hook reads "type filter hook input device eth0 priority filter + 10".
func hook(c *fact.Chain, s []token) {
	c.Policy = "accept"
	for i := 0; i+1 < len(s); i++ {
		switch w := s[i+1].text; s[i].text {
		case "type":
			c.Type = w
		case "hook":
			c.Hook = w
		case "priority":
			c.Priority = priority(s[i+1:])
		}
	}
}

func priority(s []token) (n int) {
	sign := 1
	for _, t := range s {
		base, ok := priorities[t.text]
		x, err := strconv.Atoi(t.text)
		switch {
		case ok:
			n += base
		case t.text == "-":
			sign = -1
		case err == nil:
			n += sign * x
		}
	}
	return n
}

// command is "add rule ip filter input tcp dport 22 accept" and the like.
func (p *parser) command() {
	insert := p.next().text == "insert"
	what := p.next().text
	switch what {
	case "table":
		p.table()
	case "chain":
		t := p.tableOf(p.tableName())
		name := unquote(p.next().text)
		p.chain(t, name, p.block())
	case "set", "map", "element":
		t := p.tableOf(p.tableName())
		name := p.next().text
		body := p.expand(p.block())
		if what == "element" {
			t.addElements(name, body)
		} else {
			t.addSet(name, body)
		}
	case "rule":
		p.addRule(insert)
	default:
		p.statement()
	}
}

func (p *parser) addRule(insert bool) {
	t := p.tableOf(p.tableName())
	name := unquote(p.next().text)
	name = t.chainOf(name).Name
	s := p.expand(p.statement())
	for len(s) > 2 && (s[0].text == "handle" || s[0].text == "position" || s[0].text == "index") {
		s = s[2:]
	}
	if len(s) == 0 {
		return
	}
	if insert {
		t.first[name] = append(t.first[name], s)
	} else {
		t.raw[name] = append(t.raw[name], s)
	}
}

// rules reads the rules of all chains.
func (t *table) rules(p *parser) {
	for i := range t.set.Chains {
		c := &t.set.Chains[i]
		slices.Reverse(t.first[c.Name])
		for n, s := range slices.Concat(t.first[c.Name], t.raw[c.Name]) {
			if p.rules++; p.rules > MaxRules {
				return
			}
			c.Rules = append(c.Rules, t.rule(p, n+1, s)...)
		}
	}
}
