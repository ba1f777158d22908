// Package xtables reads the rules of iptables-legacy and ip6tables-legacy as
// the kernel gives them: the blob of IPT_SO_GET_ENTRIES and
// IP6T_SO_GET_ENTRIES, in the layout of linux/netfilter_ipv4/ip_tables.h,
// linux/netfilter_ipv6/ip6_tables.h and linux/netfilter/x_tables.h on a 64-bit
// kernel. Its decoder of one match and one target is shared with nftables, whose
// compat expressions carry the same bytes (linux/netfilter/nf_tables_compat.h),
// and its Narrow functions are how every reader of packet filter rules puts
// conditions together.
package xtables

import (
	"encoding/binary"
	"errors"
	"fmt"

	"demine/internal/fact"
)

// ErrMalformed says that a blob is not what the kernel's headers promise.
var ErrMalformed = errors.New("malformed xtables blob")

// MaxRules is the number of entries read from one table; what is behind is
// left out and ErrMalformed says so.
const MaxRules = 100_000

// Info is struct ipt_getinfo (and ip6t_getinfo) without the name: what
// IPT_SO_GET_INFO says of a table. Offsets count from the start of the entries.
type Info struct {
	ValidHooks           uint32
	HookEntry, Underflow [5]uint32
	Entries, Size        uint32
}

// hooks are NF_INET_PRE_ROUTING … NF_INET_POST_ROUTING of linux/netfilter.h.
var hooks = [5]string{"prerouting", "input", "forward", "output", "postrouting"}

// chains are the names that iptables gives to the base chains of those hooks.
var chains = [5]string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}

// Hook is the hook ("input"), priority (linux/netfilter_ipv4.h) and type of the
// base chain name of an iptables table; empty when there is no such base chain.
func Hook(table, name string) (hook string, priority int, kind string) {
	for i, c := range chains {
		if c == name {
			hook = hooks[i]
		}
	}
	kind = "filter"
	switch table {
	case "raw":
		priority = -300
	case "mangle":
		priority = -150
		if hook == "output" {
			kind = "route"
		}
	case "security":
		priority = 50
	case "nat":
		kind, priority = "nat", 100
		if hook == "prerouting" || hook == "output" {
			priority = -100
		}
	}
	return hook, priority, kind
}

// Parse gives the chains of one table, base chains first, in the kernel's order. family is
// "ip" or "ip6". When the blob stops making sense it gives what it read before
// and an error that wraps ErrMalformed.
func Parse(family, table string, info Info, blob []byte) ([]fact.Chain, error) {
	p := parser{family: family, table: table, info: info, heads: map[int]string{}}
	err := p.scan(blob)
	p.nameBases()
	var cur *fact.Chain
	for i, e := range p.entries {
		if name, ok := p.heads[e.off]; ok {
			p.chains = append(p.chains, p.newChain(name))
			cur = &p.chains[len(p.chains)-1]
		}
		switch {
		case e.isError, cur == nil:
		case p.isPolicy(e):
			cur.Policy = verdictWord(e.verdict)
			cur = nil
		case p.isChainEnd(i):
			cur = nil
		default:
			cur.Rules = append(cur.Rules, p.rule(cur, e))
		}
	}
	return p.chains, err
}

type parser struct {
	family, table string
	info          Info
	entries       []entry
	heads         map[int]string // offset of the first entry → chain
	chains        []fact.Chain
}

// scan cuts the blob into entries and finds where user chains begin: behind
// each ERROR target, which carries the name.
func (p *parser) scan(blob []byte) error {
	for off := 0; off < len(blob); {
		if len(p.entries) == MaxRules {
			return fmt.Errorf("%w: more than %d entries", ErrMalformed, MaxRules)
		}
		e, err := decodeEntry(p.family, blob[off:])
		if err != nil {
			return fmt.Errorf("entry at %d: %w", off, err)
		}
		e.off = off
		off += e.size
		if e.isError && e.errorName != "ERROR" {
			p.heads[off] = e.errorName
		}
		p.entries = append(p.entries, e)
	}
	return nil
}

func (p *parser) nameBases() {
	for i, off := range p.info.HookEntry {
		if p.info.ValidHooks&(1<<i) != 0 {
			p.heads[int(off)] = chains[i]
		}
	}
}

func (p *parser) newChain(name string) fact.Chain {
	c := fact.Chain{Name: name}
	for i := range hooks {
		if name == chains[i] && p.info.ValidHooks&(1<<i) != 0 {
			c.Hook, c.Priority, c.Type = Hook(p.table, name)
		}
	}
	return c
}

func (p *parser) isPolicy(e entry) bool {
	for i, off := range p.info.Underflow {
		if p.info.ValidHooks&(1<<i) != 0 && int(off) == e.off {
			return true
		}
	}
	return false
}

// isChainEnd reports whether entry i is the RETURN that the tools put at the
// end of every user chain: the next entry is the head of another one, or the
// table's end.
func (p *parser) isChainEnd(i int) bool {
	last := i == len(p.entries)-1 || p.entries[i+1].isError
	return last && p.entries[i].target == "" && p.entries[i].verdict == verdictReturn
}

func (p *parser) rule(c *fact.Chain, e entry) fact.Rule {
	r := e.head
	r.N = len(c.Rules) + 1
	for _, m := range e.matches {
		Match(m.name, m.rev, m.data, &r)
	}
	if e.target == "" {
		p.standard(e, &r)
	} else {
		Target(e.target, e.targetRev, e.targetData, &r)
	}
	head := Head(c.Name, &e.head)
	if e.fragment != "" {
		head += " " + e.fragment
	}
	if r.Text != "" {
		head += " " + r.Text
	}
	r.Text = head
	Settle(&r)
	return r
}

// standard reads the verdict of a target without a name: a verdict, a jump to
// an offset, or nothing (a jump to the next entry).
func (p *parser) standard(e entry, r *fact.Rule) {
	if e.verdict < 0 {
		r.Verdict = verdictWord(e.verdict)
		say(r, "-j %s", verdictName(e.verdict))
		return
	}
	if int(e.verdict) == e.off+e.size {
		r.Verdict = "continue"
		return
	}
	name, ok := p.heads[int(e.verdict)]
	if !ok {
		r.Verdict = "other"
		Doubt(r, "jump")
		return
	}
	r.Verdict, r.Target = "jump", name
	if e.isGoto {
		r.Verdict = "goto"
	}
	say(r, "-%c %s", r.Verdict[0], name)
}

// verdictReturn is XT_RETURN: -NF_REPEAT-1.
const verdictReturn = -5

// verdictWord and verdictName read a negative verdict: -v-1 is NF_DROP …
func verdictWord(v int32) string {
	switch v {
	case -1:
		return "drop"
	case -2:
		return "accept"
	case verdictReturn:
		return "return"
	}
	return "other"
}

func verdictName(v int32) string {
	switch v {
	case -1:
		return "DROP"
	case -2:
		return "ACCEPT"
	case -4:
		return "QUEUE"
	case verdictReturn:
		return "RETURN"
	}
	return fmt.Sprint(v)
}

// order is the byte order of the host, which the structures have.
var order = binary.NativeEndian
