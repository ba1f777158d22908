package respond

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"

	"demine/internal/fact"
	"demine/internal/format/xtables"
	"demine/internal/relate"
)

// doorwayComment is the comment of a doorway, by which people and demine know it.
const doorwayComment = relate.LeaseComment

// isDoorway reports whether a rule lets in what has one bit of the mark, asks for
// nothing else and carries the comment.
func isDoorway(r fact.Rule) bool {
	marked := oneBit(r.Mark.Value) && r.Mark.Mask == r.Mark.Value && !r.Mark.Not
	return r.Comment == doorwayComment && r.Verdict == "accept" && marked && len(r.Unknown) == 0 &&
		len(r.Src)+len(r.Dst)+len(r.DPort)+len(r.SPort)+len(r.CTState) == 0 && r.Proto+r.In+r.Out == ""
}

// doorwaysIn are those in force.
func doorwaysIn(sets []fact.Ruleset) (out []RuleAt) {
	for _, rs := range sets {
		if rs.Persisted != "" {
			continue
		}
		for _, c := range rs.Chains {
			for _, r := range whole(c.Rules) {
				if isDoorway(r) {
					out = append(out, RuleAt{rs.Backend, rs.Family, rs.Table, c.Name, r.N, r.Text})
				}
			}
		}
	}
	return out
}

// firstOfChain leaves of several doorways in a chain the first: it lets in all
// that the others would.
func firstOfChain(doors []Doorway) []Doorway {
	chain := func(a, b Doorway) int {
		return cmp.Or(cmp.Compare(a.At.Backend, b.At.Backend), cmp.Compare(a.At.Family, b.At.Family),
			cmp.Compare(a.At.Table, b.At.Table), cmp.Compare(a.At.Chain, b.At.Chain))
	}
	doors = slices.Clone(doors)
	slices.SortFunc(doors, func(a, b Doorway) int { return cmp.Or(chain(a, b), cmp.Compare(a.At.N, b.At.N)) })
	return slices.CompactFunc(doors, func(a, b Doorway) bool { return chain(a, b) == 0 })
}

// missing gives the rules of the chain that a doorway goes into, and whether it
// is not there yet. One of the same mark that stands there or before does all
// that another would.
func (d Doorway) missing(sets []fact.Ruleset, mark uint32) ([]fact.Rule, bool, error) {
	c := d.At.chain(sets)
	if c == nil {
		return nil, false, fmt.Errorf("%w: no chain %s in %s %s", ErrDrifted, d.At.Chain, d.At.Family, d.At.Table)
	}
	rules := whole(c.Rules)
	if d.At.N < 1 || d.At.N > len(rules)+1 {
		return nil, false, fmt.Errorf("%w: no place %d in chain %s of %s", ErrDrifted, d.At.N, d.At.Chain, d.At.Table)
	}
	for _, r := range rules[:min(d.At.N, len(rules))] {
		if isDoorway(r) && r.Mark.Value == mark {
			return rules, false, nil
		}
	}
	return rules, true, nil
}

// openNFT makes the doorways of nf_tables that are not there yet.
func openNFT(sets []fact.Ruleset, mark uint32, doors []Doorway) (out []message, err error) {
	for _, d := range doors {
		if d.At.Backend == "iptables-legacy" {
			continue
		}
		rules, missing, err := d.missing(sets, mark)
		if err != nil {
			return nil, err
		}
		if missing {
			out = append(out, insertNFT(d.At, RuleImage{Bytes: d.body(mark)}, rules, d.At.N)...)
		}
	}
	return out, nil
}

// closeNFT takes all doorways of nf_tables away.
func closeNFT(sets []fact.Ruleset) (out []message) {
	for _, at := range doorwaysIn(sets) {
		if at.Backend != "iptables-legacy" {
			out = append(out, deleteNFT(at, whole(at.chain(sets).Rules)[at.N-1].Handle))
		}
	}
	return out
}

// body is the rule as its back end writes it. One of iptables-nft is made of
// matches of xtables: an older iptables leaves a condition of nf_tables' own out
// when it saves the rule, which then lets in everybody.
func (d Doorway) body(mark uint32) []byte {
	if d.At.Backend == "nft" {
		return ruleBody(d.At.Family, doorwayComment, append(markIs(mark, mark), verdict(expr.VerdictAccept, "")))
	}
	return ruleBody(d.At.Family, "", []expr.Any{
		match("mark", 1, xtables.MarkInfo(mark)), match("comment", 0, xtables.CommentInfo(doorwayComment)),
		&expr.Counter{}, verdict(expr.VerdictAccept, ""),
	})
}

func match(name string, revision uint32, info []byte) expr.Any {
	i := xt.Unknown(info)
	return &expr.Match{Name: name, Rev: revision, Info: &i}
}
