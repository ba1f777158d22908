package respond

import (
	"slices"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// openXT makes the doorways of iptables-legacy that are not there yet, and gives
// those that it made, with an error too.
func openXT(mark uint32, doors []Doorway) (made []Doorway, err error) {
	for _, d := range doors {
		if d.At.Backend != "iptables-legacy" {
			continue
		}
		missing := false
		err := editXT(d.At.Family, d.At.Table, func(t *xtables.Table, chains []fact.Chain) (err error) {
			if _, missing, err = d.missing(d.At.inTable(chains), mark); err != nil || !missing {
				return err
			}
			asks := xtables.Criteria{Mark: mark, Comment: doorwayComment}
			return t.Insert(d.At.Chain, d.At.N, xtables.NewEntry(d.At.Family, asks, xtables.Accept))
		})
		if err != nil {
			return made, err
		}
		if missing {
			made = append(made, d)
		}
	}
	return made, nil
}

// closeXT takes the doorways of these chains away.
func closeXT(at []RuleAt) error {
	return deleteXT(at, func(c *fact.Chain) []fact.Rule { return c.Rules })
}

// unmakeXT takes those away that openXT has made: in its chain each is the first
// of its mark, since none was made where one stood before it.
func unmakeXT(mark uint32, made []Doorway) error {
	return deleteXT(doorPlaces(made), func(c *fact.Chain) []fact.Rule {
		first := slices.IndexFunc(c.Rules, func(x fact.Rule) bool { return isDoorway(x) && x.Mark.Value == mark })
		if first < 0 {
			return nil
		}
		return c.Rules[first : first+1]
	})
}

// deleteXT takes the doorways away that are among some rules of these chains.
func deleteXT(at []RuleAt, among func(*fact.Chain) []fact.Rule) error {
	for _, r := range at {
		if r.Backend != "iptables-legacy" {
			continue
		}
		err := editXT(r.Family, r.Table, func(t *xtables.Table, chains []fact.Chain) error {
			c := r.chain(r.inTable(chains))
			if c == nil {
				return nil
			}
			for _, x := range slices.Backward(among(c)) { // last first: the places of the others stay
				if !isDoorway(x) {
					continue
				}
				if err := t.Delete(r.Chain, x.N); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
