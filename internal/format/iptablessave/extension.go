package iptablessave

import (
	"net/netip"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// begin notes a match by its name. Those whose options are all understood are
// judged by their options; the others are doubts from here on.
func (r *reader) begin() {
	switch r.match {
	case "tcp", "udp", "multiport", "comment", "conntrack", "state", "iprange", "addrtype", "hashlimit", "connlimit", "recent", "pkttype", "rpfilter", "mark":
		if r.match == "rpfilter" {
			xtables.Doubt(&r.rule, "rpfilter")
		}
	case "icmpv6":
		xtables.Doubt(&r.rule, "icmp6")
	default:
		xtables.Doubt(&r.rule, r.match)
	}
}

// extension is an option of the match or target that was named before, or of
// the protocol.
func (r *reader) extension(w string) {
	switch w {
	case "--sport", "--source-port":
		r.ports(xtables.NarrowSPort, ":")
	case "--dport", "--destination-port":
		r.ports(xtables.NarrowDPort, ":")
	case "--sports", "--source-ports":
		r.ports(xtables.NarrowSPort, ":")
	case "--dports", "--destination-ports":
		r.ports(xtables.NarrowDPort, ":")
	case "--ports":
		r.value()
		xtables.Doubt(&r.rule, "multiport --ports")
	case "--syn":
		xtables.Doubt(&r.rule, xtables.FlagsWord(0x17, 0x02, r.not))
	case "--tcp-flags":
		r.flags()
	case "--ctstate", "--state":
		r.states()
	case "--comment":
		r.rule.Comment = r.value()
	case "--src-range":
		r.addrRange(xtables.NarrowSrc)
	case "--dst-range":
		r.addrRange(xtables.NarrowDst)
	case "--src-type", "--dst-type":
		r.addrType(w[2:5])
	case "--ctorigdstport":
		mark := map[bool]string{true: "! "}[r.not]
		xtables.Doubt(&r.rule, "conntrack "+mark+w+" "+r.value())
	case "--ctdir":
		xtables.Doubt(&r.rule, "conntrack "+w+" "+strings.ToUpper(r.value()))
	case "--to-destination":
		r.rule.NatTo = xtables.NatTo(r.value())
	case "--to-ports":
		r.rule.NatTo = xtables.NatTo(":" + r.value())
	case "--notrack":
		r.rule.Target = "NOTRACK"
	default:
		if !r.mark(w) {
			r.rest(w)
		}
	}
}

// rest are options whose values do not matter, or that are not known: the
// words up to the next option belong to them.
func (r *reader) rest(w string) {
	not := r.not
	var args []string
	for len(r.words) > 0 && r.words[0] != "!" && !strings.HasPrefix(r.words[0], "-") {
		args = append(args, r.next())
	}
	mark := ""
	if not {
		mark = "! "
	}
	switch {
	case r.match == "-j" || r.match == "limit" || w == "--limit-iface-in" || w == "--limit-iface-out":
	case w == "--hashlimit-upto" || w == "--hashlimit":
		xtables.Doubt(&r.rule, map[bool]string{false: "hashlimit upto", true: "hashlimit above"}[not])
	case w == "--hashlimit-above":
		xtables.Doubt(&r.rule, "hashlimit above")
	case w == "--connlimit-above" || w == "--connlimit-upto":
		xtables.Doubt(&r.rule, map[bool]string{false: "connlimit above", true: "connlimit upto"}[(w == "--connlimit-upto") != not])
	case strings.HasPrefix(w, "--hashlimit-") || strings.HasPrefix(w, "--connlimit-"):
	case r.match == "recent":
		r.recent(w, mark)
	case r.match == "pkttype" && w == "--pkt-type" && len(args) == 1:
		xtables.Doubt(&r.rule, "pkttype "+mark+w+" "+args[0])
	case r.match == "rpfilter":
		if w == "--invert" {
			r.rule.Unknown = slices.DeleteFunc(r.rule.Unknown, func(s string) bool { return s == "rpfilter" })
			xtables.Doubt(&r.rule, "rpfilter --invert")
		}
	case w == "--icmp-type" || w == "--icmpv6-type":
		xtables.Doubt(&r.rule, map[bool]string{true: "icmp", false: "icmp6"}[w == "--icmp-type"])
	case w == "--tcp-option":
		xtables.Doubt(&r.rule, "tcp --tcp-option")
	default:
		word := r.match
		if word == "" {
			word = w
		}
		xtables.Doubt(&r.rule, word)
	}
}

func (r *reader) recent(w, mark string) {
	switch w {
	case "--rcheck", "--update", "--remove":
		xtables.Doubt(&r.rule, "recent "+mark+w[2:])
	case "--set":
		if mark != "" {
			xtables.Doubt(&r.rule, "recent ! set")
		}
	}
}

func (r *reader) ports(narrow func(*fact.Rule, []fact.PortRange, bool), sep string) {
	var out []fact.PortRange
	for _, s := range strings.Split(r.value(), ",") {
		p, ok := xtables.Ports(s, sep)
		if !ok {
			xtables.Doubt(&r.rule, "port "+s)
			return
		}
		out = append(out, p)
	}
	narrow(&r.rule, out, r.not)
}

func (r *reader) flags() {
	mask, want := r.value(), ""
	if len(r.words) > 0 {
		want = r.next()
	}
	m, ok1 := flagBits(mask)
	c, ok2 := flagBits(want)
	if !ok1 || !ok2 {
		xtables.Doubt(&r.rule, "tcp --tcp-flags")
		return
	}
	xtables.Doubt(&r.rule, xtables.FlagsWord(m, c, r.not))
}

func flagBits(s string) (b byte, ok bool) {
	for _, w := range strings.Split(s, ",") {
		i := slices.Index([]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"}, strings.ToUpper(w))
		switch {
		case i >= 0:
			b |= 1 << i
		case w == "ALL":
			b |= 0x3f
		case w != "NONE":
			return 0, false
		}
	}
	return b, true
}

func (r *reader) states() {
	var words []string
	for _, s := range strings.Split(r.value(), ",") {
		s = strings.ToLower(s)
		if !slices.Contains(xtables.States, s) {
			xtables.Doubt(&r.rule, "conntrack")
			continue
		}
		words = append(words, s)
	}
	if len(words) > 0 {
		xtables.NarrowState(&r.rule, words, r.not)
	}
}

func (r *reader) addrRange(narrow func(*fact.Rule, []netip.Prefix, bool)) {
	from, to, isRange := strings.Cut(r.value(), "-")
	if !isRange {
		to = from
	}
	a, err1 := netip.ParseAddr(from)
	z, err2 := netip.ParseAddr(to)
	p := xtables.Prefixes(a, z)
	if err1 != nil || err2 != nil || p == nil {
		xtables.Doubt(&r.rule, "iprange")
		return
	}
	narrow(&r.rule, p, r.not)
}

func (r *reader) addrType(side string) {
	types := r.value()
	xtables.AddrType(&r.rule, side, strings.ToUpper(types), r.not)
}
