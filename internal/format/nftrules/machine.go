package nftrules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// machine runs one rule symbolically. Where a set or a verdict map asks for
// something that one fact.Rule cannot say, the rule becomes several with the
// same number and handle, which together say it.
type machine struct {
	dump   *Dump
	ifname func(uint32) string
	rule   *ruleMsg
	ipt    bool // write the text as iptables does
	alts   []alt
	regs   map[uint32]value // by four-byte register
	words  []word
	head   *fact.Rule // the rule when its first match of xtables came: what "-s" and "-d" say
	lower  *bound     // a condition ">=" that the next "<=" may end
}

// alt is one of the rules that this one becomes.
type alt struct {
	rule   fact.Rule
	family string // set by a condition on the family
	done   bool   // it has a verdict
}

// word is a piece of text. implied is what it says without words: "tcp dport"
// says that the protocol is tcp, so that a word with this says is left out.
type word struct{ nft, ipt, says, implied string }

// bound is "v >= from", said by the word at place.
type bound struct {
	v     value
	from  []byte
	place int
}

// maxAlts is the number of rules that one may become; a set of leases has an
// element for each.
const maxAlts = 4096

// run appends what the rule becomes, as number n of its chain.
func (m *machine) run(n int, out []fact.Rule) []fact.Rule {
	m.regs = map[uint32]value{}
	m.alts = []alt{{rule: fact.Rule{N: n, Handle: m.rule.handle, Comment: m.rule.comment}}}
	for _, e := range m.rule.exprs {
		m.step(e)
	}
	text := m.text()
	out = slices.Grow(out, len(m.alts))
	for i := range m.alts {
		a := &m.alts[i]
		r := &a.rule
		m.closeFamily(a)
		if r.Verdict == "" {
			r.Verdict = "continue"
		}
		r.Text = text
		if m.ipt {
			r.Text = xtables.Head(m.rule.chain, m.headOf(r)) + text
		}
		xtables.Settle(r)
		out = append(out, *r)
	}
	return out
}

// headOf is r with the addresses of its fixed part only.
func (m *machine) headOf(r *fact.Rule) *fact.Rule {
	h := *r
	if m.head != nil {
		h.Src, h.NotSrc, h.Dst, h.NotDst = m.head.Src, m.head.NotSrc, m.head.Dst, m.head.NotDst
	}
	return &h
}

// closeFamily makes a condition on the family one on the source: a rule of an
// inet table that is for IPv4 only has the source 0.0.0.0/0 if it has no other
// address of IPv4.
func (m *machine) closeFamily(a *alt) {
	if a.family == "" || a.family == m.rule.family {
		return
	}
	of := func(p netip.Prefix) bool { return p.Addr().Is4() == (a.family == "ip") }
	if slices.ContainsFunc(a.rule.Src, of) || slices.ContainsFunc(a.rule.Dst, of) {
		return
	}
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if a.family == "ip6" {
		all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	if a.family == "ip" || a.family == "ip6" {
		xtables.NarrowSrc(&a.rule, []netip.Prefix{all}, false)
	}
}

// each changes every alternative that has no verdict yet, and is true.
func (m *machine) each(f func(*fact.Rule)) bool {
	for i := range m.alts {
		if !m.alts[i].done {
			f(&m.alts[i].rule)
		}
	}
	return true
}

// doubt notes a condition that is not understood.
func (m *machine) doubt(word string) {
	m.each(func(r *fact.Rule) { xtables.Doubt(r, word) })
}

// fork replaces every open alternative by n of it, n > 0, each changed by f, which
// gets it as a list of one; too many are refused.
func (m *machine) fork(n int, f func(i int, one []alt)) bool {
	if n*len(m.alts) > maxAlts || m.dump.parts > maxParts {
		return false
	}
	m.dump.parts += n * len(m.alts)
	next := make([]alt, 0, n*len(m.alts))
	for i := range m.alts {
		a := &m.alts[i]
		if a.done {
			next = append(next, *a)
			continue
		}
		for k := range n {
			next = append(next, *a)
			one := next[len(next)-1:] // in its place: a thousand copies of it take as long as all the rest
			one[0].rule.Unknown = slices.Clone(a.rule.Unknown)
			f(k, one)
		}
	}
	m.alts = next
	return true
}

func (m *machine) say(w word) { m.words = append(m.words, w) }

// proto is the protocol that is known here, of the first alternative; an
// alternative of tcp and udp makes it "th".
func (m *machine) proto() string {
	p := ""
	for i, a := range m.alts {
		if a.rule.NotProto || i > 0 && a.rule.Proto != p {
			return ""
		}
		p = a.rule.Proto
	}
	return p
}

func (m *machine) family() string {
	if m.rule.family != "inet" {
		return m.rule.family
	}
	f := ""
	for i, a := range m.alts {
		if i > 0 && a.family != f {
			return ""
		}
		f = a.family
	}
	return f
}

// reg turns a register's number into the number of its first four bytes:
// NFT_REG_1…4 have 16 bytes, NFT_REG32_00… are 8 and up.
func reg(n uint32) uint32 {
	if n >= 1 && n <= 4 {
		return (n - 1) * 4
	}
	return n - 8
}

func (m *machine) load(n uint32, v value) { m.regs[reg(n)] = v }

func (m *machine) text() string {
	if m.ipt {
		return m.iptText()
	}
	implied := map[string]bool{}
	for _, w := range m.words {
		for _, s := range strings.Fields(w.implied) {
			implied[s] = true
		}
	}
	var out []string
	for _, w := range m.words {
		if w.nft != "" && (w.says == "" || !implied[w.says]) {
			out = append(out, w.nft)
		}
	}
	if m.rule.comment != "" {
		out = append(out, fmt.Sprintf("comment %q", m.rule.comment))
	}
	return strings.Join(out, " ")
}

// iptText joins the words behind the head; a match is named once when two of
// its conditions follow each other.
func (m *machine) iptText() string {
	var b strings.Builder
	last := ""
	for _, w := range m.words {
		if w.ipt == "" {
			continue
		}
		s := w.ipt
		if f := strings.Fields(s); len(f) > 2 && f[0] == "-m" {
			if f[1] == last {
				s = strings.TrimPrefix(s, "-m "+last+" ")
			}
			last = f[1]
		}
		b.WriteString(" " + s)
	}
	return b.String()
}
