package relate

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// match says whether a rule matches the packet, but for its sender: yes is false
// when it does not, sure is false when it depends on something that is not
// known.
func (w *walk) match(r *fact.Rule) (sure, yes bool) {
	if !w.protoAndPort(r) || !w.ports(r) || !w.device(r) {
		return false, false
	}
	state, dst, words := w.stateOf(r), w.destination(r), w.words(r)
	if state == no || dst == no || words == no {
		return false, false
	}
	masked := w.base.masked && len(r.Src) > 0
	return state == sureYes && dst == sureYes && words == sureYes && !masked, true
}

// truth has three values.
type truth int

const (
	no truth = iota
	unsure
	sureYes
)

func truthOf(b bool) truth {
	if b {
		return sureYes
	}
	return no
}

func (w *walk) ports(r *fact.Rule) bool {
	return len(r.SPort) == 0 || hasPort(r.SPort, w.sport)
}

// device checks the interfaces: in postrouting iptables does not know the one
// that the packet came by, nor before the routing the one that it leaves by.
func (w *walk) device(r *fact.Rule) bool {
	if r.Out != "" && (w.base.out == "" && !r.NotOut || w.base.out != "" && sameDevice(r.Out, w.base.out) == r.NotOut) {
		return false
	}
	iface := w.iface
	if w.base.inside != nil {
		iface = w.base.iface
	}
	return r.In == "" || sameDevice(r.In, iface) != r.NotIn
}

func sameDevice(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "+"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

func (w *walk) stateOf(r *fact.Rule) truth {
	if len(r.CTState) == 0 {
		return sureYes
	}
	if w.natted && w.base.inside == nil && slices.Contains(r.CTState, "dnat") {
		return truthOf(!r.NotState)
	}
	tracked := w.tracked()
	if w.state != "unsure" && tracked != "unsure" {
		state := w.state
		if state == "new" {
			state = tracked
		}
		return truthOf(slices.Contains(r.CTState, state) != r.NotState)
	}
	a, b := slices.Contains(r.CTState, "new"), slices.Contains(r.CTState, "untracked")
	if tracked != "new" {
		a = slices.Contains(r.CTState, "invalid")
	}
	if w.state == "new" {
		b = slices.Contains(r.CTState, "new")
	}
	if a != b {
		return unsure
	}
	return truthOf(a != r.NotState)
}

// conntrack is NF_IP_PRI_CONNTRACK of linux/netfilter_ipv4.h: where the state of
// a packet becomes known.
const conntrack = -200

// tracked is the state of a new packet where the walk is: it is "invalid" before
// conntrack has seen it.
func (w *walk) tracked() string {
	switch c := w.base.chain; {
	case c.Hook == "ingress", c.Hook == "prerouting" && c.Priority < conntrack:
		return "invalid"
	case c.Hook == "prerouting" && c.Priority == conntrack:
		return "unsure"
	}
	return "new"
}

// destination checks the address that the packet is for.
func (w *walk) destination(r *fact.Rule) truth {
	if len(r.Dst) == 0 {
		return sureYes
	}
	mine := slices.DeleteFunc(slices.Clone(r.Dst), func(p netip.Prefix) bool { return !p.IsValid() || p.Addr().Is4() == w.v6 })
	if len(mine) == 0 {
		return no
	}
	if !w.local.IsUnspecified() && w.local.IsValid() {
		in := slices.ContainsFunc(mine, func(p netip.Prefix) bool { return p.Contains(w.local) })
		return truthOf(in != r.NotDst)
	}
	if slices.ContainsFunc(mine, func(p netip.Prefix) bool { return p.Bits() == 0 }) {
		return truthOf(!r.NotDst)
	}
	if !slices.ContainsFunc(mine, unicast) {
		return truthOf(r.NotDst)
	}
	return unsure
}

// unicast reports whether p can hold an address of the host that a packet from
// outside can have as its destination.
func unicast(p netip.Prefix) bool {
	a := p.Addr()
	return !a.IsLoopback() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// words judges the conditions that no field of a rule says.
func (w *walk) words(r *fact.Rule) truth {
	all := sureYes
	for _, word := range r.Unknown {
		all = min(all, w.word(word, r))
	}
	return all
}

// word knows some conditions for the first packet of a connection to this host.
func (w *walk) word(word string, r *fact.Rule) truth {
	name, rest, _ := strings.Cut(word, " ")
	not := strings.HasPrefix(rest, "! ")
	f := strings.Fields(strings.TrimPrefix(rest, "! "))
	switch {
	case name == "tcp" && len(f) == 3 && f[0] == "--tcp-flags":
		return truthOf(synMatches(f[1], f[2]) != not)
	case name == "conntrack" && len(f) == 2, name == "ct" && strings.HasPrefix(rest, "status "):
		return w.connection(strings.TrimPrefix(rest, "status "))
	case name == "addrtype" && len(f) == 2 && f[0] == "--dst-type":
		return truthOf(w.addrType(strings.Split(f[1], ",")) != not)
	case name == "pkttype" && len(f) == 2:
		return truthOf((f[1] == "unicast" || f[1] == "host") != not)
	case name == "meta" && w.base.lease && len(f) == 3 && f[0] == "time":
		return w.clock(f[1], f[2])
	case name == "time" && len(f) == 2:
		return w.clock(f[0], f[1])
	case name == "rpfilter": // the sender's way back is through the same interface
		return truthOf(!slices.Contains(f, "--invert"))
	}
	if slices.Contains(extensionHeaders, name) && w.stops(r, 0) { // the sender need not have one
		return no
	}
	return w.rate(word, r)
}

// clock judges a condition on the wall clock by the time of the look: an end in
// demine's own table, and of others a date that is the end of a rule. What they
// open at some hours they do open.
func (w *walk) clock(op, seconds string) truth {
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || w.net.Now.IsZero() {
		return unsure
	}
	c := w.net.Now.Compare(time.Unix(at, 0))
	return truthOf(op == ">" && c > 0 || op == ">=" && c >= 0 || op == "<" && c < 0 || op == "<=" && c <= 0)
}

// connection judges what conntrack knows beside the state: of a packet that it
// has not seen, or is not to see, nothing of it is true, not even its opposite.
func (w *walk) connection(words string) truth {
	tracked := w.tracked()
	switch {
	case w.state == "untracked" || tracked == "invalid":
		return no
	case w.state == "unsure" || tracked == "unsure":
		return unsure
	}
	not := strings.HasPrefix(words, "! ")
	name, value, _ := strings.Cut(strings.TrimPrefix(words, "! "), " ")
	switch name {
	case "dnat":
		return truthOf((w.natted && w.base.inside == nil) != not)
	case "--ctdir":
		return truthOf((value == "ORIGINAL") != not)
	case "--ctorigdstport":
		if p, ok := xtables.Ports(value, ":"); ok {
			return truthOf(p.Has(w.asked()) != not)
		}
	}
	return unsure
}

// extensionHeaders are the matches of what stands between the headers of IPv6
// and of the protocol (ip6tables-extensions(8)), and nft's name for them.
var extensionHeaders = []string{"rt", "frag", "hbh", "dst", "mh", "ipv6header", "exthdr", "ah", "esp"}

// asked is the port that the packet was for when it came to the namespace.
func (w *walk) asked() int {
	if w.natted && w.base.inside == nil {
		return w.was
	}
	return w.port
}

// addrType judges the kind of address that the packet is for, where it is. For
// IPv6 the match of iptables asks for all of what it names, and every address of
// one host is UNICAST (match_type6 of xt_addrtype.c).
func (w *walk) addrType(types []string) bool {
	local := slices.Contains(types, "LOCAL")
	if !w.v6 || w.base.backend == "nft" {
		return local && w.base.here || slices.Contains(types, "UNICAST") && !w.base.here
	}
	routed := func(s string) bool {
		return slices.Contains([]string{"LOCAL", "ANYCAST", "PROHIBIT", "UNREACHABLE"}, s)
	}
	scope := func(s string) bool { return s == "MULTICAST" || s == "UNSPEC" }
	return !slices.ContainsFunc(types, scope) && (!slices.ContainsFunc(types, routed) || local && w.base.here)
}

// synMatches reports whether a packet with only SYN set meets --tcp-flags.
func synMatches(mask, want string) bool {
	m, c := strings.Split(mask, ","), strings.Split(want, ",")
	syn := slices.Contains(m, "SYN") || mask == "ALL"
	return syn && want == "SYN" || !syn && (want == "NONE" || len(c) == 0)
}

// rate judges limits for somebody who comes once and is on no list: what stops
// the excess does not stop him, and what stops those who came too often or are
// listed does not either.
func (w *walk) rate(word string, r *fact.Rule) truth {
	switch word {
	case "listed", "limit over", "hashlimit above", "connlimit above", "recent update", "recent rcheck", "recent remove":
		if w.stops(r, 0) {
			return no
		}
	case "connlimit upto":
		if r.Verdict == "accept" {
			return sureYes
		}
	}
	return unsure
}

// stops reports whether a rule lets nobody in: it drops, or jumps to a chain of
// such rules.
func (w *walk) stops(r *fact.Rule, depth int) bool {
	switch r.Verdict {
	case "drop", "reject":
		return true
	case "return", "continue":
		return depth > 0
	case "jump", "goto":
		chain, ok := w.base.chains[r.Target]
		return ok && depth < 2 && len(chain) < 64 && !slices.ContainsFunc(chain, func(r *fact.Rule) bool { return !w.stops(r, depth+1) })
	}
	return false
}
