package iptablessave

import (
	"net/netip"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// reader reads the options of one rule.
type reader struct {
	family string
	words  []string
	rule   fact.Rule
	match  string // the match whose options follow
	not    bool   // a "!" came before the option
	masked bool   // a mask of --restore-mark came
	other  bool   // -4 or -6 says that the rule is for the other family
}

// read fills r.rule; false when the rule is not for this family.
func (r *reader) read() bool {
	text := r.rule.Text
	defer func() { r.rule.Text = text }() // xtables adds its words for rules that have none yet
	r.rule.Verdict = "continue"
	for len(r.words) > 0 {
		w := r.next()
		switch {
		case w == "!":
			r.not = true
			continue
		case w == "" || w[0] != '-':
			xtables.Doubt(&r.rule, "word "+w)
		default:
			r.option(w)
		}
		r.not = false
	}
	return !r.other
}

func (r *reader) next() string {
	w := r.words[0]
	r.words = r.words[1:]
	return w
}

// value is the argument of an option. The old form "-s ! 10.0.0.1" has the
// exclamation mark here.
func (r *reader) value() string {
	if len(r.words) > 0 && r.words[0] == "!" {
		r.next()
		r.not = true
	}
	if len(r.words) == 0 {
		xtables.Doubt(&r.rule, "cut off")
		return ""
	}
	return r.next()
}

// option is an option of every rule; others belong to a match or a target.
func (r *reader) option(w string) {
	switch w {
	case "-s", "--source", "--src":
		r.addresses(xtables.NarrowSrc)
	case "-d", "--destination", "--dst":
		r.addresses(xtables.NarrowDst)
	case "-i", "--in-interface":
		name := r.value()
		xtables.NarrowIn(&r.rule, name, r.not)
	case "-o", "--out-interface":
		name := r.value()
		xtables.NarrowOut(&r.rule, name, r.not)
	case "-p", "--protocol", "--proto":
		r.protocol()
	case "-m", "--match":
		r.match = r.value()
		r.begin()
	case "-j", "--jump":
		r.target(r.value())
	case "-g", "--goto":
		r.rule.Verdict, r.rule.Target = "goto", r.value()
	case "-f", "--fragment":
		if !r.not {
			xtables.Doubt(&r.rule, "fragment")
		}
	case "-c", "--set-counters":
		r.rule.Packets, _ = strconv.ParseUint(r.value(), 10, 64)
		r.rule.Bytes, _ = strconv.ParseUint(r.value(), 10, 64)
	case "-4", "--ipv4":
		r.other = r.other || r.family == "ip6"
	case "-6", "--ipv6":
		r.other = r.other || r.family == "ip"
	default:
		r.extension(w)
	}
}

// target is set as a jump; settle tells which are targets.
func (r *reader) target(name string) {
	r.rule.Verdict, r.rule.Target, r.match = "jump", name, "-j"
}

func (r *reader) protocol() {
	if p := xtables.Proto(r.value()); p != "" {
		xtables.NarrowProto(&r.rule, p, r.not)
	}
}

// addresses reads "10.0.0.0/8,192.168.0.1", also with a mask in dots.
func (r *reader) addresses(narrow func(*fact.Rule, []netip.Prefix, bool)) {
	var out []netip.Prefix
	for _, s := range strings.Split(r.value(), ",") {
		p, ok := prefix(s)
		if !ok || p.Addr().Is4() != (r.family != "ip6") {
			xtables.Doubt(&r.rule, "address "+s)
			return
		}
		if p.Bits() == 0 && !r.not {
			return
		}
		out = append(out, p)
	}
	narrow(&r.rule, out, r.not)
}

func prefix(s string) (netip.Prefix, bool) {
	addr, mask, hasMask := strings.Cut(s, "/")
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	if !hasMask {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	if bits, err := strconv.Atoi(mask); err == nil {
		p, err := a.Prefix(bits)
		return p, err == nil
	}
	m, err := netip.ParseAddr(mask)
	if err != nil || m.BitLen() != a.BitLen() {
		return netip.Prefix{}, false
	}
	p, err := a.Prefix(leadingOnes(m))
	return p, err == nil
}

// leadingOnes is the length of m's leading ones if all its ones lead, else -1.
func leadingOnes(m netip.Addr) int {
	n, open := 0, true
	for _, b := range m.AsSlice() {
		for i := 7; i >= 0; i-- {
			switch one := b&(1<<i) != 0; {
			case one && !open:
				return -1
			case one:
				n++
			default:
				open = false
			}
		}
	}
	return n
}
