// Package iptablessave reads the text that iptables-save writes and
// iptables-restore reads: rules.v4 and rules.v6 of netfilter-persistent,
// /etc/sysconfig/iptables, the rules of ufw. The format is that of iptables(8),
// iptables-extensions(8) and iptables/iptables-restore.c; conditions are put
// together as in package xtables, so that a rule of a file and the same rule in
// the kernel have the same fields.
package iptablessave

import (
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// MaxRules is the number of rules read from one text; the rest is left out.
const MaxRules = 100_000

// Caps of what is not in ordinary files: tables, chains, and rules that are put
// in front of others.
const (
	maxTables  = 64
	maxChains  = 20_000
	maxInserts = 2000
)

// Parse reads a text, of IPv4 ("ip") or IPv6 ("ip6"), as one ruleset a table. path is where it
// was found: it becomes Persisted and the Origin of every rule. A line that adds
// a rule always gives a rule: what is not understood of it is in Unknown.
func Parse(b []byte, family string, path fact.Path) []fact.Ruleset {
	p := parser{family: family, path: path, backend: backend(b), chains: map[[2]string]int{}}
	line := 0
	for l := range strings.Lines(fact.Text(b)) {
		line++
		p.line(strings.TrimSpace(l), line)
	}
	for i := range p.sets {
		p.settle(&p.sets[i])
	}
	return p.sets
}

// backend tells the two by the comment that iptables-save begins with.
func backend(b []byte) string {
	if strings.Contains(string(b[:min(len(b), 400)]), "(nf_tables)") {
		return "iptables-nft"
	}
	return "iptables-legacy"
}

type parser struct {
	family, backend string
	path            fact.Path
	sets            []fact.Ruleset
	rules, inserts  int
	chains          map[[2]string]int // table and name → place in the table
}

func (p *parser) line(s string, n int) {
	switch {
	case s == "" || s[0] == '#' || s == "COMMIT":
	case s[0] == '*':
		p.table(strings.TrimSpace(s[1:]))
	case s[0] == ':':
		p.chainLine(strings.Fields(s[1:]))
	default:
		p.command(s, n)
	}
}

// table begins a table, or goes on with one that was there before.
func (p *parser) table(name string) {
	i := slices.IndexFunc(p.sets, func(r fact.Ruleset) bool { return r.Table == name })
	if i >= 0 {
		r := p.sets[i]
		p.sets = append(slices.Delete(p.sets, i, i+1), r)
		return
	}
	if len(p.sets) >= maxTables {
		return // the rules below stay with the last one
	}
	p.sets = append(p.sets, fact.Ruleset{Ref: fact.RulesetRef(p.backend, p.family, name, p.path), Backend: p.backend,
		Family: p.family, Table: name, Persisted: p.path})
}

// chain finds a chain of the table that is read, or makes it.
func (p *parser) chain(name string) *fact.Chain {
	if len(p.sets) == 0 {
		p.table("filter")
	}
	rs := &p.sets[len(p.sets)-1]
	if i, ok := p.chains[[2]string{rs.Table, name}]; ok {
		return &rs.Chains[i]
	}
	if len(p.chains) >= maxChains {
		name = "…" // all others
		if i, ok := p.chains[[2]string{rs.Table, name}]; ok {
			return &rs.Chains[i]
		}
	}
	p.chains[[2]string{rs.Table, name}] = len(rs.Chains)
	c := fact.Chain{Name: name}
	if hook, prio, kind := xtables.Hook(rs.Table, name); hook != "" {
		c.Hook, c.Priority, c.Type, c.Policy = hook, prio, kind, "accept"
	}
	rs.Chains = append(rs.Chains, c)
	return &rs.Chains[len(rs.Chains)-1]
}

// chainLine is ":INPUT DROP [12:345]".
func (p *parser) chainLine(f []string) {
	if len(f) == 0 {
		return
	}
	c := p.chain(f[0])
	if len(f) > 1 && c.Hook != "" {
		p.policy(c, f[1])
	}
}

func (p *parser) policy(c *fact.Chain, word string) {
	switch word {
	case "ACCEPT", "DROP":
		c.Policy = strings.ToLower(word)
	}
}

// command is a line of options: one that adds a rule, or makes a chain.
func (p *parser) command(s string, n int) {
	packets, bytes, s := counters(s)
	w := words(s)
	for len(w) > 1 && w[0] == "-t" {
		w = w[2:]
	}
	if len(w) < 2 {
		return
	}
	switch w[0] {
	case "-N", "--new-chain":
		p.chain(w[1])
	case "-P", "--policy":
		if len(w) > 2 {
			p.policy(p.chain(w[1]), w[2])
		}
	case "-A", "--append", "-I", "--insert":
		p.add(w, s, n, packets, bytes)
	}
}

func (p *parser) add(w []string, text string, n int, packets, bytes uint64) {
	if p.rules++; p.rules > MaxRules {
		return
	}
	c := p.chain(w[1])
	at, rest := len(c.Rules), w[2:]
	if w[0] == "-I" || w[0] == "--insert" {
		at = 0
		if len(rest) > 0 {
			if i, err := strconv.Atoi(rest[0]); err == nil && i > 0 {
				at, rest = min(i-1, len(c.Rules)), rest[1:]
			}
		}
	}
	r := reader{family: p.family, words: rest}
	r.rule = fact.Rule{Packets: packets, Bytes: bytes, Text: text, Origin: fact.Origin{Path: p.path, Line: n}}
	if !r.read() {
		return // for the other family only
	}
	if at < len(c.Rules) {
		if p.inserts++; p.inserts > maxInserts {
			at = len(c.Rules)
			xtables.Doubt(&r.rule, "order")
		}
	}
	c.Rules = slices.Insert(c.Rules, at, r.rule)
}

// settle numbers the rules and tells jumps from targets, now that all chains
// are known.
func (p *parser) settle(rs *fact.Ruleset) {
	names := map[string]bool{}
	for _, c := range rs.Chains {
		names[c.Name] = true
	}
	for i := range rs.Chains {
		for j := range rs.Chains[i].Rules {
			r := &rs.Chains[i].Rules[j]
			r.N = j + 1
			switch {
			case r.Target == "NOTRACK":
				r.Verdict = "continue"
			case r.Verdict == "jump" && !names[r.Target]:
				unnamed(r)
			}
			xtables.Settle(r)
		}
	}
}

// unnamed is a jump to what is no chain of the text: a target, or a chain that
// something else makes.
func unnamed(r *fact.Rule) {
	v := xtables.TargetVerdict(r.Target)
	if v == "other" && !otherTargets[r.Target] {
		return
	}
	r.Verdict = v
	r.NatTo.Unclear = r.NatTo.Unclear || r.Target == "NETMAP" || r.Target == "TPROXY"
	switch v {
	case "accept", "drop", "reject", "return":
		r.Target = ""
	}
}

// otherTargets are the targets of iptables-extensions(8) that end a rule in
// neither accept nor drop.
var otherTargets = map[string]bool{"QUEUE": true, "NFQUEUE": true, "MASQUERADE": true, "SNAT": true, "SYNPROXY": true,
	"CLUSTERIP": true, "DNPT": true, "SNPT": true, "SAME": true}

// counters cuts "[12:345]" off a line.
func counters(s string) (packets, bytes uint64, rest string) {
	head, tail, ok := strings.Cut(s, "]")
	if !ok || !strings.HasPrefix(head, "[") {
		return 0, 0, s
	}
	a, b, _ := strings.Cut(head[1:], ":")
	packets, _ = strconv.ParseUint(a, 10, 64)
	bytes, _ = strconv.ParseUint(b, 10, 64)
	return packets, bytes, strings.TrimSpace(tail)
}

// words splits a line as iptables-restore does: at blanks, with quotes and
// backslashes inside of quotes.
func words(s string) (out []string) {
	var b strings.Builder
	quote, open := byte(0), false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote, open = c, true
		case c == ' ' || c == '\t':
			if open {
				out, open = append(out, b.String()), false
				b.Reset()
			}
		default:
			b.WriteByte(c)
			open = true
		}
	}
	if open {
		out = append(out, b.String())
	}
	return out
}
