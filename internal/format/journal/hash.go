package journal

import (
	"encoding/binary"
	"math/bits"
)

// hash is that of a value "NAME=…" in a file's hash table: SipHash-2-4 keyed
// with the file's own id, or Jenkins' lookup3 in older files.
func (f *File) hash(b []byte) uint64 {
	if f.Keyed {
		return siphash24(b, f.FileID)
	}
	return jenkins64(b)
}

// siphash24 is SipHash with two and four rounds (Aumasson and Bernstein,
// "SipHash: a fast short-input PRF", 2012).
func siphash24(b []byte, key [16]byte) uint64 {
	le := binary.LittleEndian
	k0, k1 := le.Uint64(key[:]), le.Uint64(key[8:])
	v := [4]uint64{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573}
	last := uint64(len(b)) << 56
	for ; len(b) >= 8; b = b[8:] {
		sipWord(&v, le.Uint64(b), 2)
	}
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	sipWord(&v, last, 2)
	v[2] ^= 0xff
	sipWord(&v, 0, 4)
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}

func sipWord(v *[4]uint64, m uint64, rounds int) {
	v[3] ^= m
	for range rounds {
		v[0] += v[1]
		v[1] = bits.RotateLeft64(v[1], 13) ^ v[0]
		v[0] = bits.RotateLeft64(v[0], 32)
		v[2] += v[3]
		v[3] = bits.RotateLeft64(v[3], 16) ^ v[2]
		v[0] += v[3]
		v[3] = bits.RotateLeft64(v[3], 21) ^ v[0]
		v[2] += v[1]
		v[1] = bits.RotateLeft64(v[1], 17) ^ v[2]
		v[2] = bits.RotateLeft64(v[2], 32)
	}
	v[0] ^= m
}

// jenkins64 is hashlittle2 of lookup3.c (Bob Jenkins, 2006) with both halves
// started at 0, the first one on top.
func jenkins64(k []byte) uint64 {
	a := 0xdeadbeef + uint32(len(k))
	b, c := a, a
	if len(k) == 0 {
		return uint64(c)<<32 | uint64(b)
	}
	le := binary.LittleEndian
	for ; len(k) > 12; k = k[12:] {
		a += le.Uint32(k)
		b += le.Uint32(k[4:])
		c += le.Uint32(k[8:])
		a, b, c = mix(a, b, c)
	}
	var tail [12]byte
	copy(tail[:], k)
	a += le.Uint32(tail[:])
	b += le.Uint32(tail[4:])
	c += le.Uint32(tail[8:])
	b, c = final(a, b, c)
	return uint64(c)<<32 | uint64(b)
}

func mix(a, b, c uint32) (uint32, uint32, uint32) {
	rot := bits.RotateLeft32
	a = a - c ^ rot(c, 4)
	c += b
	b = b - a ^ rot(a, 6)
	a += c
	c = c - b ^ rot(b, 8)
	b += a
	a = a - c ^ rot(c, 16)
	c += b
	b = b - a ^ rot(a, 19)
	a += c
	c = c - b ^ rot(b, 4)
	b += a
	return a, b, c
}

func final(a, b, c uint32) (uint32, uint32) {
	rot := bits.RotateLeft32
	c = (c ^ b) - rot(b, 14)
	a = (a ^ c) - rot(c, 11)
	b = (b ^ a) - rot(a, 25)
	c = (c ^ b) - rot(b, 16)
	a = (a ^ c) - rot(c, 4)
	b = (b ^ a) - rot(a, 14)
	c = (c ^ b) - rot(b, 24)
	return b, c
}
