package respond

import (
	"net/netip"
	"time"
)

// Admission is one source that may come in to one port until it ends.
type Admission struct {
	Lease string        `json:"lease"` // name of the lease, kept as comment of the element
	Proto string        `json:"proto"` // tcp, udp
	Port  int           `json:"port"`  // that the packet asks for, before any translation
	From  netip.Prefix  `json:"from"`
	Left  time.Duration `json:"left"`          // until the kernel ends it
	Cut   bool          `json:"cut,omitempty"` // at its end, established connections that it let in are cut as well
}

// Doorway is the rule in a chain of the host that lets marked packets in. At.N
// is the place that it shall have; At.Text is not set before it is there.
type Doorway struct {
	At RuleAt `json:"at"`
}

// Admitted is what is in force. Cut are those with a Cut whose connections are,
// or at their end will be, cut off; Left of those that have ended is 0.
type Admitted struct {
	Mark       uint32      `json:"mark"`            // one bit; 0: no table of leases is there
	Taken      string      `json:"taken,omitempty"` // a rule of somebody else's that asks for that bit or changes it
	Admissions []Admission `json:"admissions,omitempty"`
	Cut        []Admission `json:"cut,omitempty"`
	Doorways   []RuleAt    `json:"doorways,omitempty"`
	Others     uint64      `json:"-"` // a sum of the rules and policies that are not demine's, but for what is in sets
}
