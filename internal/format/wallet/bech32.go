package wallet

import "bytes"

// fives gives the value of a character of Bech32 (BIP 173), small letters only,
// or 0xff.
var fives = func() (d [256]byte) {
	for i := range d {
		d[i] = 0xff
	}
	for i, c := range []byte("qpzry9x8gf2tvdw0s3jn54khce6mua7l") {
		d[c] = byte(i)
	}
	return d
}()

func values(t []byte) ([]byte, bool) {
	out := make([]byte, len(t))
	for i, c := range t {
		if out[i] = fives[c]; out[i] == 0xff {
			return nil, false
		}
	}
	return out, true
}

// segwit reads an address of BIP 173 or 350, such as bc1…, in small letters.
func segwit(t []byte, human string) bool {
	if !bytes.HasPrefix(t, []byte(human+"1")) || len(t) < len(human)+1+7 || len(t) > 90 {
		return false
	}
	data, ok := values(t[len(human)+1:])
	if !ok {
		return false
	}
	var in []byte
	for _, c := range []byte(human) {
		in = append(in, c>>5)
	}
	in = append(in, 0)
	for _, c := range []byte(human) {
		in = append(in, c&31)
	}
	want := uint32(0x2bc830a3) // Bech32m
	if data[0] == 0 {
		want = 1
	}
	return data[0] <= 16 && polymod30(append(in, data...)) == want
}

func polymod30(in []byte) uint32 {
	c := uint32(1)
	for _, v := range in {
		top := c >> 25
		c = c&0x1ffffff<<5 ^ uint32(v)
		for i, g := range [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 != 0 {
				c ^= g
			}
		}
	}
	return c
}

// cashAddr reads what stands after "kaspa:" and its like: the code of Bitcoin
// Cash's addresses (spec/cashaddr.md), which Kaspa and Nexa took over.
func cashAddr(t []byte, human string) bool {
	data, ok := values(t)
	if !ok || len(t) < 40 || len(t) > 112 {
		return false
	}
	var in []byte
	for _, c := range []byte(human) {
		in = append(in, c&31)
	}
	return polymod40(append(append(in, 0), data...)) == 0
}

func polymod40(in []byte) uint64 {
	c := uint64(1)
	for _, v := range in {
		top := c >> 35
		c = c&0x07ffffffff<<5 ^ uint64(v)
		for i, g := range [5]uint64{0x98f2bc8e61, 0x79b76d99e2, 0xf33e5fb3c4, 0xae2eabe2a8, 0x1e4f43e470} {
			if top>>i&1 != 0 {
				c ^= g
			}
		}
	}
	return c ^ 1
}
