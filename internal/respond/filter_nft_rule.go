package respond

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// message is one request of a batch.
type message = netlink.Message

// imageNFT adds to an image the bytes of the rule and of its anonymous sets.
func imageNFT(r RuleAt, i *RuleImage) error {
	n, err := openNFTables()
	if err != nil {
		return err
	}
	defer n.close()
	rule, err := n.rule(r, i.Handle)
	if err != nil {
		return err
	}
	i.Bytes = rule.only(unix.NFTA_RULE_EXPRESSIONS, unix.NFTA_RULE_USERDATA)
	for _, name := range lookups(rule.get(unix.NFTA_RULE_EXPRESSIONS)) {
		s, err := n.anonymousSet(r, name)
		if err != nil {
			return fmt.Errorf("set %s of the rule: %w", name, err)
		}
		if s != nil {
			i.Sets = append(i.Sets, *s)
		}
	}
	return nil
}

// rule asks for one rule. Older kernels give all rules of all tables.
func (n *nfTables) rule(r RuleAt, handle uint64) (attributes, error) {
	ms, err := n.ask(nfMessage(unix.NFT_MSG_GETRULE, r.Family, netlink.Dump,
		append(textAttr(unix.NFTA_RULE_TABLE, r.Table), textAttr(unix.NFTA_RULE_CHAIN, r.Chain)...)))
	if err != nil {
		return nil, err
	}
	for _, m := range ms {
		a := attrsOf(m)
		h := a.get(unix.NFTA_RULE_HANDLE)
		if len(h) == 8 && binary.BigEndian.Uint64(h) == handle && a.text(unix.NFTA_RULE_TABLE) == r.Table && a.text(unix.NFTA_RULE_CHAIN) == r.Chain {
			return a, nil
		}
	}
	return nil, ErrGone
}

// exprs calls f with name and data of each expression of a rule.
func exprs(list []byte, f func(name string, data []byte)) {
	for _, e := range cutAttrs(list) {
		a := cutAttrs(e.data)
		f(a.text(unix.NFTA_EXPR_NAME), a.get(unix.NFTA_EXPR_DATA))
	}
}

// lookups names the sets that a rule looks into.
func lookups(list []byte) (out []string) {
	exprs(list, func(name string, data []byte) {
		if name == "lookup" {
			out = append(out, cutAttrs(data).text(unix.NFTA_LOOKUP_SET))
		}
	})
	return out
}

// anonymousSet is the image of a set that belongs to one rule only; nil when it
// has a name of its own.
func (n *nfTables) anonymousSet(r RuleAt, name string) (*SetImage, error) {
	id := append(textAttr(unix.NFTA_SET_TABLE, r.Table), textAttr(unix.NFTA_SET_NAME, name)...)
	ms, err := n.ask(nfMessage(unix.NFT_MSG_GETSET, r.Family, 0, id))
	if err != nil {
		return nil, err
	}
	if len(ms) == 0 {
		return nil, ErrGone
	}
	a := attrsOf(ms[0])
	if flags := a.get(unix.NFTA_SET_FLAGS); len(flags) != 4 || binary.BigEndian.Uint32(flags)&unix.NFT_SET_ANONYMOUS == 0 {
		return nil, nil
	}
	s := &SetImage{Name: name, Bytes: a.only(unix.NFTA_SET_FLAGS, unix.NFTA_SET_KEY_TYPE, unix.NFTA_SET_KEY_LEN, unix.NFTA_SET_DATA_TYPE,
		unix.NFTA_SET_DATA_LEN, unix.NFTA_SET_POLICY, unix.NFTA_SET_DESC, unix.NFTA_SET_USERDATA)}
	id = append(textAttr(unix.NFTA_SET_ELEM_LIST_TABLE, r.Table), textAttr(unix.NFTA_SET_ELEM_LIST_SET, name)...)
	ms, err = n.ask(nfMessage(unix.NFT_MSG_GETSETELEM, r.Family, netlink.Dump, id))
	if err != nil {
		return nil, err
	}
	for _, m := range ms {
		if e := attrsOf(m).only(unix.NFTA_SET_ELEM_LIST_ELEMENTS); e != nil {
			s.Elements = append(s.Elements, e)
		}
	}
	return s, nil
}

func deleteNFT(r RuleAt, handle uint64) message {
	return nfMessage(unix.NFT_MSG_DELRULE, r.Family, 0, bytes.Join([][]byte{textAttr(unix.NFTA_RULE_TABLE, r.Table),
		textAttr(unix.NFTA_RULE_CHAIN, r.Chain), attr(unix.NFTA_RULE_HANDLE, be64(handle))}, nil))
}

// insertNFT makes the rule of an image, and its sets, the n-th of a chain.
func insertNFT(r RuleAt, i RuleImage, rules []fact.Rule, n int) []message {
	var out []message
	ids := map[string]uint32{}
	for k, s := range i.Sets {
		ids[s.Name] = uint32(k + 1)
		out = append(out, makeSet(r, s, ids[s.Name])...)
	}
	flags := netlink.Create
	attrs := [][]byte{textAttr(unix.NFTA_RULE_TABLE, r.Table), textAttr(unix.NFTA_RULE_CHAIN, r.Chain)}
	if n > 1 { // behind the one before; else in front of all
		attrs = append(attrs, attr(unix.NFTA_RULE_POSITION, be64(rules[n-2].Handle)))
		flags |= netlink.Append
	}
	for _, a := range cutAttrs(i.Bytes) {
		if a.typ == unix.NFTA_RULE_EXPRESSIONS {
			attrs = append(attrs, nest(a.typ, withSets(a.data, ids)), compat(a.data))
		} else {
			attrs = append(attrs, attr(a.typ, a.data))
		}
	}
	return append(out, nfMessage(unix.NFT_MSG_NEWRULE, r.Family, flags, bytes.Join(attrs, nil)))
}

// newSetName asks the kernel to number an anonymous set. Within the batch it is
// known by its id.
const newSetName = "__set%d"

func makeSet(r RuleAt, s SetImage, id uint32) []message {
	name := newSetName
	if strings.HasPrefix(s.Name, "__map") {
		name = "__map%d"
	}
	out := []message{nfMessage(unix.NFT_MSG_NEWSET, r.Family, netlink.Create, bytes.Join([][]byte{textAttr(unix.NFTA_SET_TABLE, r.Table),
		textAttr(unix.NFTA_SET_NAME, name), attr(unix.NFTA_SET_ID, be32(id)), s.Bytes}, nil))}
	for _, e := range s.Elements {
		out = append(out, nfMessage(unix.NFT_MSG_NEWSETELEM, r.Family, netlink.Create, bytes.Join([][]byte{textAttr(unix.NFTA_SET_ELEM_LIST_TABLE, r.Table),
			textAttr(unix.NFTA_SET_ELEM_LIST_SET, name), attr(unix.NFTA_SET_ELEM_LIST_SET_ID, be32(id)), e}, nil)))
	}
	return out
}

// withSets is a list of expressions that look into the sets of this batch
// instead of those that went with the rule.
func withSets(list []byte, ids map[string]uint32) []byte {
	var out []byte
	for _, e := range cutAttrs(list) {
		a := cutAttrs(e.data)
		data := a.get(unix.NFTA_EXPR_DATA)
		l := cutAttrs(data)
		id, ours := ids[l.text(unix.NFTA_LOOKUP_SET)]
		if a.text(unix.NFTA_EXPR_NAME) != "lookup" || !ours {
			out = append(out, nest(unix.NFTA_LIST_ELEM, e.data)...)
			continue
		}
		rest := l.only(unix.NFTA_LOOKUP_SREG, unix.NFTA_LOOKUP_DREG, unix.NFTA_LOOKUP_FLAGS)
		out = append(out, nest(unix.NFTA_LIST_ELEM, textAttr(unix.NFTA_EXPR_NAME, "lookup"),
			nest(unix.NFTA_EXPR_DATA, textAttr(unix.NFTA_LOOKUP_SET, newSetName), attr(unix.NFTA_LOOKUP_SET_ID, be32(id)), rest))...)
	}
	return out
}

// compat is what the matches and targets of xtables within a rule need to know
// of its protocol: the kernel takes it with a rule and does not give it back. It
// is empty for a rule without any.
func compat(list []byte) []byte {
	xt, proto, inverted, loaded := false, uint32(0), false, false
	exprs(list, func(name string, data []byte) {
		a := cutAttrs(data)
		switch name {
		case "match", "target":
			xt = true
		case "meta", "payload":
			loaded = loadsProto(name, a)
		case "cmp":
			v := cutAttrs(a.get(unix.NFTA_CMP_DATA)).get(unix.NFTA_DATA_VALUE)
			op := a.get(unix.NFTA_CMP_OP)
			if loaded && len(v) >= 1 && len(op) == 4 {
				proto, inverted = uint32(v[0]), binary.BigEndian.Uint32(op) == unix.NFT_CMP_NEQ
			}
			loaded = false
		}
	})
	if !xt {
		return nil
	}
	flags := uint32(0)
	if inverted {
		flags = unix.NFT_RULE_COMPAT_F_INV
	}
	return nest(unix.NFTA_RULE_COMPAT, attr(unix.NFTA_RULE_COMPAT_PROTO, be32(proto)), attr(unix.NFTA_RULE_COMPAT_FLAGS, be32(flags)))
}

// loadsProto reports whether an expression loads the transport protocol: meta
// l4proto, or the byte of struct iphdr or ipv6hdr.
func loadsProto(name string, a attributes) bool {
	num := func(typ uint16) uint32 {
		if v := a.get(typ); len(v) == 4 {
			return binary.BigEndian.Uint32(v)
		}
		return 1 << 31
	}
	if name == "meta" {
		return num(unix.NFTA_META_KEY) == unix.NFT_META_L4PROTO
	}
	return num(unix.NFTA_PAYLOAD_BASE) == unix.NFT_PAYLOAD_NETWORK_HEADER && num(unix.NFTA_PAYLOAD_LEN) == 1 &&
		(num(unix.NFTA_PAYLOAD_OFFSET) == 9 || num(unix.NFTA_PAYLOAD_OFFSET) == 6)
}
