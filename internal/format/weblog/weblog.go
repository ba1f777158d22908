// Package weblog reads the lines that services log of requests: it undoes the
// escapes in which attacks are sent, and finds who sent them. What stands in a
// request is the other side's choice; the address in front of it is the
// server's word, behind a proxy the proxy's.
package weblog

import (
	"bytes"
	"net/netip"
	"strings"

	"demine/internal/fact"
)

// rounds is how often escapes are undone: attacks are escaped twice to pass a
// proxy, and nested lookups within each other.
const rounds = 3

// Plain is a line with %XX, \xXX and \u00XX undone up to three times, and
// log4j's lookups of single letters (${lower:j}, ${::-j}, ${env:X:-j}) put in
// place. It is valid UTF-8.
func Plain(line []byte) string {
	b := append([]byte(nil), line...)
	for range rounds {
		if bytes.IndexByte(b, '%') < 0 && bytes.IndexByte(b, '\\') < 0 {
			break
		}
		n := len(b)
		if b = unescape(b); len(b) == n {
			break
		}
	}
	return fact.Text(lookups(b))
}

// unescape works in place.
func unescape(b []byte) []byte {
	out := b[:0]
	for i := 0; i < len(b); {
		c, n := escape(b[i:])
		out = append(out, c)
		i += n
	}
	return out
}

// escape reads one byte, escaped or not, and how long it stands for.
func escape(b []byte) (c byte, n int) {
	switch {
	case len(b) >= 3 && b[0] == '%' && hex(b[1]) >= 0 && hex(b[2]) >= 0:
		return visible(byte(hex(b[1])<<4|hex(b[2])), b[0], 3)
	case len(b) >= 4 && b[0] == '\\' && b[1] == 'x' && hex(b[2]) >= 0 && hex(b[3]) >= 0:
		return visible(byte(hex(b[2])<<4|hex(b[3])), b[0], 4)
	case len(b) >= 6 && b[0] == '\\' && b[1] == 'u' && b[2] == '0' && b[3] == '0' && hex(b[4]) >= 0 && hex(b[5]) >= 0:
		return visible(byte(hex(b[4])<<4|hex(b[5])), b[0], 6)
	}
	return b[0], 1
}

// visible keeps the escapes of control characters: a line stays one line.
func visible(c, first byte, n int) (byte, int) {
	if c < ' ' || c == 0x7f {
		return first, 1
	}
	return c, n
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// lookups resolves, from the innermost outward and in one pass, what needs
// nothing of the host.
func lookups(b []byte) []byte {
	if bytes.IndexByte(b, '$') < 0 {
		return b
	}
	out, open := make([]byte, 0, len(b)), []int(nil)
	for i, c := range b {
		out = append(out, c)
		switch {
		case c == '{' && i > 0 && b[i-1] == '$' && len(out) > 1:
			open = append(open, len(out)-2)
		case c == '}' && len(open) > 0:
			at := open[len(open)-1]
			open = open[:len(open)-1]
			if v, ok := resolve(out[at+2 : len(out)-1]); ok {
				out = append(out[:at], v...)
			}
		}
	}
	return out
}

// resolve gives what a lookup stands for: its default, or the text of a change
// of case. jndi stays: it is what is looked for.
func resolve(b []byte) ([]byte, bool) {
	if len(b) > 256 {
		return nil, false
	}
	for _, p := range []string{"lower:", "upper:"} {
		if len(b) >= len(p) && strings.EqualFold(string(b[:len(p)]), p) {
			return b[len(p):], true
		}
	}
	if i := bytes.LastIndex(b, []byte(":-")); i >= 0 {
		return b[i+2:], true
	}
	return nil, false
}

// peers stand before the address where it is not the first word: nginx and
// httpd's error logs, Redis, YARN, PostgreSQL's %h by convention.
var peers = []string{"client: ", "[client ", " addr=", "IP=", "host="}

// Peer is the address that a request came from; "" when the line does not say.
func Peer(line []byte) string {
	word, _, _ := bytes.Cut(line, []byte{' '})
	if a := address(word); a != "" {
		return a
	}
	for _, p := range peers {
		if i := bytes.Index(line, []byte(p)); i >= 0 {
			rest := line[i+len(p):]
			if n := bytes.IndexAny(rest, " ,]'\"\t"); n >= 0 {
				rest = rest[:n]
			}
			if a := address(rest); a != "" {
				return a
			}
		}
	}
	return ""
}

func address(b []byte) string {
	if len(b) < 2 || len(b) > 64 {
		return ""
	}
	s := string(b)
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().WithZone("").String()
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().Unmap().WithZone("").String()
	}
	return ""
}

// Status is what a web server answered, in the common log format: the number
// after the quoted request. 0: the line is of another form.
func Status(line []byte) int {
	i := bytes.Index(line, []byte(`" `))
	if i < 0 || len(line) < i+6 || line[i+5] != ' ' {
		return 0
	}
	n := 0
	for _, c := range line[i+2 : i+5] {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	if n < 100 || n > 599 {
		return 0
	}
	return n
}
