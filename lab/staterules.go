package lab

import (
	"regexp"
	"strings"
)

var (
	counts = regexp.MustCompile(`\[\d+:\d+\]$`) // iptables-save's, of chains
	// What a table holds that nobody has put anything into: iptables makes such ones when it only looks.
	listed = regexp.MustCompile(`^(\*\w+|table (ip|ip6) (filter|nat|mangle|raw|security) \{|:[A-Z]+ ACCEPT \[0:0\]|\tchain [A-Z]+ \{|` +
		`\t\ttype \w+ hook .* policy accept;|\t?\}|COMMIT)$`)
)

// plainRules leaves of what iptables-save or `nft -s list ruleset` print that which an undo must restore: no comments,
// no counts, no table that only looking made.
func plainRules(text string) (rules []string) {
	var table []string
	used := false
	for line := range strings.Lines(text) {
		line = counts.ReplaceAllString(strings.TrimRight(line, " \n"), "[0:0]")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		table = append(table, line)
		used = used || !listed.MatchString(line)
		if line != "COMMIT" && line != "}" {
			continue
		}
		if used {
			rules = append(rules, table...)
		}
		table, used = nil, false
	}
	return append(rules, table...)
}
