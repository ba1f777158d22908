package xtables

import (
	"fmt"
	"net/netip"

	"demine/internal/fact"
)

// Target sets the verdict of r from a target that has a name, and adds
// "-j NAME" with what is understood of its options to r.Text. data is the
// target's own structure.
func Target(name string, rev uint8, data []byte, r *fact.Rule) {
	r.Verdict = TargetVerdict(name)
	switch r.Verdict {
	case "drop", "reject", "accept":
	default:
		r.Target = name
	}
	say(r, "-j %s", name)
	if name == "NETMAP" || name == "TPROXY" {
		r.NatTo.Unclear = true
	}
	if f, ok := targets[name]; ok {
		f(rev, data, r)
	}
}

// TargetVerdict is the verdict of fact.Rule for the target of that name.
// Targets that let the packet go on to the next rule are "continue"; those that
// are not known are "other".
func TargetVerdict(name string) string {
	switch name {
	case "ACCEPT":
		return "accept"
	case "DROP", "TARPIT", "DELUDE", "STEAL", "CHAOS":
		return "drop"
	case "REJECT":
		return "reject"
	case "RETURN":
		return "return"
	case "DNAT", "NETMAP", "TPROXY":
		return "dnat"
	case "REDIRECT":
		return "redirect"
	case "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "CT", "NOTRACK", "TCPMSS", "CHECKSUM", "AUDIT", "CLASSIFY",
		"DSCP", "TOS", "TTL", "HL", "ECN", "SECMARK", "CONNSECMARK", "IDLETIMER", "RATEEST", "TEE", "TRACE", "LED", "SET",
		"HMARK", "ACCOUNT", "TCPOPTSTRIP":
		return "continue"
	}
	return "other"
}

var targets = map[string]func(rev uint8, b []byte, r *fact.Rule){
	"REJECT":     reject,
	"LOG":        logTarget,
	"NFLOG":      nflog,
	"DNAT":       natTarget("--to-destination"),
	"SNAT":       natTarget("--to-source"),
	"REDIRECT":   natTarget("--to-ports"),
	"MASQUERADE": natTarget("--to-ports"),
	"MARK":       mark,
	"CONNMARK":   connmark,
	"HMARK":      unclearMark,
	"SET":        setTarget,
	"CT":         ct,
}

// The names of enum ipt_reject_with and ip6t_reject_with.
var (
	reject4 = []string{"icmp-net-unreachable", "icmp-host-unreachable", "icmp-proto-unreachable", "icmp-port-unreachable",
		"echo-reply", "icmp-net-prohibited", "icmp-host-prohibited", "tcp-reset", "icmp-admin-prohibited"}
	reject6 = []string{"icmp6-no-route", "icmp6-adm-prohibited", "icmp6-not-neighbour", "icmp6-addr-unreachable",
		"icmp6-port-unreachable", "echo-reply", "tcp-reset", "icmp6-policy-fail", "icmp6-reject-route"}
)

// reject reads struct ipt_reject_info. The target does not say its family: an
// address in the rule may; else the port-unreachable of IPv4 is number 3 and
// that of IPv6 number 4, which IPv4 does not use.
func reject(_ uint8, b []byte, r *fact.Rule) {
	if len(b) < 4 {
		return
	}
	names, n := reject4, order.Uint32(b)
	if n == 4 || r.Proto == "icmpv6" || isV6(r.Src) || isV6(r.Dst) {
		names = reject6
	}
	if int64(n) < int64(len(names)) {
		say(r, "--reject-with %s", names[n])
	}
}

func isV6(p []netip.Prefix) bool { return len(p) > 0 && p[0].Addr().Is6() }

// logTarget reads struct xt_log_info.
func logTarget(_ uint8, b []byte, r *fact.Rule) {
	if len(b) < 32 {
		return
	}
	if s := cString(b[2:32]); s != "" {
		say(r, "--log-prefix %s", Quote(fact.Text([]byte(s))))
	}
	if b[0] != 4 {
		say(r, "--log-level %d", b[0])
	}
	for i, n := range []string{"--log-tcp-sequence", "--log-tcp-options", "--log-ip-options", "--log-uid", "", "--log-macdecode"} {
		if n != "" && b[1]&(1<<i) != 0 {
			say(r, "%s", n)
		}
	}
}

// nflog reads struct xt_nflog_info.
func nflog(_ uint8, b []byte, r *fact.Rule) {
	if len(b) < 76 {
		return
	}
	if s := cString(b[12:76]); s != "" {
		say(r, "--nflog-prefix %s", Quote(fact.Text([]byte(s))))
	}
	if g := order.Uint16(b[4:]); g != 0 {
		say(r, "--nflog-group %d", g)
	}
}

// ct reads the first word of struct xt_ct_target_info: bit 0 is XT_CT_NOTRACK.
func ct(_ uint8, b []byte, r *fact.Rule) {
	if len(b) >= 2 && order.Uint16(b)&1 != 0 {
		r.Target = "NOTRACK"
		say(r, "--notrack")
	}
}

// natTarget reads struct nf_nat_ipv4_multi_range_compat (revision 0 in IPv4),
// nf_nat_range (DNAT revision 1, and IPv6) and nf_nat_range2 (DNAT revision 2).
func natTarget(option string) func(uint8, []byte, *fact.Rule) {
	return func(rev uint8, b []byte, r *fact.Rule) {
		n, ok := natRange(rev, b)
		if r.Verdict != "other" {
			r.NatTo = n.where()
			r.NatTo.Unclear = !ok
		}
		if !ok {
			return
		}
		if s := n.text(option == "--to-ports"); s != "" {
			say(r, "%s %s", option, s)
		}
		if n.flags&4 != 0 {
			say(r, "--random")
		}
		if n.flags&8 != 0 {
			say(r, "--persistent")
		}
	}
}

type nat struct {
	flags    uint32
	min, max netip.Addr
	from, to uint16
}

func natRange(rev uint8, b []byte) (n nat, ok bool) {
	var lo, hi []byte
	switch {
	case rev == 0 && len(b) >= 20 && len(b) < 40: // the compat one has a count first
		lo, hi = b[8:12], b[12:16]
		n.flags, n.from, n.to = order.Uint32(b[4:]), be16(b[16:]), be16(b[18:])
	case len(b) >= 40:
		size := 4
		if anySet(b[8:20]) || anySet(b[24:36]) {
			size = 16
		}
		lo, hi = b[4:4+size], b[20:20+size]
		n.flags, n.from, n.to = order.Uint32(b), be16(b[36:]), be16(b[38:])
	default:
		return n, false
	}
	n.min, _ = netip.AddrFromSlice(lo)
	n.max, _ = netip.AddrFromSlice(hi)
	return n, true
}

// where is where the range sends: NF_NAT_RANGE_MAP_IPS is flag 1,
// NF_NAT_RANGE_PROTO_SPECIFIED flag 2.
func (n nat) where() (to fact.NatTo) {
	if n.flags&1 != 0 {
		to.Addr, to.Last = n.min, n.max
	}
	if n.flags&2 != 0 {
		to.Port = fact.PortRange{From: n.from, To: max(n.from, n.to)}
	}
	to.Unclear = n.flags&^uint32(1|2|4|8|16) != 0
	return to
}

func be16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }

func (n nat) text(portsOnly bool) string {
	s := ""
	if n.flags&1 != 0 && !portsOnly {
		s = n.min.String()
		if n.min.Is6() && n.flags&2 != 0 {
			s = "[" + s + "]"
		}
		if n.max != n.min {
			s += "-" + n.max.String()
		}
	}
	if n.flags&2 != 0 {
		if !portsOnly {
			s += ":"
		}
		s += fmt.Sprint(n.from)
		if n.to != n.from {
			s += fmt.Sprintf("-%d", n.to)
		}
	}
	return s
}
