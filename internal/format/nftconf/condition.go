package nftconf

import (
	"slices"
	"strings"

	"demine/internal/format/nftrules"
)

// condition reads "field op values", "field . field { … }" or "field vmap …".
// w is its first word, which is taken already.
func (r *reader) condition(w string) {
	name, ok := r.fieldName(w)
	if !ok {
		r.unknown(name)
		return
	}
	if special := r.special(name); special {
		return
	}
	f, known := r.b.Field(name)
	fields := []nftrules.Field{f}
	for r.peek() == "." {
		r.next()
		n, ok := r.fieldName(r.next())
		g, k := r.b.Field(n)
		fields, known = append(fields, g), known && ok && k
	}
	switch {
	case r.peek() == "vmap":
		r.next()
		r.vmap(fields)
	case r.peek() == "set": // "meta mark set 1" is no condition
		r.next()
		r.value()
	case f.IsFlags():
		r.flags()
	case f.IsState():
		r.states(f)
	default:
		op, values, set, ok := r.right()
		if !ok || !known {
			r.unknown(f.Text())
			return
		}
		r.b.Match(fields, op, values, set)
	}
}

// unknown is a doubt about a field, or about a word that begins nothing known.
func (r *reader) unknown(name string) {
	if name == "meta mark" {
		name = "mark"
	}
	if name == "" {
		name = "?"
	}
	r.b.Doubt(name)
}

// fieldName takes the words of a field.
func (r *reader) fieldName(w string) (string, bool) {
	switch w {
	case "iif", "iifname", "oif", "oifname", "mark", "pkttype", "skuid", "skgid", "cpu", "cgroup", "iifgroup", "oifgroup", "iiftype":
		return w, true
	case "meta", "ct", "ip", "ip6", "tcp", "udp", "th", "sctp", "dccp", "udplite", "icmp", "icmpv6":
		n := r.next()
		if w == "ct" && (n == "original" || n == "reply") {
			n += " " + r.next()
		}
		if w == "icmp" || w == "icmpv6" {
			return w + " " + n, true
		}
		return w + " " + n, n != ""
	case "fib":
		return r.fib()
	}
	return w, false
}

// fib is "fib saddr . iif oif" or "fib daddr type".
func (r *reader) fib() (string, bool) {
	s := "fib " + r.next()
	for r.peek() == "." {
		r.next()
		s += " . " + r.next()
	}
	return s + " " + r.next(), true
}

// special are conditions that have a grammar of their own.
func (r *reader) special(name string) bool {
	switch {
	case name == "mark" || name == "meta mark":
		r.mark()
	case name == "ct count":
		word := "connlimit upto"
		if r.peek() == "over" {
			r.next()
			word = "connlimit above"
		}
		r.next()
		r.b.Doubt(word)
	case strings.HasPrefix(name, "fib saddr") && strings.Contains(name, "iif") && strings.HasSuffix(name, " oif"):
		op, values, _, _ := r.right()
		missing := len(values) == 1 && (values[0] == "missing" || values[0] == "0")
		if missing != (op == "!=") {
			r.b.Doubt("rpfilter --invert")
		} else {
			r.b.Doubt("rpfilter")
		}
	case name == "ct helper" || name == "ct timeout" || name == "ct expectation" || name == "ct mark" || name == "ct zone":
		if r.peek() != "set" {
			return false
		}
		r.next()
		r.value()
	default:
		return false
	}
	return true
}

// op takes an operator.
func (r *reader) op() string {
	switch w := r.peek(); w {
	case "==", "!=", "<", ">", "<=", ">=":
		r.next()
		return strings.TrimPrefix(w, "==")
	case "!":
		r.next()
		return "!="
	}
	return ""
}

// value takes one value: a word, a range written with blanks, or a list with
// commas.
func (r *reader) value() string {
	s := unquote(r.next())
	for len(r.tokens) > 0 && (r.peek() == "-" || strings.HasSuffix(s, "-") || r.peek() == "|") {
		s += unquote(r.next())
	}
	return s
}

// right takes operator and values. ok is false when there is arithmetic that is
// not understood; it is taken all the same.
func (r *reader) right() (op string, values []string, set, ok bool) {
	ok = true
	for r.peek() == "and" || r.peek() == "&" || r.peek() == "or" || r.peek() == "|" || r.peek() == "xor" || r.peek() == "^" {
		r.next()
		r.value()
		ok = false
	}
	op = r.op()
	switch w := r.peek(); {
	case w == "{":
		return op, r.elements(), true, ok
	case strings.HasPrefix(w, "@"):
		r.next()
		values, found := r.named(w)
		return op, values, true, ok && found
	case w == "(":
		for len(r.tokens) > 0 && r.next() != ")" {
		}
		return op, nil, false, false
	}
	v := r.value()
	for r.peek() == "," {
		r.next()
		v += "," + r.value()
		ok = false
	}
	for r.peek() == "." { // one value of a concatenation
		r.next()
		v += " . " + r.value()
	}
	return op, []string{v}, false, ok && v != ""
}

// elements takes "{ a, b-c, { d } }" with what belongs to each element cut off
// (timeout, comment, counter).
func (r *reader) elements() []string {
	depth := 0
	var words []token
	for len(r.tokens) > 0 {
		t := r.tokens[0]
		r.tokens = r.tokens[1:]
		switch t.text {
		case "{":
			depth++
			continue
		case "}":
			if depth--; depth == 0 {
				return split(words)
			}
			continue
		}
		words = append(words, t)
	}
	return split(words)
}

func (r *reader) named(name string) ([]string, bool) {
	body, ok := r.t.sets[strings.TrimPrefix(name, "@")]
	if *r.spent += len(body); *r.spent > maxSpent {
		return nil, false
	}
	inner := slices.DeleteFunc(slices.Clone(body), func(t token) bool { return t.text == "{" || t.text == "}" })
	return split(inner), ok
}

// split cuts the words of a set at its commas into elements.
func split(words []token) (out []string) {
	var cur []string
	flush := func() {
		if len(cur) > 0 {
			out = append(out, strings.Join(cur, " "))
		}
		cur = nil
	}
	skip := false
	for _, t := range words {
		switch w := t.text; {
		case w == ",":
			flush()
			skip = false
		case w == "\n" || skip:
		case w == "timeout" || w == "expires" || w == "comment" || w == "counter" || w == "limit":
			skip = true
		case w == "-" && len(cur) > 0, len(cur) > 0 && strings.HasSuffix(cur[len(cur)-1], "-"):
			cur[len(cur)-1] += unquote(w)
		default:
			cur = append(cur, unquote(w))
		}
	}
	flush()
	return out
}

// vmap is "{ key : verdict, … }" or "@map".
func (r *reader) vmap(fields []nftrules.Field) {
	var list []string
	ok := true
	if name := r.peek(); strings.HasPrefix(name, "@") {
		r.next()
		list, ok = r.named(name)
	} else {
		list = r.elements()
	}
	var entries []nftrules.Entry
	for _, s := range list {
		e, good := entry(s)
		ok = ok && good
		entries = append(entries, e)
	}
	if !ok {
		r.b.Doubt(fields[0].Text() + " vmap")
		r.b.Verdict("other", "vmap")
		return
	}
	r.b.VMap(fields, entries)
}

// entry reads "22 : jump web", also without blanks around the colon.
func entry(s string) (nftrules.Entry, bool) {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] != ':' {
			continue
		}
		f := strings.Fields(s[i+1:])
		if len(f) == 0 {
			return nftrules.Entry{}, false
		}
		e := nftrules.Entry{Key: strings.TrimSpace(s[:i]), Verdict: f[0]}
		switch {
		case len(f) == 2 && (f[0] == "jump" || f[0] == "goto"):
			e.Chain = f[1]
		case len(f) != 1 || !slices.Contains([]string{"accept", "drop", "return", "continue", "queue"}, f[0]):
			return e, false
		}
		return e, e.Key != ""
	}
	return nftrules.Entry{}, false
}

// states is "new", "established,related", "!= new" or a set.
func (r *reader) states(f nftrules.Field) {
	op, values, set, _ := r.right()
	switch {
	case set || op != "" && op != "!=":
		r.b.Match([]nftrules.Field{f}, op, values, set)
	case len(values) == 1:
		r.b.States(strings.FieldsFunc(values[0], func(c rune) bool { return c == ',' || c == '|' }), op == "!=")
	default:
		r.unknown(f.Text())
	}
}

// flags is "syn", "& (fin|syn) == syn", "syn / fin,syn,rst,ack", "!= syn" or
// "== syn".
func (r *reader) flags() {
	if r.peek() == "&" || r.peek() == "and" {
		r.next()
		mask, ok1 := r.flagBits()
		op := r.op()
		want, ok2 := r.flagBits()
		r.addFlags(mask, want, op == "!=", ok1 && ok2)
		return
	}
	exact := r.peek() == "=="
	op := r.op()
	want, ok := r.flagBits()
	switch {
	case r.peek() == "/":
		r.next()
		mask, ok2 := r.flagBits()
		r.addFlags(mask, want, op == "!=", ok && ok2)
	case exact || op == "!=":
		r.addFlags(0xff, want, op == "!=", false)
	default: // any of them
		r.addFlags(want, 0, true, ok)
	}
}

func (r *reader) addFlags(mask, want byte, not, ok bool) {
	if !ok {
		r.b.Doubt("tcp flags")
		return
	}
	r.b.Flags(mask, want, not)
}

// flagBits takes names of TCP flags with commas, bars or brackets around them.
func (r *reader) flagBits() (b byte, ok bool) {
	ok = true
	for first := true; ; first = false {
		for r.peek() == "(" {
			r.next()
		}
		w := r.next()
		if i := slices.Index([]string{"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"}, w); i >= 0 {
			b |= 1 << i
		} else if w != "0x0" && w != "0" || !first {
			ok = false
		}
		for r.peek() == ")" {
			r.next()
		}
		if r.peek() != "," && r.peek() != "|" {
			return b, ok && b&0xc0 == 0
		}
		r.next()
	}
}
