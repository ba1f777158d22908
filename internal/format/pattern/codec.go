package pattern

import (
	"encoding/json"
	"fmt"
)

// Encode writes patterns so that none of them stands in clear: JSON under a
// fixed keystream. It hides nothing from people; it keeps scanners for malware
// from taking the list for what it lists.
func Encode(ps []Pattern) ([]byte, error) {
	b, err := json.Marshal(ps)
	if err != nil {
		return nil, fmt.Errorf("encode patterns: %w", err)
	}
	Cloak(b)
	return b, nil
}

// Decode reverses Encode.
func Decode(b []byte) ([]Pattern, error) {
	clear := make([]byte, len(b))
	copy(clear, b)
	Cloak(clear)
	var ps []Pattern
	if err := json.Unmarshal(clear, &ps); err != nil {
		return nil, fmt.Errorf("decode patterns: %w", err)
	}
	for i := range clear {
		clear[i] = 0 // not left for a scanner of memory
	}
	return ps, nil
}

// Cloak XORs b with the bytes of a xorshift generator (Marsaglia, "Xorshift
// RNGs", 2003) with a fixed start. Doing it twice undoes it.
func Cloak(b []byte) {
	x := uint64(0x64656d696e650001)
	for i := range b {
		if i%8 == 0 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		b[i] ^= byte(x >> (i % 8 * 8))
	}
}
