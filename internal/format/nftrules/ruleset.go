package nftrules

import (
	"fmt"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// hookNames are NF_INET_*.
var hookNames = []string{"prerouting", "input", "forward", "output", "postrouting", "ingress"}

// Rulesets turns the dump into rulesets of the families ip, ip6 and inet.
// Tables that iptables-nft made have that backend and its syntax, as iptables
// itself tells them: the name of a table and of its base chains, their hooks and
// priorities, and nothing in the rules that iptables could not have written.
// ifname names an interface by its index, "" if it is not known. The second
// result names other tables that could drop a packet as well, as
// "bridge filter".
func (d *Dump) Rulesets(ifname func(uint32) string) (out []fact.Ruleset, other []string) {
	rules := map[[3]string][]*ruleMsg{}
	for i := range d.rules {
		r := &d.rules[i]
		k := [3]string{r.family, r.table, r.chain}
		rules[k] = append(rules[k], r)
	}
	for _, t := range d.tables {
		switch {
		case t.dormant: // its chains are not hooked
		case t.family == "ip" || t.family == "ip6" || t.family == "inet":
			out = append(out, d.ruleset(t, rules, ifname))
		case d.drops(t, rules):
			other = append(other, t.family+" "+t.name)
		}
	}
	return out, other
}

// drops reports whether a table of another family has a base chain that can
// drop: by policy, or by a rule of any of its chains.
func (d *Dump) drops(t tableMsg, rules map[[3]string][]*ruleMsg) bool {
	base, drop := false, false
	for _, c := range d.chains {
		if c.family != t.family || c.table != t.name {
			continue
		}
		base = base || c.base
		drop = drop || c.base && c.hasPolicy && c.policy == 0
		for _, r := range rules[[3]string{c.family, c.table, c.name}] {
			for _, e := range r.exprs {
				drop = drop || e.name == "reject" || e.name == "target" || isDrop(e)
			}
		}
	}
	return base && drop
}

func isDrop(e expression) bool {
	v, ok := verdictOf(nest(nest(e.at[2])[2]))
	return e.name == "immediate" && ok && v.word == "drop"
}

func (d *Dump) ruleset(t tableMsg, rules map[[3]string][]*ruleMsg, ifname func(uint32) string) fact.Ruleset {
	rs := fact.Ruleset{Backend: "nft", Family: t.family, Table: t.name}
	if d.madeByIPTables(t, rules) {
		rs.Backend = "iptables-nft"
	}
	rs.Ref = fact.RulesetRef(rs.Backend, t.family, t.name, "")
	for _, c := range d.chains {
		if c.family != t.family || c.table != t.name {
			continue
		}
		fc := fact.Chain{Name: c.name}
		if c.base {
			fc.Hook, fc.Priority, fc.Type, fc.Policy = hookName(c.hook), int(c.priority), c.kind, "accept"
			if c.hasPolicy && c.policy == 0 {
				fc.Policy = "drop"
			}
		}
		for i, r := range rules[[3]string{c.family, c.table, c.name}] {
			m := machine{dump: d, ifname: ifname, rule: r, ipt: rs.Backend == "iptables-nft"}
			fc.Rules = m.run(i+1, fc.Rules)
		}
		rs.Chains = append(rs.Chains, fc)
	}
	return rs
}

func hookName(n uint32) string {
	if n < uint32(len(hookNames)) {
		return hookNames[n]
	}
	return fmt.Sprint(n)
}

func (d *Dump) madeByIPTables(t tableMsg, rules map[[3]string][]*ruleMsg) bool {
	switch t.name {
	case "filter", "nat", "mangle", "raw", "security":
	default:
		return false
	}
	if t.family == "inet" {
		return false
	}
	base := false
	for _, c := range d.chains {
		if c.family != t.family || c.table != t.name {
			continue
		}
		if hook, prio, kind := xtables.Hook(t.name, c.name); c.base && (hookName(c.hook) != hook || int(c.priority) != prio || c.kind != kind) {
			return false
		}
		base = base || c.base
		for _, r := range rules[[3]string{c.family, c.table, c.name}] {
			if d.native(r) {
				return false
			}
		}
	}
	return base
}

// native reports whether iptables could not have written a rule.
func (d *Dump) native(r *ruleMsg) bool {
	for _, e := range r.exprs {
		switch e.name {
		case "match", "target", "counter", "meta", "payload", "cmp", "bitwise", "immediate", "limit", "log", "range", "ct", "exthdr":
		case "lookup":
			s := d.set(r.family, r.table, e.at.str(1))
			if s == nil || s.flags&setAnonymous == 0 || e.at[3] != nil {
				return true
			}
		default:
			return true
		}
	}
	return false
}
