package respond

import (
	"net/netip"
)

// Filter changes the packet filter in force, one rule at a time. It never
// loads a whole ruleset.
type Filter interface {
	// Shut drops what comes to a port from outside, but for those kept. It is one
	// rule set of demine's own that stands before the host's; a reboot takes it away.
	Shut(Shut) error
	// Reopen takes it away again. ErrNothing: there is none.
	Reopen(Shut) error
	// IsShut reports whether it is in force just so.
	IsShut(Shut) (bool, error)
	// Delete takes one rule of the host out of a chain. The rule is found by its
	// text and place; one that is elsewhere or has changed is ErrDrifted.
	Delete(RuleAt) (undo []byte, err error)
	// Insert puts back what Delete took, at its old place.
	Insert(r RuleAt, undo []byte) error
}

// Shut is a port that is closed to all but some.
type Shut struct {
	Proto      string         `json:"proto"` // tcp, udp
	Port       int            `json:"port"`
	Keep       []netip.Prefix `json:"keep,omitempty"`
	Interfaces []string       `json:"interfaces,omitempty"` // of containers and pods; a trailing * is a prefix
}

// RuleAt is a rule of the host in force.
type RuleAt struct {
	Backend string `json:"backend"` // iptables-legacy, iptables-nft, nft
	Family  string `json:"family"`  // ip, ip6, inet
	Table   string `json:"table"`
	Chain   string `json:"chain"`
	N       int    `json:"n"`    // 1-based place
	Text    string `json:"text"` // as fact.Rule has it
}
