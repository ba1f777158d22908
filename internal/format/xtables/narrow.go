package xtables

import (
	"net/netip"
	"slices"
	"strings"

	"demine/internal/fact"
)

// never is a range that holds no port: a rule that asks for it matches no
// packet. It stands for a condition that cannot be true (an empty set, two
// conditions that exclude each other).
var never = fact.PortRange{From: 1, To: 0}

// Never makes r a rule that matches no packet: its DPort is the empty range
// 1-0.
func Never(r *fact.Rule) { r.DPort, r.NotDPort = []fact.PortRange{never}, false }

// maxDoubts is the number of doubts that a rule names.
const maxDoubts = 16

// Doubt notes that r has a condition that is not understood. Asking for the
// same word twice notes it once; of very many only the first are named.
func Doubt(r *fact.Rule, word string) {
	if len(r.Unknown) < maxDoubts && !slices.Contains(r.Unknown, word) {
		r.Unknown = append(r.Unknown, word)
	}
}

// NarrowSrc adds "the source is (not) in p" to what r asks for. An empty p
// holds no address.
func NarrowSrc(r *fact.Rule, p []netip.Prefix, not bool) {
	r.Src, r.NotSrc = narrowAddr(r, r.Src, r.NotSrc, p, not, "source")
}

// NarrowDst is NarrowSrc for the destination.
func NarrowDst(r *fact.Rule, p []netip.Prefix, not bool) {
	r.Dst, r.NotDst = narrowAddr(r, r.Dst, r.NotDst, p, not, "destination")
}

func narrowAddr(r *fact.Rule, have []netip.Prefix, haveNot bool, p []netip.Prefix, not bool, word string) ([]netip.Prefix, bool) {
	switch {
	case len(p) == 0 && not:
		return have, haveNot
	case len(p) == 0:
		Never(r)
		return have, haveNot
	case len(have) == 0:
		return p, not
	case haveNot && not:
		return append(slices.Clip(have), p...), true
	case !haveNot && !not:
		both := intersect(have, p)
		if len(both) == 0 {
			Never(r)
			return have, false
		}
		return both, false
	}
	in, out := have, p
	if haveNot {
		in, out = p, have
	}
	if overlap(in, out) {
		Doubt(r, word)
	}
	return in, false
}

func intersect(a, b []netip.Prefix) (both []netip.Prefix) {
	for _, x := range a {
		for _, y := range b {
			switch {
			case !x.Overlaps(y):
			case x.Bits() >= y.Bits():
				both = append(both, x)
			default:
				both = append(both, y)
			}
		}
	}
	return both
}

func overlap(a, b []netip.Prefix) bool { return len(intersect(a, b)) > 0 }

// NarrowDPort adds "the destination port is (not) in p" to what r asks for.
func NarrowDPort(r *fact.Rule, p []fact.PortRange, not bool) {
	switch {
	case len(p) == 0 && not:
	case len(p) == 0:
		Never(r)
	case len(r.DPort) == 0:
		r.DPort, r.NotDPort = p, not
	case r.NotDPort && not:
		r.DPort = append(slices.Clip(r.DPort), p...)
	default:
		have, want := r.DPort, p
		if r.NotDPort {
			have = InvertPorts(have)
		}
		if not {
			want = InvertPorts(want)
		}
		r.DPort, r.NotDPort = intersectPorts(have, want), false
		if len(r.DPort) == 0 {
			Never(r)
		}
	}
}

// NarrowSPort adds "the source port is (not) in p" to what r asks for.
func NarrowSPort(r *fact.Rule, p []fact.PortRange, not bool) {
	if not {
		p = InvertPorts(p)
	}
	if len(r.SPort) > 0 {
		p = intersectPorts(r.SPort, p)
	}
	if len(p) == 0 {
		Never(r)
		return
	}
	r.SPort = p
}

func intersectPorts(a, b []fact.PortRange) (both []fact.PortRange) {
	for _, x := range a {
		for _, y := range b {
			if m := (fact.PortRange{From: max(x.From, y.From), To: min(x.To, y.To)}); m.From <= m.To {
				both = append(both, m)
			}
		}
	}
	return both
}

// InvertPorts is every port that is in none of p, as sorted ranges.
func InvertPorts(p []fact.PortRange) (out []fact.PortRange) {
	p = slices.Clone(p)
	slices.SortFunc(p, func(a, b fact.PortRange) int { return int(a.From) - int(b.From) })
	next := 0
	for _, x := range p {
		if x.From > x.To {
			continue
		}
		if int(x.From) > next {
			out = append(out, fact.PortRange{From: uint16(next), To: x.From - 1})
		}
		next = max(next, int(x.To)+1)
	}
	if next <= 65535 {
		out = append(out, fact.PortRange{From: uint16(next), To: 65535})
	}
	return out
}

// NarrowProto adds "the protocol is (not) p" to what r asks for; p is in the
// words of fact.Rule.
func NarrowProto(r *fact.Rule, p string, not bool) {
	switch {
	case r.Proto == "":
		r.Proto, r.NotProto = p, not
	case r.Proto == p && r.NotProto == not:
	case r.Proto == p:
		Never(r)
	case r.NotProto && !not:
		r.Proto, r.NotProto = p, false
	case !r.NotProto && not:
	case !r.NotProto && !not:
		Never(r)
	default:
		Doubt(r, "protocol")
	}
}

// NarrowIn adds "the packet came in by (not) name" to what r asks for; a
// trailing + of name is any rest.
func NarrowIn(r *fact.Rule, name string, not bool) {
	r.In, r.NotIn = narrowName(r, r.In, r.NotIn, name, not, "input interface")
}

// NarrowOut is NarrowIn for the interface that the packet leaves by.
func NarrowOut(r *fact.Rule, name string, not bool) {
	r.Out, r.NotOut = narrowName(r, r.Out, r.NotOut, name, not, "output interface")
}

func narrowName(r *fact.Rule, have string, haveNot bool, name string, not bool, word string) (string, bool) {
	switch {
	case have == "" && name == "+" && !not:
		return "", false
	case have == "":
		return name, not
	case have == name && haveNot == not:
	case have == name:
		Never(r)
	default:
		Doubt(r, word)
	}
	return have, haveNot
}

// States are the words of fact.Rule.CTState in the order in which they stand
// there.
var States = []string{"new", "established", "related", "invalid", "untracked", "snat", "dnat"}

// NarrowState adds "the connection's state is (not) one of s" to what r asks
// for.
func NarrowState(r *fact.Rule, s []string, not bool) {
	var sorted []string
	for _, w := range States {
		in := slices.Contains(s, w)
		if len(r.CTState) > 0 && !r.NotState && !not {
			in = in && slices.Contains(r.CTState, w)
		} else if r.NotState && not {
			in = in || slices.Contains(r.CTState, w)
		}
		if in {
			sorted = append(sorted, w)
		}
	}
	switch {
	case len(r.CTState) > 0 && r.NotState != not:
		Doubt(r, "ct state")
	case len(sorted) == 0 && not:
	case len(sorted) == 0:
		Never(r)
	default:
		r.CTState, r.NotState = sorted, not
	}
}

// Settle ends the making of a rule: a rate that only stops the excess does not
// hinder a rule that lets packets pass, so it is no longer a doubt of that
// rule.
func Settle(r *fact.Rule) {
	switch r.Verdict {
	case "drop", "reject", "jump", "goto", "other":
		return
	}
	r.Unknown = slices.DeleteFunc(slices.Clone(r.Unknown), func(w string) bool { return w == "limit" || w == "hashlimit upto" })
	if len(r.Unknown) == 0 {
		r.Unknown = nil
	}
}

// Prefixes covers the addresses from…to, both in it, with the fewest prefixes;
// nil when the two are not of one family or from is behind to.
func Prefixes(from, to netip.Addr) (out []netip.Prefix) {
	if from.BitLen() != to.BitLen() || !from.IsValid() || to.Less(from) {
		return nil
	}
	for len(out) < 300 { // 2*128 is the most that a range can need
		bits := from.BitLen()
		for bits > 0 {
			wider := netip.PrefixFrom(from, bits-1).Masked()
			if wider.Addr() != from || to.Less(Last(wider)) {
				break
			}
			bits--
		}
		p := netip.PrefixFrom(from, bits)
		out = append(out, p)
		last := Last(p)
		if last == to || !last.Next().IsValid() {
			return out
		}
		from = last.Next()
	}
	return out
}

// Last is the highest address of p.
func Last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := range b {
		if n := p.Bits() - i*8; n <= 0 {
			b[i] = 0xff
		} else if n < 8 {
			b[i] |= 0xff >> n
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Proto is the word of fact.Rule for a protocol number or name of /etc/protocols;
// empty for "any".
func Proto(name string) string {
	switch name = strings.ToLower(name); name {
	case "0", "all", "any", "ip":
		return ""
	case "6":
		return "tcp"
	case "17":
		return "udp"
	case "1":
		return "icmp"
	case "58", "ipv6-icmp", "icmpv6":
		return "icmpv6"
	}
	if n, ok := protoNumbers[name]; ok {
		return n
	}
	return name
}

// protoNumbers are the other protocols that iptables-save names, as in
// /etc/protocols.
var protoNumbers = map[string]string{"igmp": "2", "gre": "47", "esp": "50", "ah": "51", "ospf": "89",
	"ipv6": "41", "ipencap": "4", "vrrp": "112", "sctp": "132", "udplite": "136", "dccp": "33", "mh": "135",
	"ipip": "94", "l2tp": "115", "pim": "103", "mobility-header": "135", "ipv6-mh": "135"}
