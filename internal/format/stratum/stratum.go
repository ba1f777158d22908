// Package stratum recognises the Stratum mining protocol, and what is spoken
// in its place, in the segments of a TCP connection: the dialect, the methods
// and for whom is mined. It reads JSON objects on a line, wherever listening
// begins; what is encrypted it cannot read.
//
// Sources: XMRig's Client.cpp (doc/STRATUM.md of xmrig-proxy), BIP 22 and 23,
// Slush Pool's "Stratum mining protocol", BIP 310, the README of ethminer and
// NiceHash's EthereumStratum/1.0.0.
package stratum

import (
	"cmp"
	"slices"

	"demine/internal/fact"
)

// Dialects.
const (
	Monero   = "monero"   // login, job, submit: RandomX and other algorithms of CryptoNote
	Bitcoin  = "bitcoin"  // mining.*: Bitcoin, Zcash, Ravencoin and most others
	Ethereum = "ethereum" // mining.* as EthereumStratum
	Ethproxy = "ethproxy" // eth_submitLogin, eth_getWork
	Daemon   = "daemon"   // templates of blocks from a node, no pool
)

// Roles of this host.
const (
	Client = "client" // it mines, or passes on to one who does
	Server = "server" // others mine through it: a pool, a proxy, a node
)

// Heard is what a connection tells of itself.
type Heard struct {
	Dialect        string
	Role           string // Client, Server; empty: this host said nothing that tells
	Methods        []string
	Sent, Received int // messages of the protocol
	Indicators     []fact.Indicator
}

// Bounds of what is kept of a connection, whatever its ends send.
const (
	maxObject     = 4 << 10
	maxMethods    = 24
	maxIndicators = 8
	maxPending    = 32
	maxID         = 64
	maxName       = 256
)

// Stream listens to one connection; the zero value is ready. It is not safe
// for use by several goroutines.
type Stream struct {
	ways    [2]way // what is received, what is sent
	said    []saying
	pending []request
	names   []fact.Indicator
	ether   bool // EthereumStratum was named
}

// saying is a method that was heard, in one direction.
type saying struct {
	method
	name string
	sent bool
	n    int
}

// request waits for its answer.
type request struct {
	id, name string
	sent     bool
}

// Feed takes the payload of a TCP segment. Segments may come twice, overlap,
// be missing or cut.
func (s *Stream) Feed(sent bool, seq uint32, data []byte) {
	w := &s.ways[0]
	if sent {
		w = &s.ways[1]
	}
	w.feed(seq, data, func(object []byte) { s.message(sent, object) })
}

// Heard tells what was heard so far; ok is false when nothing of it is a
// mining protocol for sure.
func (s *Stream) Heard() (h Heard, ok bool) {
	h.Dialect = s.dialect()
	if h.Dialect == "" {
		return h, false
	}
	var asked, asks, answers bool
	for _, x := range s.said {
		if x.dialect != h.Dialect {
			continue
		}
		if !slices.Contains(h.Methods, x.name) {
			h.Methods = append(h.Methods, x.name)
		}
		if x.sent {
			h.Sent += x.n
			asks = asks || x.from == Client
			answers = answers || x.from == Server
		} else {
			h.Received += x.n
			asked = asked || x.from == Client
		}
	}
	switch { // one who asks and is asked the same echoes
	case asks && !asked && !answers:
		h.Role, h.Indicators = Client, s.names
	case answers && !asks:
		h.Role = Server
	}
	if h.Dialect == Bitcoin && s.ether {
		h.Dialect = Ethereum
	}
	return h, true
}

// dialect is the one of which most was heard. Words that other software says
// too do not make one.
func (s *Stream) dialect() string {
	n, sure := map[string]int{}, map[string]bool{}
	for _, x := range s.said {
		n[x.dialect]++
		sure[x.dialect] = sure[x.dialect] || !x.weak
	}
	var known []string
	for d := range sure {
		if sure[d] {
			known = append(known, d)
		}
	}
	if len(known) == 0 {
		return ""
	}
	return slices.MinFunc(known, func(a, b string) int { return cmp.Or(n[b]-n[a], cmp.Compare(a, b)) })
}

func (s *Stream) say(sent bool, name string, m method) {
	for i := range s.said {
		if x := &s.said[i]; x.name == name && x.sent == sent {
			x.n++
			return
		}
	}
	if len(s.said) < maxMethods {
		s.said = append(s.said, saying{m, name, sent, 1})
	}
}
