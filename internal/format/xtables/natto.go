package xtables

import (
	"net/netip"
	"strings"

	"demine/internal/fact"
)

// NatTo reads where a packet is sent, as iptables and nft write it:
// "172.17.0.2:80", "[fd00::2]:80", "10.0.0.1-10.0.0.9:8000-8010", ":8080". What
// is not understood is Unclear.
func NatTo(s string) (to fact.NatTo) {
	addr, port := s, ""
	if inner, rest, ok := strings.Cut(strings.TrimPrefix(s, "["), "]"); ok && strings.HasPrefix(s, "[") {
		addr, port = inner, strings.TrimPrefix(rest, ":")
	} else if i := strings.LastIndexByte(s, ':'); i >= 0 && strings.Count(s, ":") == 1 {
		addr, port = s[:i], s[i+1:]
	}
	if addr != "" {
		from, last, isRange := strings.Cut(addr, "-")
		if !isRange {
			last = from
		}
		var err, err2 error
		to.Addr, err = netip.ParseAddr(from)
		to.Last, err2 = netip.ParseAddr(strings.Trim(last, "[]"))
		to.Unclear = err != nil || err2 != nil
	}
	if port != "" {
		p, ok := Ports(port, "-")
		to.Port, to.Unclear = p, to.Unclear || !ok
	}
	if to.Unclear {
		return fact.NatTo{Unclear: true}
	}
	return to
}
