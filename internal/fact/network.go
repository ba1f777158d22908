package fact

import (
	"net/netip"
	"strconv"
)

// Network is one network namespace: where its packets come in, where they go,
// and what filters them on the way.
type Network struct {
	Ref        Ref         `json:"ref"`
	NetNS      uint64      `json:"netns"`
	Own        bool        `json:"own,omitempty"` // demine's; its packet filter is the Firewall of the Snapshot
	PID        int         `json:"pid,omitempty"` // a process in it
	Forwards4  bool        `json:"forwards4,omitempty"`
	Forwards6  bool        `json:"forwards6,omitempty"`
	Interfaces []Interface `json:"interfaces,omitempty"`
	IPVS       bool        `json:"ipvs,omitempty"`   // it has virtual services (IPVS): packets for them go beside the packet filter
	Routes     []Route     `json:"routes,omitempty"` // of the main table, and the defaults of others
	Marks      []Mark      `json:"marks,omitempty"`  // that rules of the policy routing ask for (ip-rule(8): fwmark), each once
	Firewall   []Ruleset   `json:"firewall,omitempty"`
	Unread     bool        `json:"unread,omitempty"` // some of its packet filter could not be read
}

// Interface is one interface of a Network.
type Interface struct {
	Index  int            `json:"index"`
	Name   string         `json:"name"`
	Kind   string         `json:"kind,omitempty"` // veth, bridge, macvlan, wireguard …; empty: hardware, or lo
	Up     bool           `json:"up,omitempty"`
	Loop   bool           `json:"loop,omitempty"`
	Master int            `json:"master,omitempty"` // index of the bridge or bond that it is a port of
	Peer   int            `json:"peer,omitempty"`   // index of the other end, or of the lower device, perhaps in another namespace
	Addrs  []netip.Prefix `json:"addrs,omitempty"`  // with the bits of the host
}

// Route says by which interface a destination is reached.
type Route struct {
	Dst netip.Prefix `json:"dst"`
	Via netip.Addr   `json:"via,omitzero"`
	Dev int          `json:"dev"` // index
	// Table is 0 for the main one. What policy asks another one is not known.
	Table int `json:"table,omitempty"`
}

// NetworkRef identifies a network namespace while it exists.
func NetworkRef(netns uint64) Ref { return Ref("network:" + strconv.FormatUint(netns, 10)) }
