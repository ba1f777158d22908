package wallet

import (
	"encoding/binary"
	"math/bits"
)

// keccak256 is Keccak with 256 bits as it was before NIST changed its padding
// for SHA-3: what Monero and Ethereum use (The Keccak reference, version 3.0).
func keccak256(b []byte) [32]byte { return sponge(b, 0x01) }

// sponge absorbs b in blocks of 136 bytes; pad is the domain's first padding
// byte.
func sponge(b []byte, pad byte) (out [32]byte) {
	const rate = 136
	var a [25]uint64
	for len(b) >= rate {
		absorb(&a, b[:rate])
		b = b[rate:]
	}
	var last [rate]byte
	copy(last[:], b)
	last[len(b)] ^= pad
	last[rate-1] ^= 0x80
	absorb(&a, last[:])
	for i := range 4 {
		binary.LittleEndian.PutUint64(out[8*i:], a[i])
	}
	return out
}

func absorb(a *[25]uint64, block []byte) {
	for i := range len(block) / 8 {
		a[i] ^= binary.LittleEndian.Uint64(block[8*i:])
	}
	for _, c := range roundConstants {
		round(a, c)
	}
}

// round is θ, ρ with π, χ and ι.
func round(a *[25]uint64, c uint64) {
	var col [5]uint64
	for x := range 5 {
		col[x] = a[x] ^ a[x+5] ^ a[x+10] ^ a[x+15] ^ a[x+20]
	}
	for i := range a {
		a[i] ^= col[(i+4)%5] ^ bits.RotateLeft64(col[(i+1)%5], 1)
	}
	t := a[1]
	for i, to := range lanes {
		a[to], t = bits.RotateLeft64(t, rotations[i]), a[to]
	}
	for y := 0; y < 25; y += 5 {
		row := [5]uint64(a[y : y+5])
		for x := range 5 {
			a[y+x] = row[x] ^ ^row[(x+1)%5]&row[(x+2)%5]
		}
	}
	a[0] ^= c
}

var (
	lanes     = [24]int{10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1}
	rotations = [24]int{1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44}

	roundConstants = [24]uint64{
		0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
		0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
		0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
		0x000000000000800a, 0x800000008000000a, 0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
	}
)
