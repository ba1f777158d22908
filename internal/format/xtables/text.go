package xtables

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"demine/internal/fact"
)

// maxText is about how long the text of a rule gets.
const maxText = 4096

// say appends words to the text of r, unless it is too long already.
func say(r *fact.Rule, format string, args ...any) {
	if len(r.Text) > maxText {
		return
	}
	if r.Text != "" {
		r.Text += " "
	}
	r.Text += fmt.Sprintf(format, args...)
}

// Quote writes s as iptables-save does: bare when it is one plain word.
func Quote(s string) string {
	plain := s != ""
	for _, c := range []byte(s) {
		if !(c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
			plain = false
		}
	}
	if plain {
		return s
	}
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, `'`, `\'`).Replace(s) + `"`
}

// Head is the beginning of a rule in the syntax of iptables-save, from the
// conditions that every entry has: "-A INPUT -s 10.0.0.0/8 -i eth0 -p tcp".
func Head(chain string, r *fact.Rule) string {
	var b strings.Builder
	b.WriteString("-A " + chain)
	word := func(not bool, opt, val string) {
		if val == "" {
			return
		}
		if not {
			b.WriteString(" !")
		}
		b.WriteString(" " + opt + " " + val)
	}
	word(r.NotSrc, "-s", joinPrefixes(r.Src))
	word(r.NotDst, "-d", joinPrefixes(r.Dst))
	word(r.NotIn, "-i", r.In)
	word(r.NotOut, "-o", r.Out)
	word(r.NotProto, "-p", protoText(r.Proto))
	return b.String()
}

func joinPrefixes(p []netip.Prefix) string {
	s := make([]string, 0, len(p))
	for _, x := range p {
		if x.Bits() > 0 || len(p) > 1 {
			s = append(s, x.String())
		}
	}
	return strings.Join(s, ",")
}

// protoText is the name that iptables-save gives to a protocol.
func protoText(p string) string {
	if p == "icmpv6" {
		return "ipv6-icmp"
	}
	for _, n := range []string{"igmp", "gre", "esp", "ah", "ospf", "ipv6", "ipencap", "vrrp", "sctp", "udplite", "dccp"} {
		if protoNumbers[n] == p {
			return n
		}
	}
	return p
}

func bang(not bool) string {
	if not {
		return "! "
	}
	return ""
}

func portText(p fact.PortRange) string {
	if p.From == p.To {
		return strconv.Itoa(int(p.From))
	}
	return fmt.Sprintf("%d:%d", p.From, p.To)
}

// PortsText is "--dport 80:90", or the "multiport" form for several.
func portsText(p []fact.PortRange) string {
	s := make([]string, len(p))
	for i, x := range p {
		s[i] = portText(x)
	}
	return strings.Join(s, ",")
}

// FlagsText names TCP flags as iptables does ("FIN,SYN", "NONE").
func FlagsText(b byte) string {
	var s []string
	for i, n := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"} {
		if b&(1<<i) != 0 {
			s = append(s, n)
		}
	}
	if len(s) == 0 {
		return "NONE"
	}
	return strings.Join(s, ",")
}

// FlagsWord is the doubt that stands for a condition on TCP flags; the
// evaluator knows which of them the first packet of a connection meets.
func FlagsWord(mask, want byte, not bool) string {
	return "tcp " + bang(not) + "--tcp-flags " + FlagsText(mask) + " " + FlagsText(want)
}
