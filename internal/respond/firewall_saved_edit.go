package respond

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"demine/internal/fact"
	"demine/internal/format/firewalld"
	"demine/internal/format/iptablessave"
	"demine/internal/format/nftconf"
	"demine/internal/format/ufw"
	"demine/internal/host"
)

// findSaved says which lines of a file go. The file without them must read as
// before but for these rules: one that shares its line with something else is
// refused.
func findSaved(_ *host.Host, with savedWith, path fact.Path, text []byte) ([]lineEdit, error) {
	before, err := with.read(path, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	lines := splitLines(text)
	var gone []fact.Rule
	var edits []lineEdit
	for _, r := range with.Rules {
		for _, x := range r.in(before) {
			gone = append(gone, x)
			if !slices.ContainsFunc(edits, func(e lineEdit) bool { return e.N == x.Origin.Line }) {
				edits = append(edits, with.cut(r, lines, x.Origin.Line)...)
			}
		}
	}
	if len(gone) == 0 {
		return nil, ErrNothing
	}
	edits = with.tuples(lines, edits)
	after, err := editLines(text, edits)
	if err != nil {
		return nil, err
	}
	left, err := with.read(path, after)
	if err != nil || !reflect.DeepEqual(unplaced(before, gone), unplaced(left, nil)) {
		return nil, Refuse("refuse.firewall.shares-line", "path", path.String(), "line", gone[0].Origin.Line, "rule", gone[0].Text)
	}
	return edits, nil
}

func (w savedWith) read(path fact.Path, text []byte) ([]fact.Ruleset, error) {
	switch w.Backend {
	case "firewalld":
		rs, err := firewalld.Parse(text, path, nil)
		return []fact.Ruleset{rs}, err
	case "ufw":
		return ufw.Parse(text, w.Family, path), nil
	case "nft":
		return nftconf.Parse(text, path), nil
	}
	return iptablessave.Parse(text, w.Family, path), nil
}

// in finds the rules of its text that still open only the port, in every place
// where they stand.
func (r savedRule) in(sets []fact.Ruleset) (out []fact.Rule) {
	for i := range sets {
		for j := range sets[i].Chains {
			c := &sets[i].Chains[j]
			if sets[i].Table != r.Table || c.Name != r.Chain {
				continue
			}
			for _, x := range whole(c.Rules) {
				if x.Text == r.Text && (r.Named && acceptsOnly(c.Rules, x.N) && x.Proto == r.Proto || opensOnly(c.Rules, x.N, r.Proto, r.Port)) {
					out = append(out, x)
				}
			}
		}
	}
	return out
}

// cut takes the rule out of its line.
func (w savedWith) cut(r savedRule, lines [][]byte, n int) []lineEdit {
	if n < 1 || n > len(lines) {
		return nil
	}
	e := lineEdit{N: n, SHA256: sumHex(lines[n-1])}
	if w.Backend == "firewalld" {
		if rich := cutElement(lines, n); r.Named && len(rich) > 0 {
			return rich
		}
		rest, ok := firewalld.CutPort(lines[n-1], r.Proto, strconv.Itoa(r.Port))
		if !ok {
			return nil
		}
		e.Instead = rest
	}
	return []lineEdit{e}
}

// cutElement takes out the lines of a rich rule that has them to itself.
func cutElement(lines [][]byte, n int) (out []lineEdit) {
	for i := range firewalld.RuleLines(lines[n-1:]) {
		out = append(out, lineEdit{N: n + i, SHA256: sumHex(lines[n+i-1])})
	}
	return out
}

// tuples adds the comments by which ufw knows its rules: one goes with its last
// rule; one for any protocol that keeps a rule becomes that for the other.
func (w savedWith) tuples(lines [][]byte, edits []lineEdit) []lineEdit {
	if w.Backend != "ufw" {
		return edits
	}
	cut := map[int]bool{}
	for _, e := range edits {
		cut[e.N] = true
	}
	for n := 1; n <= len(lines); n++ {
		proto := ufw.TupleProto(string(lines[n-1]))
		below, stay := 0, ""
		for k := n + 1; proto != "" && k <= len(lines) && bytes.HasPrefix(lines[k-1], []byte("-A ")); k++ {
			if cut[k] {
				below++
			} else {
				stay = string(lines[k-1])
			}
		}
		if below == 0 {
			continue
		}
		e := lineEdit{N: n, SHA256: sumHex(lines[n-1])}
		if stay != "" && proto == "any" {
			e.Instead = []byte(ufw.WithProto(string(lines[n-1]), protoOf(stay)))
		} else if stay != "" {
			continue
		}
		edits = append(edits, e)
	}
	return edits
}

func protoOf(rule string) string {
	w := bytes.Fields([]byte(rule))
	i := slices.IndexFunc(w, func(b []byte) bool { return string(b) == "-p" })
	if i < 0 || i+1 >= len(w) {
		return "any"
	}
	return string(w[i+1])
}

// unplaced are rulesets less some rules, without the places, which move.
func unplaced(sets []fact.Ruleset, gone []fact.Rule) []fact.Ruleset {
	sets = slices.Clone(sets)
	for i := range sets {
		sets[i].Chains = slices.Clone(sets[i].Chains)
		for j := range sets[i].Chains {
			c := &sets[i].Chains[j]
			var kept []fact.Rule
			for _, r := range c.Rules {
				if !slices.ContainsFunc(gone, func(g fact.Rule) bool { return g.Origin == r.Origin && g.Text == r.Text && g.N == r.N }) {
					r.N, r.Origin.Line = 0, 0
					kept = append(kept, r)
				}
			}
			c.Rules = kept
		}
	}
	return sets
}
