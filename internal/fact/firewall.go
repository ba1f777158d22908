package fact

import (
	"net/netip"
	"time"
)

// Ruleset is one table of the packet filter, in force or persisted, in one
// vocabulary for iptables-legacy, iptables-nft, nftables and files.
type Ruleset struct {
	Ref       Ref       `json:"ref"`
	Backend   string    `json:"backend"`             // iptables-legacy, iptables-nft, nft, firewalld, ufw
	Family    string    `json:"family"`              // ip, ip6, inet
	Table     string    `json:"table"`               // filter, nat …
	NetNS     uint64    `json:"netns,omitempty"`     // 0 for a persisted one
	Persisted Path      `json:"persisted,omitempty"` // the file; empty: in force now
	Changed   time.Time `json:"changed,omitzero"`    // ctime of that file
	Partial   bool      `json:"partial,omitempty"`   // the file takes in others that were not read
	Chains    []Chain   `json:"chains,omitempty"`
}

// Chain is a list of rules. A base chain has a Hook.
type Chain struct {
	Name     string `json:"name"`
	Hook     string `json:"hook,omitempty"` // prerouting, input, forward, output, postrouting
	Priority int    `json:"priority,omitempty"`
	Type     string `json:"type,omitempty"`   // filter, nat, route
	Policy   string `json:"policy,omitempty"` // accept, drop; empty: not a base chain
	Rules    []Rule `json:"rules,omitempty"`
}

// Rule is one rule. An empty condition matches everything. Unknown names the
// conditions that demine does not understand: such a rule may or may not
// match.
type Rule struct {
	N        int            `json:"n"` // 1-based place in the chain
	Handle   uint64         `json:"handle,omitempty"`
	Proto    string         `json:"proto,omitempty"` // tcp, udp, icmp, icmpv6, or a number
	Src      []netip.Prefix `json:"src,omitempty"`
	Dst      []netip.Prefix `json:"dst,omitempty"`
	NotSrc   bool           `json:"not_src,omitempty"`
	NotDst   bool           `json:"not_dst,omitempty"`
	SPort    []PortRange    `json:"sport,omitempty"`
	DPort    []PortRange    `json:"dport,omitempty"`
	NotDPort bool           `json:"not_dport,omitempty"`
	NotProto bool           `json:"not_proto,omitempty"`
	In       string         `json:"in,omitempty"` // interface; a trailing + is a prefix
	NotIn    bool           `json:"not_in,omitempty"`
	Out      string         `json:"out,omitempty"`
	NotOut   bool           `json:"not_out,omitempty"`
	CTState  []string       `json:"ctstate,omitempty"` // new, established, related, invalid, untracked
	NotState bool           `json:"not_state,omitempty"`
	Comment  string         `json:"comment,omitempty"`
	Unknown  []string       `json:"unknown,omitempty"`
	Mark     Mark           `json:"mark,omitzero"`        // the condition that the packet has this mark
	SetMark  Mark           `json:"set_mark,omitzero"`    // what the rule does before its verdict: mark = mark &^ Mask ^ Value
	Saves    uint32         `json:"saves_mark,omitempty"` // bits of its mark that the rule may give to the packet's connection
	Left     int            `json:"left_s,omitempty"`     // seconds until the element of a set that the rule stands for ends by itself; 0: it does not
	Verdict  string         `json:"verdict,omitempty"`    // accept, drop, reject, jump, goto, return, continue, dnat, redirect, other
	Target   string         `json:"target,omitempty"`     // chain of jump and goto; name of another target
	NatTo    NatTo          `json:"nat_to,omitzero"`      // of dnat and redirect
	Counter  bool           `json:"counter,omitempty"`    // it counts what it matches; without, Packets and Bytes say nothing
	Packets  uint64         `json:"packets,omitempty"`
	Bytes    uint64         `json:"bytes,omitempty"`
	Origin   Origin         `json:"origin,omitzero"` // of a persisted rule
	Text     string         `json:"text"`            // in the syntax of its backend, for people
}

// NatTo is where a packet is sent on to instead: an address of a range and a
// port of a range, both ends in it. What is zero stays as it was.
type NatTo struct {
	Addr    netip.Addr `json:"addr,omitzero"`
	Last    netip.Addr `json:"last,omitzero"`
	Port    PortRange  `json:"port,omitzero"`
	Unclear bool       `json:"unclear,omitempty"` // it depends on what is not read: a map, a mark, a socket
}

// Mark is a number that rules give to packets and ask for, under a mask: as a
// condition, mark & Mask == Value (Not: !=), and no mask is no condition; as a
// change, mark &^ Mask ^ Value: bits of Value outside of Mask are turned.
type Mark struct {
	Value   uint32 `json:"value,omitempty"`
	Mask    uint32 `json:"mask,omitempty"`
	Not     bool   `json:"not,omitempty"`     // of a condition
	Unclear bool   `json:"unclear,omitempty"` // of a change: what the bits of Mask become is not known
}

// PortRange is a range of ports, both ends in it.
type PortRange struct {
	From uint16 `json:"from"`
	To   uint16 `json:"to"`
}

// Has reports whether port p is in the range.
func (r PortRange) Has(p int) bool { return p >= int(r.From) && p <= int(r.To) }
