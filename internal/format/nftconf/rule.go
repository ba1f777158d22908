package nftconf

import (
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/nftrules"
	"demine/internal/format/xtables"
)

// reader reads the statements of one rule.
type reader struct {
	t      *table
	b      *nftrules.Builder
	tokens []token
	spent  *int
}

func (t *table) rule(p *parser, n int, s []token) []fact.Rule {
	first, last := s[0], s[len(s)-1]
	text := ""
	if first.at < last.end && last.end <= len(p.text) {
		text = strings.Join(strings.Fields(p.text[first.at:last.end]), " ")
	}
	r := reader{t: t, tokens: s, spent: p.spent}
	r.b = nftrules.NewBuilder(t.set.Family, fact.Rule{N: n, Text: text, Origin: fact.Origin{Path: p.path, Line: first.line}})
	for len(r.tokens) > 0 {
		r.statement()
	}
	return r.b.Rules()
}

func (r *reader) peek() string { return r.peekAt(0) }

func (r *reader) peekAt(i int) string {
	if i < len(r.tokens) {
		return r.tokens[i].text
	}
	return ""
}

func (r *reader) next() string {
	if len(r.tokens) == 0 {
		return ""
	}
	s := r.tokens[0].text
	r.tokens = r.tokens[1:]
	return s
}

// statement reads one condition or statement.
func (r *reader) statement() {
	w := r.next()
	switch w {
	case "accept", "drop", "return", "continue":
		r.b.Verdict(w, "")
	case "jump", "goto":
		r.b.Verdict(w, unquote(r.next()))
	case "reject":
		r.b.Verdict("reject", "")
		r.tokens = r.upTo("comment")
	case "queue":
		r.b.Verdict("other", "queue")
		r.tokens = r.upTo("comment")
	case "dnat", "snat", "masquerade", "redirect", "tproxy", "synproxy":
		r.nat(w)
	case "comment":
		r.b.Comment(unquote(r.next()))
	case "counter":
		r.counter()
	case "log":
		r.log()
	case "limit":
		r.limit()
	case "notrack":
		r.b.Each(func(x *fact.Rule) { x.Target = "NOTRACK" })
	case "add", "update", "delete", "set":
		r.dynamic()
	case "flow", "dup", "fwd", "xt":
		if w == "xt" {
			r.b.Doubt("xt " + unquote(r.peekAt(1)))
		}
		r.tokens = r.upTo("accept", "drop", "return", "comment")
	default:
		r.condition(w)
	}
}

// upTo is what is left from the first of these words on.
func (r *reader) upTo(words ...string) []token {
	i := slices.IndexFunc(r.tokens, func(t token) bool { return slices.Contains(words, t.text) })
	if i < 0 {
		return nil
	}
	return r.tokens[i:]
}

func (r *reader) nat(w string) {
	word, target := "other", w
	switch w {
	case "dnat", "tproxy":
		word = "dnat"
	case "redirect":
		word = "redirect"
	}
	comment := r.upTo("comment")
	if len(comment) > 1 {
		r.b.Comment(unquote(comment[1].text))
	}
	if word != "other" {
		to := r.natTo(w)
		r.b.Each(func(x *fact.Rule) { x.NatTo = to })
	}
	r.tokens = nil
	r.b.Verdict(word, target)
}

// natTo reads what follows dnat and redirect: "to 172.17.0.2:80", "ip to …",
// "to :8080". A map is unclear.
func (r *reader) natTo(w string) fact.NatTo {
	var words []string
	for len(r.tokens) > 0 && r.peek() != "comment" {
		words = append(words, r.next())
	}
	i := slices.Index(words, "to")
	switch {
	case w == "tproxy" || i >= 0 && i+1 >= len(words):
		return fact.NatTo{Unclear: true}
	case i < 0:
		return fact.NatTo{}
	}
	if i > 0 && (words[i-1] == "ip" || words[i-1] == "ip6") {
		r.b.Family(words[i-1])
	}
	words = slices.DeleteFunc(words[i+1:], func(s string) bool { return s == "random" || s == "persistent" || s == "fully-random" || s == "," })
	return xtables.NatTo(strings.Join(words, ""))
}

func (r *reader) counter() {
	if r.peek() == "name" {
		r.next()
		r.next()
		return
	}
	r.b.Each(func(x *fact.Rule) { x.Counter = true })
	for r.peek() == "packets" || r.peek() == "bytes" {
		what := r.next()
		n, _ := strconv.ParseUint(r.next(), 10, 64)
		r.b.Each(func(x *fact.Rule) {
			if what == "packets" {
				x.Packets = n
			} else {
				x.Bytes = n
			}
		})
	}
}

func (r *reader) log() {
	target := "LOG"
	for slices.Contains([]string{"prefix", "level", "group", "flags", "snaplen", "queue-threshold"}, r.peek()) {
		if r.next() == "group" {
			target = "NFLOG"
		}
		r.next()
		for r.peek() == "," {
			r.next()
			r.next()
		}
	}
	r.b.Each(func(x *fact.Rule) { x.Target = target })
}

// limit is "limit rate [over] 10/second burst 5 packets", or a named one.
func (r *reader) limit() {
	word := "limit"
	if r.peek() == "name" {
		word = "object"
	}
	r.next() // rate
	if r.peek() == "over" {
		word = "limit over"
		r.next()
	}
	r.next() // 10/second
	for slices.Contains([]string{"bytes/second", "kbytes/second", "mbytes/second", "/", "second", "minute", "hour", "day"}, r.peek()) {
		r.next()
	}
	if r.peek() == "burst" {
		r.next()
		r.next()
		r.next()
	}
	r.b.Doubt(word)
}

// dynamic is "add @set { ip saddr limit rate over 10/minute }": only a rate in
// it is a condition.
func (r *reader) dynamic() {
	r.next() // the set
	if r.peek() != "{" {
		return
	}
	words := r.braces()
	i := slices.Index(words, "limit")
	switch {
	case i >= 0 && slices.Contains(words, "over"):
		r.b.Doubt("limit over")
	case i >= 0:
		r.b.Doubt("limit")
	case slices.Contains(words, "ct"):
		r.b.Doubt("connlimit " + map[bool]string{true: "above", false: "upto"}[slices.Contains(words, "over")])
	}
}

// braces takes "{ … }" and gives the words in it.
func (r *reader) braces() (out []string) {
	for depth := 0; len(r.tokens) > 0; {
		switch w := r.next(); w {
		case "{":
			depth++
		case "}":
			if depth--; depth == 0 {
				return out
			}
		default:
			out = append(out, w)
		}
	}
	return out
}
