// Package pool has both ends of Stratum, the protocol of mining pools, as far as a lab needs them: a stub that hands out
// jobs, and a client that takes them and sends made-up results. Nothing is mined, and nothing is said to anyone but the
// stub.
package pool

// Dialects of the protocol. Monero's is that of XMRig's pools, Bitcoin's is that of cgminer's
// (github.com/xmrig/xmrig-proxy/blob/master/doc/STRATUM.md; BIP 310).
const (
	Monero  = "monero"
	Bitcoin = "bitcoin"
)

// Wallet is an address of Monero's main network whose checksum is right and whose keys nobody has: both are digests of
// words.
const Wallet = "48YWeAbs7JnRvCM9La85Pu8A94w8SB9SZApn2mRwvdXhh1LMT2HKeXVfxkG9jGUyZ6hMV4puLQJ3TBeMLuKM8tWJ8ADtjPo"

const (
	seedHash = "9d1a1f5b3a0e4f1e8f0d4c8bb6f5c7d2a3e1b0c9d8f7e6a5b4c3d2e1f0a9b8c7"
	blob     = "1010b2c3a4d506e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70000000008192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d01"
)
