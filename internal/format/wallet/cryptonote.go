package wallet

import (
	"bytes"
	"encoding/binary"
)

// tags are the numbers before the keys of an address that tell the coin
// (CRYPTONOTE_PUBLIC_*ADDRESS_BASE58_PREFIX of each coin's
// src/cryptonote_config.h): plain, integrated, of a sub-account.
var tags = map[uint64]string{
	0x12: "XMR", 0x13: "XMR", 0x2a: "XMR",
	0x1032: "WOW", 0x1a9a: "WOW", 0x2fb0: "WOW",
	0x2bb39a: "SUMO",
	0x2cca:   "ARQ",
	0x5a:     "GRFT",
}

// cryptonote reads an address of Monero or of a coin that descends from it: a
// varint that tells the coin, two keys of 32 bytes, 8 more of an integrated
// address, and four bytes of Keccak. The coin is empty when the tag is not
// known.
func cryptonote(t []byte) (coin string, ok bool) {
	const keys, id, check = 64, 8, 4
	if len(t) < 95 || len(t) > 113 {
		return "", false
	}
	b, ok := blocks(t)
	if !ok || len(b) < 1+keys+check {
		return "", false
	}
	body := b[:len(b)-check]
	sum := keccak256(body)
	if !bytes.Equal(sum[:check], b[len(body):]) {
		return "", false
	}
	tag, n := binary.Uvarint(body)
	if rest := len(body) - n; n <= 0 || rest != keys && rest != keys+id {
		return "", false
	}
	if bytes.HasPrefix(t, []byte("ZEPH")) {
		return "ZEPH", true
	}
	return tags[tag], true
}
