package respond

import (
	"testing"

	"demine/internal/fact"
)

// The keeper looks again when anything is another that decides about a packet.
func TestRuleSum(t *testing.T) {
	chain := func(change func(*fact.Chain)) uint64 {
		c := fact.Chain{Name: "input", Type: "filter", Hook: "input", Policy: "accept", Rules: []fact.Rule{{Text: "tcp dport 22 accept", Packets: 7}}}
		change(&c)
		return ruleSum([]fact.Ruleset{{Ref: fact.RulesetRef("nft", "inet", "filter", ""), Backend: "nft", Family: "inet", Table: "filter", Chains: []fact.Chain{c}}})
	}
	was := chain(func(*fact.Chain) {})
	if chain(func(c *fact.Chain) { c.Rules[0].Packets = 9 }) != was {
		t.Error("what a rule counts makes it another")
	}
	for name, change := range map[string]func(*fact.Chain){
		"name":     func(c *fact.Chain) { c.Name = "in" },
		"hook":     func(c *fact.Chain) { c.Hook = "prerouting" },
		"priority": func(c *fact.Chain) { c.Priority = -300 },
		"type":     func(c *fact.Chain) { c.Type = "nat" },
		"policy":   func(c *fact.Chain) { c.Policy = "drop" },
		"rule":     func(c *fact.Chain) { c.Rules[0].Text = "tcp dport 22 drop" },
		"rules":    func(c *fact.Chain) { c.Rules = append(c.Rules, fact.Rule{Text: "drop"}) },
	} {
		if chain(change) == was {
			t.Errorf("another %s goes unseen", name)
		}
	}
}
