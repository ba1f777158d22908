// Package lease decides who may reach which port until when: it checks what is
// asked for, plans it from what is known of the host, and says of the ruleset
// read again whether exactly that became true. It changes nothing and reads
// nothing: agent does that, by package respond.
package lease

import (
	"net/netip"
	"slices"
	"time"

	"demine/internal/respond"
)

// Ask is what somebody wants to be opened.
type Ask struct {
	Proto  string         `json:"proto"` // tcp, udp
	Port   int            `json:"port"`
	From   []netip.Prefix `json:"from"`
	For    time.Duration  `json:"for_ns"`
	Who    string         `json:"who"` // whose opening it is: a team, a person
	Why    string         `json:"why"`
	Anyone bool           `json:"anyone,omitempty"`           // it is meant for everybody
	Long   bool           `json:"long,omitempty"`             // longer than MaxFor
	Bare   bool           `json:"without_password,omitempty"` // also where the service asks for no password
	Cut    bool           `json:"drop_established,omitempty"` // at the end, established connections end too
}

// States of a Lease.
const (
	Requested = "requested" // waits for an approval by another account
	Withdrawn = "withdrawn" // a request of which nothing will become
	Open      = "open"
	Ended     = "ended"  // its time was over, or the host's
	Closed    = "closed" // before its time
)

// Lease is an opening that ends by itself. Two clocks say when: the wall clock,
// for people, and the time since boot, which nobody can set. If they drift
// apart, the wall clock was set.
type Lease struct {
	ID string `json:"id"`
	Ask
	State       string        `json:"state"`
	By          Person        `json:"by"` // who opened it, or asked for it
	RequestedBy *Person       `json:"requested_by,omitempty"`
	Opened      time.Time     `json:"opened,omitzero"` // or asked for
	Until       time.Time     `json:"until,omitzero"`
	Boot        string        `json:"boot,omitempty"`      // id of the boot it belongs to
	NetNS       string        `json:"netns,omitempty"`     // network namespace that it is in: see host.NetNS
	End         time.Duration `json:"end_ns,omitempty"`    // by CLOCK_BOOTTIME
	Through     []string      `json:"through,omitempty"`   // the chains whose doorway lets its packets in
	Service     string        `json:"service,omitempty"`   // what listens there
	Container   string        `json:"container,omitempty"` // in which it listens
	Warned      bool          `json:"warned,omitempty"`    // people were told that it ends soon
	Passes      []string      `json:"passes,omitempty"`    // barriers that its opening passed
	Lost        bool          `json:"lost,omitempty"`      // a reload threw it out and it could not be put back yet
	HeldBy      string        `json:"held_by,omitempty"`   // the barrier for which it is not put back; it is Lost then
	Ending      string        `json:"ending,omitempty"`    // why its end was begun before its time: it never comes in force again
}

// Person is an operator with the account that they logged in to, which sudo
// does not change.
type Person struct {
	respond.Operator
	Account string `json:"account"`
}

// Left is how long it stays open; 0: it has ended.
func (l *Lease) Left(sinceBoot time.Duration) time.Duration { return max(0, l.End-sinceBoot) }

// Admissions are what the packet filter has to hold for the lease, from now on.
func (l *Lease) Admissions(left time.Duration) []respond.Admission {
	var out []respond.Admission
	for _, p := range l.From {
		out = append(out, respond.Admission{Lease: l.ID, Proto: l.Proto, Port: l.Port, From: p, Left: left, Cut: l.Cut})
	}
	return out
}

// overlaps reports whether somebody is let in to one port by both.
func (a *Ask) overlaps(b *Ask) bool {
	return a.Proto == b.Proto && a.Port == b.Port && slices.ContainsFunc(a.From, func(p netip.Prefix) bool {
		return slices.ContainsFunc(b.From, p.Overlaps)
	})
}

// Same reports whether the same port is to be opened to the same sources (see Check).
func (a *Ask) Same(b *Ask) bool {
	return a.Proto == b.Proto && a.Port == b.Port && slices.Equal(a.From, b.From)
}

// Latest is the wall-clock end of the last of the open leases.
func Latest(ls []Lease) time.Time {
	var out time.Time
	for i := range ls {
		if ls[i].State == Open && ls[i].Until.After(out) {
			out = ls[i].Until
		}
	}
	return out
}
