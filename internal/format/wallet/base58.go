package wallet

import (
	"bytes"
	"crypto/sha256"
	"math/bits"
)

// digits gives the value of a base58 character, or 0xff.
var digits = func() (d [256]byte) {
	for i := range d {
		d[i] = 0xff
	}
	for i, c := range []byte("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz") {
		d[c] = byte(i)
	}
	return d
}()

// versions of addresses with Bitcoin's checksum (base58Prefixes of each coin's
// chainparams.cpp) that miners are paid to. Komodo, Ravencoin and Verus share
// one.
var versions = map[byte]string{
	0: "BTC", 5: "BTC", 30: "DOGE", 48: "LTC", 50: "LTC", 60: "KMD/RVN/VRSC", 76: "DASH",
}

// base58check reads an address of 25 bytes: version, hash, and four bytes of
// double SHA-256.
func base58check(t []byte) (coin string, ok bool) {
	const size = 25
	if len(t) < 26 || len(t) > 35 {
		return "", false
	}
	var n [size]byte
	for _, c := range t {
		carry := uint(digits[c])
		if carry == 0xff {
			return "", false
		}
		for i := size - 1; i >= 0; i-- {
			carry += uint(n[i]) * 58
			n[i] = byte(carry)
			carry >>= 8
		}
		if carry != 0 {
			return "", false
		}
	}
	// Each leading zero byte is one leading 1, or the same hash had many texts.
	zeros := len(n) - len(bytes.TrimLeft(n[:], "\x00"))
	ones := len(t) - len(bytes.TrimLeft(t, "1"))
	sum := sha256.Sum256(n[:size-4])
	sum = sha256.Sum256(sum[:])
	coin = versions[n[0]]
	return coin, coin != "" && zeros == ones && bytes.Equal(sum[:4], n[size-4:])
}

// encoded is how many characters CryptoNote's base58 has for so many bytes: it
// codes blocks of 8 bytes by themselves (Monero, src/common/base58.cpp).
var encoded = []byte{0, 2, 3, 5, 6, 7, 9, 10, 11}

// blocks decodes CryptoNote's base58; false when a block is none or is larger
// than its bytes hold.
func blocks(t []byte) ([]byte, bool) {
	var out []byte
	for len(t) > 0 {
		n := min(len(t), int(encoded[8]))
		size := bytes.IndexByte(encoded, byte(n))
		v, ok := number(t[:n])
		if size <= 0 || !ok || size < 8 && v>>(8*size) != 0 {
			return nil, false
		}
		for i := size - 1; i >= 0; i-- {
			out = append(out, byte(v>>(8*i)))
		}
		t = t[n:]
	}
	return out, true
}

// number is the value of at most 11 digits; false when it takes more than 64
// bits or one is no digit.
func number(t []byte) (uint64, bool) {
	var v uint64
	for _, c := range t {
		d := digits[c]
		hi, lo := bits.Mul64(v, 58)
		sum, carry := bits.Add64(lo, uint64(d), 0)
		if d == 0xff || hi != 0 || carry != 0 {
			return 0, false
		}
		v = sum
	}
	return v, true
}
