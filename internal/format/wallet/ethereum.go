package wallet

import "bytes"

// ethereum reads the 40 hexadecimal digits after 0x. The case of the letters is
// the checksum (EIP-55); without both cases there is none, and it could be any
// number of 20 bytes.
func ethereum(hex []byte) (checked, ok bool) {
	if len(hex) != 40 {
		return false, false
	}
	small, capital := false, false
	for _, c := range hex {
		switch {
		case c >= '0' && c <= '9':
		case c >= 'a' && c <= 'f':
			small = true
		case c >= 'A' && c <= 'F':
			capital = true
		default:
			return false, false
		}
	}
	if !small || !capital {
		return false, small || capital // digits alone are no address that was ever seen
	}
	sum := keccak256(bytes.ToLower(hex))
	for i, c := range hex {
		up := sum[i/2]>>(4-i%2*4)&8 != 0
		if c > '9' && up != (c <= 'F') {
			return false, false
		}
	}
	return true, true
}

// Words beside which an address without a checksum is one that is mined for.
var context = [][]byte{[]byte("stratum"), []byte("submitlogin"), []byte("wallet"), []byte("\"user\""), []byte("--user"), []byte(" -u ")}

// mined reports whether the text around b[from:to], up to what is no text,
// speaks of mining.
func mined(b []byte, from, to int) bool {
	const around = 160
	start, end := from, to
	for start > 0 && from-start < around && printable(b[start-1]) {
		start--
	}
	for end < len(b) && end-to < around && printable(b[end]) {
		end++
	}
	line := bytes.ToLower(b[start:end])
	for _, w := range context {
		if bytes.Contains(line, w) {
			return true
		}
	}
	return false
}

func printable(c byte) bool { return c >= ' ' && c < 0x7f }
