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
	for _, r := range at {
		if r.Backend != "iptables-legacy" {
			continue
		}
		err := editXT(r.Family, r.Table, func(t *xtables.Table, chains []fact.Chain) error {
			c := r.chain(r.inTable(chains))
			if c == nil {
				return nil
			}
			for _, x := range slices.Backward(c.Rules) { // last first: the places of the others stay
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
