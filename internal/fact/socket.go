package fact

import "net/netip"

// Socket is one socket of one network namespace.
type Socket struct {
	Ref      Ref        `json:"ref"`
	Proto    string     `json:"proto"` // tcp, tcp6, udp, udp6
	State    string     `json:"state"` // LISTEN, ESTABLISHED …; UNCONN for udp without a peer
	Local    netip.Addr `json:"local"`
	Port     int        `json:"port"`
	Peer     netip.Addr `json:"peer,omitzero"`
	PeerPort int        `json:"peer_port,omitempty"`
	V6Only   bool       `json:"v6only,omitempty"`
	Inode    uint64     `json:"inode,omitempty"`
	UID      int        `json:"uid"`
	NetNS    uint64     `json:"netns"`
}

// Listening reports whether new peers can reach the socket.
func (s Socket) Listening() bool { return s.State == "LISTEN" || s.State == "UNCONN" }
