package wallet

import (
	"bytes"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// pool reads the address around "://" at b[at]: scheme, host and port, without
// the user and password that may stand before the host. It is false when the
// scheme is not one of pools.
func pool(b []byte, at int) (url string, start int, ok bool) {
	const longest = 300
	start = at
	for start > 0 && at-start < 20 && schemeChar(b[start-1]) {
		start--
	}
	scheme := strings.ToLower(string(b[start:at]))
	if !strings.Contains(scheme, "stratum") && !strings.HasPrefix(scheme, "daemon+http") {
		return "", 0, false
	}
	rest := b[at+len("://"):]
	end := bytes.IndexFunc(rest[:min(len(rest), longest)], func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("/?#\"'`\\<>,;)", r)
	})
	if end < 0 {
		return "", 0, false
	}
	rest = rest[:end]
	if i := bytes.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	host, port, err := net.SplitHostPort(string(rest))
	if n, err2 := strconv.ParseUint(port, 10, 16); err != nil || err2 != nil || n == 0 || !hostName(host) {
		return "", 0, false
	}
	return scheme + "://" + net.JoinHostPort(strings.ToLower(host), port), start, true
}

func schemeChar(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '+'
}

// hostName: an address, or a name that has a dot or is localhost, as real ones
// do; "%s" and "host" of a manual do not.
func hostName(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if len(s) > 253 || !strings.Contains(s, ".") && s != "localhost" {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return false
		}
	}
	return true
}
