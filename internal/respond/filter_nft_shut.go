package respond

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"demine/internal/relate"
)

// The table of demine's own in nf_tables: a base chain that stands before all
// others, and one chain for each port that is shut.
//
//	table inet demine {
//		chain input {
//			type filter hook input priority raw; policy accept;
//			iifname "lo" accept
//			tcp dport 6380 jump tcp-6380
//		}
//		chain tcp-6380 {
//			iifname "docker*" accept
//			ip saddr 10.0.0.5 accept
//			counter drop
//		}
//	}
//
// A drop in any base chain is final, so that it holds whatever other tables,
// those of iptables-legacy too, let in. The state of a connection does not
// matter to it.
const (
	shutTable    = relate.ShutTable
	shutHook     = "input"
	shutPriority = -300 // raw
	nfAccept     = 1    // NF_ACCEPT
)

// door is the name of the chain of a port.
func (s Shut) door() string { return fmt.Sprintf("%s-%d", s.Proto, s.Port) }

// nftShut makes the batch after which exactly these ports are shut in a family.
// had names the chains that are there.
func nftShut(family string, had []string, shuts []Shut) []netlink.Message {
	b := nftBatch{family: family, table: shutTable}
	if len(shuts) == 0 {
		b.add(unix.NFT_MSG_DELTABLE, 0, textAttr(unix.NFTA_TABLE_NAME, b.table))
		return b.out
	}
	b.add(unix.NFT_MSG_NEWTABLE, netlink.Create, textAttr(unix.NFTA_TABLE_NAME, b.table))
	b.baseChain(shutHook, unix.NF_INET_LOCAL_IN, shutPriority)
	b.flush(shutHook)
	for _, name := range had {
		if name != shutHook {
			b.flush(name)
		}
	}
	wanted := map[string]bool{shutHook: true}
	for _, s := range shuts {
		wanted[s.door()] = true
		b.chain(s.door())
	}
	for _, name := range had {
		if !wanted[name] {
			b.deleteChain(name)
		}
	}
	b.rule(shutHook, "", append(iifname("lo"), verdict(expr.VerdictAccept, ""))...)
	for _, s := range shuts {
		b.shut(s)
	}
	return b.out
}

// nftBatch collects messages about a table of demine's own in one family.
type nftBatch struct {
	family, table string
	out           []netlink.Message
}

func (b *nftBatch) add(typ int, flags netlink.HeaderFlags, attrs ...[]byte) {
	b.out = append(b.out, nfMessage(typ, b.family, flags, bytes.Join(attrs, nil)))
}

func (b *nftBatch) chain(name string, attrs ...[]byte) {
	b.add(unix.NFT_MSG_NEWCHAIN, netlink.Create, append([][]byte{textAttr(unix.NFTA_CHAIN_TABLE, b.table), textAttr(unix.NFTA_CHAIN_NAME, name)}, attrs...)...)
}

// baseChain is one of type filter that lets pass what it does not decide.
func (b *nftBatch) baseChain(name string, hook uint32, priority int32) {
	b.chain(name, nest(unix.NFTA_CHAIN_HOOK, attr(unix.NFTA_HOOK_HOOKNUM, be32(hook)), attr(unix.NFTA_HOOK_PRIORITY, be32(uint32(priority)))),
		attr(unix.NFTA_CHAIN_POLICY, be32(nfAccept)), textAttr(unix.NFTA_CHAIN_TYPE, "filter"))
}

func (b *nftBatch) deleteChain(name string) {
	b.add(unix.NFT_MSG_DELCHAIN, 0, textAttr(unix.NFTA_CHAIN_TABLE, b.table), textAttr(unix.NFTA_CHAIN_NAME, name))
}

func (b *nftBatch) flush(name string) {
	b.add(unix.NFT_MSG_DELRULE, 0, textAttr(unix.NFTA_RULE_TABLE, b.table), textAttr(unix.NFTA_RULE_CHAIN, name))
}

func (b *nftBatch) shut(s Shut) {
	s = s.normal()
	b.rule(shutHook, "", append(dport(s.Proto, s.Port), verdict(expr.VerdictJump, s.door()))...)
	for _, i := range s.Interfaces {
		b.rule(s.door(), "", append(iifname(i), verdict(expr.VerdictAccept, ""))...)
	}
	for _, p := range s.Keep {
		if b.family == "inet" || b.family == familyOf(p) {
			b.rule(s.door(), "", append(saddr(b.family, p), verdict(expr.VerdictAccept, ""))...)
		}
	}
	b.rule(s.door(), "shut by demine", &expr.Counter{}, verdict(expr.VerdictDrop, ""))
}

func (b *nftBatch) rule(chain, comment string, exprs ...expr.Any) {
	b.add(unix.NFT_MSG_NEWRULE, netlink.Create|netlink.Append, textAttr(unix.NFTA_RULE_TABLE, b.table),
		textAttr(unix.NFTA_RULE_CHAIN, chain), ruleBody(b.family, comment, exprs))
}

// ruleBody is what a rule says, as attributes.
func ruleBody(family, comment string, exprs []expr.Any) []byte {
	var list []byte
	for _, e := range exprs {
		raw, err := expr.Marshal(familyNumbers[family], e)
		if err != nil {
			panic("respond: " + err.Error()) // an expression of ours
		}
		list = append(list, nest(unix.NFTA_LIST_ELEM, raw)...)
	}
	body := nest(unix.NFTA_RULE_EXPRESSIONS, list)
	if comment != "" {
		body = append(body, attr(unix.NFTA_RULE_USERDATA, userdata.AppendString(nil, userdata.TypeComment, comment))...)
	}
	return body
}

func familyOf(p netip.Prefix) string {
	if p.Addr().Is4() {
		return "ip"
	}
	return "ip6"
}

func verdict(k expr.VerdictKind, chain string) expr.Any { return &expr.Verdict{Kind: k, Chain: chain} }

func iifname(name string) []expr.Any {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	if p, ok := strings.CutSuffix(name, "*"); ok {
		b = []byte(p)
	}
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, equal(b)}
}

func dport(proto string, port int) []expr.Any {
	n := byte(unix.IPPROTO_TCP)
	if proto == "udp" {
		n = unix.IPPROTO_UDP
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{n}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}, equal([]byte{byte(port >> 8), byte(port)}),
	}
}

// saddr matches a source; offsets are those of struct iphdr and ipv6hdr.
func saddr(family string, p netip.Prefix) []expr.Any {
	var out []expr.Any
	v4 := p.Addr().Is4()
	if family == "inet" {
		n := familyNumbers[familyOf(p)]
		out = append(out, &expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal([]byte{n}))
	}
	if p.Bits() == 0 {
		return out
	}
	offset := uint32(8)
	if v4 {
		offset = 12
	}
	addr := p.Masked().Addr().AsSlice()
	out = append(out, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(addr))})
	if p.Bits() < len(addr)*8 {
		out = append(out, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: uint32(len(addr)), Mask: net.CIDRMask(p.Bits(), len(addr)*8), Xor: make([]byte, len(addr))})
	}
	return append(out, equal(addr))
}

func equal(b []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: b} }
