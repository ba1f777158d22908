package respond

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// leases reads the table as it is.
func (n *nfTables) leases() (t leases, err error) {
	err = n.settled(func() (err error) {
		t, err = n.tryLeases()
		return err
	})
	return t, err
}

func (n *nfTables) tryLeases() (t leases, err error) {
	table := textAttr(unix.NFTA_SET_TABLE, leaseTable)
	sets, err := n.ask(nfMessage(unix.NFT_MSG_GETSET, "inet", netlink.Dump, table))
	if errors.Is(err, unix.ENOENT) {
		return t, nil
	}
	if err != nil {
		return t, fmt.Errorf("sets of %s: %w", leaseTable, err)
	}
	t.there = true
	for _, m := range sets {
		a := attrsOf(m)
		if a.text(unix.NFTA_SET_TABLE) != leaseTable {
			continue
		}
		if err := t.elements(a.text(unix.NFTA_SET_NAME)); err != nil {
			return t, err
		}
	}
	cut := map[key]bool{}
	for _, a := range t.cut {
		cut[a.key()] = true
	}
	for i := range t.admissions {
		t.admissions[i].Cut = cut[t.admissions[i].key()]
	}
	return t, n.rules(&t)
}

// elements reads those of one set.
func (l *leases) elements(set string) error {
	name, cut := strings.CutPrefix(set, "cut_")
	f, ok := formOf(name)
	switch {
	case set == portSet:
		return eachElement(set, l.addService)
	case !ok:
		return nil
	}
	return eachElement(set, func(e attributes) {
		a, ok := admissionOf(f, e)
		switch {
		case ok && cut:
			a.Cut = true
			l.cut = append(l.cut, a)
		case ok:
			l.admissions = append(l.admissions, a)
		}
	})
}

func (l *leases) addService(e attributes) {
	if s, ok := serviceOf(cutAttrs(e.get(unix.NFTA_SET_ELEM_KEY)).get(unix.NFTA_DATA_VALUE)); ok {
		l.services = append(l.services, s)
	}
}

func eachElement(set string, f func(attributes)) error {
	all := nfMessage(unix.NFT_MSG_GETSETELEM, "inet", netlink.Dump,
		append(textAttr(unix.NFTA_SET_ELEM_LIST_TABLE, leaseTable), textAttr(unix.NFTA_SET_ELEM_LIST_SET, set)...))
	var list, one attributes // made once: there may be a thousand elements
	err := dump(unix.NETLINK_NETFILTER, all, func(body []byte) {
		list = appendAttrs(list[:0], cutAttrs(body[min(len(body), 4):]).get(unix.NFTA_SET_ELEM_LIST_ELEMENTS))
		for _, e := range list {
			one = appendAttrs(one[:0], e.data)
			f(one)
		}
	})
	if err != nil {
		return fmt.Errorf("elements of %s: %w", set, err)
	}
	return nil
}

// formOf reads the name of a set.
func formOf(name string) (f form, ok bool) {
	for _, f := range []form{{false, 32}, {true, 128}} {
		for ; f.bits >= 0; f.bits-- {
			if f.set("") == name {
				return f, true
			}
		}
	}
	return form{}, false
}

// rules reads from the chain which bit it sets, and its end.
func (n *nfTables) rules(t *leases) error {
	ms, err := n.ask(nfMessage(unix.NFT_MSG_GETRULE, "inet", netlink.Dump, textAttr(unix.NFTA_RULE_TABLE, leaseTable)))
	if err != nil {
		return fmt.Errorf("rules of %s: %w", leaseTable, err)
	}
	for _, m := range ms {
		a := attrsOf(m)
		if a.text(unix.NFTA_RULE_TABLE) != leaseTable {
			continue // older kernels give all
		}
		if a.text(unix.NFTA_RULE_CHAIN) == cutChain {
			t.cutting = true
			continue
		}
		exprs(a.get(unix.NFTA_RULE_EXPRESSIONS), func(name string, data []byte) { t.learn(name, cutAttrs(data)) })
	}
	return nil
}

// learn takes what setMark and after have written.
func (l *leases) learn(name string, a attributes) {
	switch name {
	case "bitwise":
		xor := cutAttrs(a.get(unix.NFTA_BITWISE_XOR)).get(unix.NFTA_DATA_VALUE)
		if len(xor) == 4 && oneBit(binary.NativeEndian.Uint32(xor)) {
			l.mark = binary.NativeEndian.Uint32(xor)
		}
	case "cmp":
		v := cutAttrs(a.get(unix.NFTA_CMP_DATA)).get(unix.NFTA_DATA_VALUE)
		if len(v) == 8 {
			l.until = time.Unix(0, int64(binary.BigEndian.Uint64(v)))
		}
	}
}
