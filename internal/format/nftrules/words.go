package nftrules

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// verdict is a verdict of the kernel's numbers in the words of fact.Rule.
type verdict struct{ word, chain string }

// verdictOf reads a nest of NFTA_VERDICT_CODE and NFTA_VERDICT_CHAIN.
func verdictOf(t table) (verdict, bool) {
	if len(t[1]) != 4 {
		return verdict{}, false
	}
	switch code := int32(t.u32(1)); code {
	case 0:
		return verdict{"drop", ""}, true
	case 1:
		return verdict{"accept", ""}, true
	case -1, -2:
		return verdict{"continue", ""}, true
	case -3:
		return verdict{"jump", t.str(2)}, true
	case -4:
		return verdict{"goto", t.str(2)}, true
	case -5:
		return verdict{"return", ""}, true
	default:
		if code&0xff == 3 {
			return verdict{"other", "queue"}, true
		}
	}
	return verdict{"other", ""}, true
}

// nft and ipt are the verdict in the two syntaxes.
func (v verdict) nft() string { return strings.TrimSpace(v.word + " " + v.chain) }

func (v verdict) ipt() string {
	switch v.word {
	case "jump":
		return "-j " + v.chain
	case "goto":
		return "-g " + v.chain
	case "continue":
		return ""
	}
	return "-j " + strings.ToUpper(v.word)
}

// stateBits are NF_CT_STATE_BIT of the kernel, the same as in xt_conntrack.
var stateBits = []struct {
	bit  uint32
	name string
}{{1, "invalid"}, {2, "established"}, {4, "related"}, {8, "new"}, {64, "untracked"}}

// stateWords names the bits of a mask; false when one has no name.
func stateWords(mask uint32) (words []string, ok bool) {
	for _, s := range stateBits {
		if mask&s.bit != 0 {
			words = append(words, s.name)
			mask &^= s.bit
		}
	}
	return words, mask == 0
}

// typeWords are the types of addresses, RTN_*, by number.
var typeWords = []string{"UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT"}

var pktWords = []string{"unicast", "broadcast", "multicast"}

// spansText writes the right side of a condition: one value, a range, or a set.
func (v value) spansText(in []span, set bool, name func(uint32) string) string {
	var s []string
	for i, x := range in {
		if i == 16 {
			s = append(s, "…")
			break
		}
		s = append(s, v.spanText(x, name))
	}
	if set {
		return "{ " + strings.Join(s, ", ") + " }"
	}
	return strings.Join(s, ", ")
}

func (v value) spanText(x span, name func(uint32) string) string {
	from, to := v.word(x.from, name), v.word(x.to, name)
	if from == to {
		return from
	}
	if v.kind == saddr || v.kind == daddr {
		a, ok := addr(x.from, v.v6, 0)
		z, ok2 := addr(x.to, v.v6, 0xff)
		if p := xtables.Prefixes(a, z); ok && ok2 && len(p) == 1 {
			return prefixText(p[0])
		}
	}
	return from + "-" + to
}

func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// word writes one value of the field.
func (v value) word(b []byte, name func(uint32) string) string {
	switch v.kind {
	case saddr, daddr:
		if a, ok := addr(b, v.v6, 0); ok {
			if len(b) < a.BitLen()/8 {
				return netip.PrefixFrom(a, len(b)*8).String()
			}
			return a.String()
		}
	case sport, dport:
		if len(b) == 2 {
			return fmt.Sprint(be16(b))
		}
	case l4proto:
		if len(b) == 1 {
			return protoWord(b[0])
		}
	case nfproto, etherType:
		if f := familyOf(b); f != "" {
			return map[string]string{"ip": "ipv4", "ip6": "ipv6"}[f]
		}
	case iifname, oifname:
		return strconv.Quote(strings.Replace(ifaceName(b), "+", "*", 1))
	case iif, oif, ctState, fibType:
		if len(b) == 4 {
			return v.number(binary.NativeEndian.Uint32(b), name)
		}
	case pktType:
		if len(b) == 1 && int(b[0]) < len(pktWords) {
			return strings.Replace(pktWords[b[0]], "unicast", "host", 1)
		}
	}
	switch len(b) {
	case 1:
		return fmt.Sprint(b[0])
	case 4:
		return fmt.Sprintf("0x%08x", binary.NativeEndian.Uint32(b))
	}
	return fmt.Sprintf("0x%x", b)
}

// number writes a value that is a number in the host's order.
func (v value) number(n uint32, name func(uint32) string) string {
	switch v.kind {
	case ctState:
		if w, ok := stateWords(n); ok && n != 0 {
			return strings.Join(w, ",")
		}
	case fibType:
		if n < uint32(len(typeWords)) {
			return strings.ToLower(typeWords[n])
		}
	default:
		if s := name(n); s != "" {
			return strconv.Quote(s)
		}
	}
	return fmt.Sprint(n)
}

func protoWord(n byte) string {
	if p := xtables.Proto(fmt.Sprint(n)); p != "" {
		return p
	}
	return "0"
}

// familyOf reads NFPROTO_* in one byte or an ethernet type in two.
func familyOf(b []byte) string {
	switch {
	case len(b) == 1 && b[0] == 2, len(b) == 2 && be16(b) == 0x0800:
		return "ip"
	case len(b) == 1 && b[0] == 10, len(b) == 2 && be16(b) == 0x86dd:
		return "ip6"
	}
	return ""
}

// ifaceName reads a name; one that does not end in NUL is a prefix, unless it
// fills all 16 bytes.
func ifaceName(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return fact.Text(b[:i])
		}
	}
	if len(b) < 16 {
		return fact.Text(b) + "+"
	}
	return fact.Text(b)
}
