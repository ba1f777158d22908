package elf

import "math"

// Entropy is Shannon's, in bits a byte, of so many bytes of each value; 0 when
// there are none. Machine code has about 6, what is compressed or encrypted
// close to 8.
func Entropy(counts *[256]int) float64 {
	n := 0
	for _, c := range counts {
		n += c
	}
	sum := 0.0
	for _, c := range counts {
		if c > 0 {
			p := float64(c) / float64(n)
			sum -= p * math.Log2(p)
		}
	}
	return max(0, sum)
}
