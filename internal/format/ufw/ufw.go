// Package ufw reads the rules that ufw keeps: /etc/ufw/user.rules and
// user6.rules, which are the text of iptables-save with a comment "### tuple ###"
// before the rules of each command (ufw src/backend_iptables.py), and before.rules
// and after.rules of the same form.
package ufw

import (
	"encoding/hex"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/iptablessave"
)

// Parse reads a text, of IPv4 ("ip") or IPv6 ("ip6"), as rulesets of the
// backend "ufw". The comment that a user gave a rule becomes its Comment.
func Parse(b []byte, family string, path fact.Path) []fact.Ruleset {
	comments := tupleComments(string(b))
	sets := iptablessave.Parse(b, family, path)
	for i := range sets {
		rs := &sets[i]
		rs.Backend, rs.Ref = "ufw", fact.RulesetRef("ufw", family, rs.Table, path)
		for j := range rs.Chains {
			for k := range rs.Chains[j].Rules {
				if r := &rs.Chains[j].Rules[k]; r.Comment == "" {
					r.Comment = comments[r.Origin.Line]
				}
			}
		}
	}
	return sets
}

// tupleComments gives the user's comments by the lines of the rules below.
func tupleComments(s string) map[int]string {
	out, line, cur := map[int]string{}, 0, ""
	for l := range strings.Lines(s) {
		line++
		switch l = strings.TrimSpace(l); {
		case strings.HasPrefix(l, "### tuple ###"):
			cur = tupleComment(l)
		case l == "":
			cur = ""
		case cur != "":
			out[line] = cur
		}
	}
	return out
}

// tupleComment reads "comment=" with hexadecimal text.
func tupleComment(l string) string {
	for _, w := range strings.Fields(l) {
		if h, ok := strings.CutPrefix(w, "comment="); ok {
			if b, err := hex.DecodeString(h); err == nil {
				return fact.Text(b)
			}
		}
	}
	return ""
}
