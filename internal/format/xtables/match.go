package xtables

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"demine/internal/fact"
)

// Match adds one match to r: what is understood narrows r's fields, the rest
// goes by name into r.Unknown, and its words in the syntax of iptables-save go
// to the end of r.Text. data is the match's own structure
// (linux/netfilter/xt_*.h); bytes behind it are padding. Too few bytes make it
// an unknown one.
func Match(name string, rev uint8, data []byte, r *fact.Rule) {
	d, ok := matches[name]
	if ok && len(data) >= d.size(rev) {
		d.read(rev, data, r)
		return
	}
	Doubt(r, name)
	say(r, "-m %s", name)
}

type matchReader struct {
	min  [5]int // bytes needed, by revision; 0: not a revision that is known
	read func(rev uint8, b []byte, r *fact.Rule)
}

// size is the number of bytes that revision rev needs, beyond any blob for one
// that is not known.
func (m matchReader) size(rev uint8) int {
	if int(rev) >= len(m.min) || m.min[rev] == 0 {
		return 1 << 30
	}
	return m.min[rev]
}

var matches map[string]matchReader

func init() {
	matches = map[string]matchReader{
		"tcp":       {[5]int{12}, readTCP},
		"udp":       {[5]int{9}, readUDP},
		"multiport": {[5]int{32, 48}, readMultiport},
		"comment":   {[5]int{1}, readComment},
		"state":     {[5]int{4}, readState},
		"conntrack": {[5]int{0, 152, 154, 162}, readConntrack},
		"iprange":   {[5]int{0, 65}, readIPRange},
		"addrtype":  {[5]int{12, 8}, readAddrType},
		"limit":     {[5]int{8}, readLimit},
		"hashlimit": {[5]int{0, 20, 276, 276}, readHashlimit},
		"connlimit": {[5]int{24, 24}, readConnlimit},
		"recent":    {[5]int{211, 228}, readRecent},
		"icmp":      {[5]int{4}, readICMP},
		"icmp6":     {[5]int{4}, readICMP},
		"pkttype":   {[5]int{8}, readPktType},
		"rpfilter":  {[5]int{1}, readRPFilter},
		"mark":      {[5]int{17, 9}, readMark},
		"mac":       {[5]int{12}, readMAC},
		"set":       {[5]int{0, 4, 4, 4, 4}, readSet},
		"time":      {[5]int{22}, readTime},
	}
}

func portRange(b []byte) fact.PortRange {
	return fact.PortRange{From: order.Uint16(b), To: order.Uint16(b[2:])}
}

// narrowPorts reads the two ranges that struct xt_tcp and xt_udp begin with.
func narrowPorts(b []byte, inv byte, r *fact.Rule) {
	s, d := portRange(b), portRange(b[4:])
	all := fact.PortRange{From: 0, To: 65535}
	if s != all || inv&1 != 0 {
		say(r, "%s--sport %s", bang(inv&1 != 0), portText(s))
		NarrowSPort(r, []fact.PortRange{s}, inv&1 != 0)
	}
	if d != all || inv&2 != 0 {
		say(r, "%s--dport %s", bang(inv&2 != 0), portText(d))
		NarrowDPort(r, []fact.PortRange{d}, inv&2 != 0)
	}
}

func readTCP(_ uint8, b []byte, r *fact.Rule) {
	say(r, "-m tcp")
	option, mask, want, inv := b[8], b[9], b[10], b[11]
	narrowPorts(b, inv, r)
	if option != 0 || inv&8 != 0 {
		say(r, "%s--tcp-option %d", bang(inv&8 != 0), option)
		Doubt(r, "tcp --tcp-option")
	}
	if mask != 0 || inv&4 != 0 {
		w := FlagsWord(mask, want, inv&4 != 0)
		say(r, "%s", strings.TrimPrefix(w, "tcp "))
		Doubt(r, w)
	}
}

func readUDP(_ uint8, b []byte, r *fact.Rule) {
	say(r, "-m udp")
	narrowPorts(b, b[8], r)
}

// readMultiport reads struct xt_multiport and xt_multiport_v1, where pflags
// marks the first port of a range.
func readMultiport(rev uint8, b []byte, r *fact.Rule) {
	ports, not := []fact.PortRange(nil), rev == 1 && b[47] != 0
	for i := 0; i < int(b[1]) && i < 15; i++ {
		p := order.Uint16(b[2+2*i:])
		x := fact.PortRange{From: p, To: p}
		if rev == 1 && b[32+i] != 0 && i+1 < 15 {
			i++
			x.To = order.Uint16(b[2+2*i:])
		}
		ports = append(ports, x)
	}
	Multiport(r, [...]string{"sports", "dports", "ports", "?"}[min(b[0], 3)], ports, not)
}

// Multiport adds the match "multiport" with its option "sports", "dports" or
// "ports" (either of the two).
func Multiport(r *fact.Rule, option string, ports []fact.PortRange, not bool) {
	say(r, "-m multiport %s--%s %s", bang(not), option, portsText(ports))
	switch option {
	case "sports":
		NarrowSPort(r, ports, not)
	case "dports":
		NarrowDPort(r, ports, not)
	default:
		Doubt(r, "multiport --ports")
	}
}

func readComment(_ uint8, b []byte, r *fact.Rule) {
	r.Comment = fact.Text([]byte(cString(b)))
	say(r, "-m comment --comment %s", Quote(r.Comment))
}

// stateNames are the bits XT_CONNTRACK_STATE_* in the order in which iptables
// prints them.
var stateNames = []struct {
	bit  uint16
	name string
}{{1, "INVALID"}, {8, "NEW"}, {4, "RELATED"}, {2, "ESTABLISHED"}, {1 << 8, "UNTRACKED"}, {1 << 6, "SNAT"}, {1 << 7, "DNAT"}}

// states gives the words of a state mask for fact.Rule and for the text, and
// whether the mask has only bits that have a name.
func states(mask, untracked uint16) (words []string, text string, ok bool) {
	var names []string
	for _, s := range stateNames {
		bit := s.bit
		if s.name == "UNTRACKED" {
			bit = untracked
		}
		if mask&bit != 0 {
			names = append(names, s.name)
			words = append(words, strings.ToLower(s.name))
			mask &^= bit
		}
	}
	return words, strings.Join(names, ","), mask == 0
}

// readState reads struct xt_state_info, whose bit for "untracked" is one lower
// than that of conntrack.
func readState(_ uint8, b []byte, r *fact.Rule) {
	words, text, ok := states(uint16(order.Uint32(b)), 1<<6)
	say(r, "-m state --state %s", text)
	NarrowState(r, words, false)
	if !ok {
		Doubt(r, "state")
	}
}

// The bits of match_flags and invert_flags, XT_CONNTRACK_*.
const ctState, ctOrigDstPort, ctDirection, ctStateAlias = 1 << 0, 1 << 9, 1 << 12, 1 << 13

// ctFlagsAt is where they are: behind eight addresses, expires, l4proto and four ports.
const ctFlagsAt = 8*16 + 8 + 2 + 8

// readConntrack reads struct xt_conntrack_mtinfo1 to 3: the state, and with
// words the port that a packet was for at first and its direction.
func readConntrack(rev uint8, b []byte, r *fact.Rule) {
	flags, invert := order.Uint16(b[ctFlagsAt:]), order.Uint16(b[ctFlagsAt+2:])
	mask := uint16(b[ctFlagsAt+4])
	if rev >= 2 {
		mask = order.Uint16(b[ctFlagsAt+4:])
	}
	word, opt := "conntrack", "ctstate"
	if flags&ctStateAlias != 0 {
		word, opt = "state", "state"
	}
	say(r, "-m %s", word)
	if flags&ctState != 0 {
		words, text, ok := states(mask, 1<<8)
		say(r, "%s--%s %s", bang(invert&ctState != 0), opt, text)
		NarrowState(r, words, invert&ctState != 0)
		if !ok {
			Doubt(r, "conntrack")
		}
	}
	if flags&ctOrigDstPort != 0 {
		p := portRange([]byte{b[140], b[141], b[140], b[141]})
		if rev == 3 {
			p.To = order.Uint16(b[156:])
		} else {
			p.From, p.To = be16(b[140:]), be16(b[140:])
		}
		w := bang(invert&ctOrigDstPort != 0) + "--ctorigdstport " + portText(p)
		say(r, "%s", w)
		Doubt(r, "conntrack "+w)
	}
	if flags&ctDirection != 0 {
		w := "--ctdir " + map[bool]string{false: "ORIGINAL", true: "REPLY"}[invert&ctDirection != 0]
		say(r, "%s", w)
		Doubt(r, "conntrack "+w)
	}
	if flags&^(ctState|ctStateAlias|ctOrigDstPort|ctDirection) != 0 {
		Doubt(r, "conntrack")
	}
}

// readIPRange reads struct xt_iprange_mtinfo; which family the addresses have
// is told by the second word of the highest one, which IPv4 leaves zero.
func readIPRange(_ uint8, b []byte, r *fact.Rule) {
	n := 4
	if anySet(b[4:16]) || anySet(b[20:32]) || anySet(b[36:48]) || anySet(b[52:64]) {
		n = 16
	}
	flags := b[64]
	say(r, "-m iprange")
	if flags&0x01 != 0 {
		narrowRange(r, b[0:n], b[16:16+n], flags&0x10 != 0, "src", NarrowSrc)
	}
	if flags&0x02 != 0 {
		narrowRange(r, b[32:32+n], b[48:48+n], flags&0x20 != 0, "dst", NarrowDst)
	}
}

func anySet(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return true
		}
	}
	return false
}

func narrowRange(r *fact.Rule, from, to []byte, not bool, side string, narrow func(*fact.Rule, []netip.Prefix, bool)) {
	a, _ := netip.AddrFromSlice(from)
	z, _ := netip.AddrFromSlice(to)
	say(r, "%s--%s-range %s-%s", bang(not), side, a, z)
	narrow(r, Prefixes(a, z), not)
}

// typeNames are the bits XT_ADDRTYPE_*.
var typeNames = []string{"UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE",
	"UNREACHABLE", "PROHIBIT", "THROW", "NAT", "XRESOLVE"}

func typeText(mask uint16) string {
	var s []string
	for i, n := range typeNames {
		if mask&(1<<i) != 0 {
			s = append(s, n)
		}
	}
	return strings.Join(s, ",")
}

// readAddrType reads struct xt_addrtype_info and xt_addrtype_info_v1.
func readAddrType(rev uint8, b []byte, r *fact.Rule) {
	src, dst := order.Uint16(b), order.Uint16(b[2:])
	flags := order.Uint32(b[4:])
	notSrc, notDst := flags&1 != 0, flags&2 != 0
	if rev == 0 {
		notSrc, notDst, flags = flags != 0, order.Uint32(b[8:]) != 0, 0
	}
	say(r, "-m addrtype")
	if src != 0 {
		AddrType(r, "src", typeText(src), notSrc)
	}
	if dst != 0 {
		AddrType(r, "dst", typeText(dst), notDst)
	}
	if flags&4 != 0 {
		say(r, "--limit-iface-in")
	}
	if flags&8 != 0 {
		say(r, "--limit-iface-out")
	}
}

// AddrType adds the doubt "addrtype --dst-type LOCAL" and its text; the
// evaluator knows what the types of a packet to this host are.
func AddrType(r *fact.Rule, side, types string, not bool) {
	w := fmt.Sprintf("%s--%s-type %s", bang(not), side, types)
	say(r, "%s", w)
	Doubt(r, "addrtype "+w)
}

// readLimit reads struct xt_rateinfo: avg is ten thousandths of a second
// between packets.
func readLimit(_ uint8, b []byte, r *fact.Rule) {
	avg, burst := order.Uint32(b), order.Uint32(b[4:])
	say(r, "-m limit --limit %s", rateText(avg))
	if burst != 5 {
		say(r, "--limit-burst %d", burst)
	}
	Doubt(r, "limit")
}

// rateText is print_rate of libxt_limit.
func rateText(period uint32) string {
	rates := []struct {
		name string
		mult uint32
	}{{"day", 10000 * 24 * 60 * 60}, {"hour", 10000 * 60 * 60}, {"min", 10000 * 60}, {"sec", 10000}}
	if period == 0 {
		return "inf"
	}
	i := 1
	for ; i < len(rates); i++ {
		if period > rates[i].mult || rates[i].mult/period < rates[i].mult%period {
			break
		}
	}
	return fmt.Sprintf("%d/%s", rates[i-1].mult/period, rates[i-1].name)
}

// readHashlimit finds the mode in struct xt_hashlimit_mtinfo1 to 3; its bit
// XT_HASHLIMIT_INVERT turns "upto" into "above".
func readHashlimit(rev uint8, b []byte, r *fact.Rule) {
	at := 16
	if rev >= 2 {
		at = 256 + 16
	}
	word := "hashlimit upto"
	if order.Uint32(b[at:])&(1<<4) != 0 {
		word = "hashlimit above"
	}
	Doubt(r, word)
	say(r, "-m hashlimit --hashlimit-%s … --hashlimit-name %s", strings.Fields(word)[1], Quote(fact.Text([]byte(cString(b[:min(at, 255)])))))
}

// readConnlimit reads struct xt_connlimit_info; revision 0 has the inversion
// in the word where revision 1 has flags.
func readConnlimit(_ uint8, b []byte, r *fact.Rule) {
	word := "above"
	if order.Uint32(b[20:24])&1 != 0 {
		word = "upto"
	}
	Doubt(r, "connlimit "+word)
	say(r, "-m connlimit --connlimit-%s %d", word, order.Uint32(b[16:]))
}

// readRecent reads struct xt_recent_mtinfo and its revision 1 with a mask. A plain
// "set" notes the sender and always matches; a plain "rcheck" under a mask of no
// bits becomes the doubt "recent all NAME": it matches all or none.
func readRecent(rev uint8, b []byte, r *fact.Rule) {
	what, not := "", b[9] != 0
	for i, n := range []string{"rcheck", "set", "update", "remove"} {
		if b[8]&(1<<i) != 0 {
			what = n
		}
	}
	seconds, hits, name := order.Uint32(b), order.Uint32(b[4:]), fact.Text([]byte(cString(b[10:210])))
	say(r, "-m recent %s--%s", bang(not), what)
	if seconds != 0 {
		say(r, "--seconds %d", seconds)
	}
	if hits != 0 {
		say(r, "--hitcount %d", hits)
	}
	say(r, "--name %s", Quote(name))
	switch {
	case what == "set" && !not:
	case rev == 1 && b[8] == 1 && !not && seconds == 0 && hits == 0 && !anySet(b[212:228]):
		Doubt(r, ListWord+name)
	default:
		Doubt(r, strings.TrimSpace("recent "+bang(not))+" "+what)
	}
}

// ListWord begins the doubt about a list that all packets are in or none.
const ListWord = "recent all "

// readICMP reads struct ipt_icmp and icmp6_info: type, a range of codes, and
// whether to invert. Type 255 is any.
func readICMP(_ uint8, b []byte, r *fact.Rule) {
	opt, word := "--icmp-type", "icmp"
	if r.Proto == "icmpv6" {
		opt, word = "--icmpv6-type", "icmp6"
	}
	typ := fmt.Sprint(b[0])
	if b[1] == b[2] {
		typ += fmt.Sprintf("/%d", b[1])
	}
	if b[0] == 255 && word == "icmp" {
		typ = "any"
	}
	say(r, "-m %s %s%s %s", word, bang(b[3]&1 != 0), opt, typ)
	Doubt(r, word)
}

// readPktType reads struct xt_pkttype_info: PACKET_HOST, BROADCAST, MULTICAST.
func readPktType(_ uint8, b []byte, r *fact.Rule) {
	names := []string{"unicast", "broadcast", "multicast"}
	n, not := order.Uint32(b), order.Uint32(b[4:]) != 0
	if int64(n) >= int64(len(names)) {
		Doubt(r, "pkttype")
		say(r, "-m pkttype %s--pkt-type %d", bang(not), n)
		return
	}
	w := bang(not) + "--pkt-type " + names[n]
	say(r, "-m pkttype %s", w)
	Doubt(r, "pkttype "+w)
}

func readRPFilter(_ uint8, b []byte, r *fact.Rule) {
	say(r, "-m rpfilter")
	for i, n := range []string{"--loose", "--validmark", "--accept-local", "--invert"} {
		if b[0]&(1<<i) != 0 {
			say(r, "%s", n)
		}
	}
	if b[0]&8 != 0 {
		Doubt(r, "rpfilter --invert")
	} else {
		Doubt(r, "rpfilter")
	}
}

func readMAC(_ uint8, b []byte, r *fact.Rule) {
	say(r, "-m mac %s--mac-source %02x:%02x:%02x:%02x:%02x:%02x", bang(order.Uint32(b[8:]) != 0), b[0], b[1], b[2], b[3], b[4], b[5])
	Doubt(r, "mac")
}

// readSet reads struct xt_set_info, which names a set of ipset by number only.
func readSet(_ uint8, b []byte, r *fact.Rule) {
	var dims []string
	for i := range min(int(b[2]), 6) {
		if b[3]&(1<<i) != 0 || i > 0 && b[3]&(1<<i) != 0 {
			dims = append(dims, "src")
		} else {
			dims = append(dims, "dst")
		}
	}
	say(r, "-m set %s--match-set #%d %s", bang(b[3]&0x80 != 0), binary.NativeEndian.Uint16(b), strings.Join(dims, ","))
	Doubt(r, "set")
}
