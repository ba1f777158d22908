// Package nftrules reads nftables as the kernel gives it: the messages of the
// nf_tables subsystem of nfnetlink (linux/netfilter/nf_tables.h,
// linux/netfilter/nfnetlink.h), which are tables, chains, rules, sets and the
// elements of sets, and turns them into rulesets. A rule is a program of small
// expressions on registers; the package runs it symbolically and keeps what the
// fields of fact.Rule can say. Every expression that it does not know becomes a
// doubt of its rule, never nothing.
package nftrules

import (
	"bytes"
	"errors"
	"fmt"

	"demine/internal/fact"
)

// ErrMalformed says that a message is not what the kernel's headers promise.
var ErrMalformed = errors.New("malformed nf_tables message")

// Message types of nf_tables (the low byte of nlmsg_type).
const (
	NewTable, GetTable     = 0, 1
	NewChain, GetChain     = 3, 4
	NewRule, GetRule       = 6, 7
	NewSet, GetSet         = 9, 10
	NewSetElem, GetSetElem = 12, 13
)

// Caps of what is kept; more makes Add answer ErrTooMuch.
const (
	MaxRules    = 100_000
	MaxElements = 200_000
	maxParts    = 200_000 // of all rules together
	maxSpans    = 4096    // of one condition
)

// ErrTooMuch says that a cap was reached and the rest is left out.
var ErrTooMuch = errors.New("more than demine reads")

// families are the numbers NFPROTO_* of linux/netfilter.h.
var families = map[byte]string{1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}

// FamilyNumber is the NFPROTO_* of a family's name, 0 for one that is not known.
func FamilyNumber(name string) byte {
	for n, s := range families {
		if s == name {
			return n
		}
	}
	return 0
}

// Dump is what the kernel said, filled by Add message by message.
type Dump struct {
	tables   []tableMsg
	chains   []chainMsg
	rules    []ruleMsg
	sets     []*Set
	byName   map[[3]string]*Set
	elements int
	parts    int // prefixes and rules that sets and maps became
}

type tableMsg struct {
	family, name string
	dormant      bool
}

type chainMsg struct {
	family, table, name, kind, device string
	base                              bool
	hook                              uint32
	priority                          int32
	policy                            uint32
	hasPolicy                         bool
}

type ruleMsg struct {
	family, table, chain string
	handle               uint64
	exprs                []expression
	comment              string
}

type expression struct {
	name string
	at   table
}

// Set is a set or map of a table, as Sets gives it so that its elements can be
// asked for.
type Set struct {
	Family, Table, Name string
	RawTable, RawName   string // the bytes that the kernel wants back
	flags               uint32
	keyLen              int
	elements            []element
	cached              []hit // of hits
	cachedOK, isCached  bool
}

type element struct {
	key, keyEnd []byte
	flags       uint32
	verdict     table // of a verdict map
	own         own
}

// own is what an element of a set says of itself.
type own struct {
	comment        string
	left           int // seconds until it ends, at least 1; 0: it does not
	counter        bool
	packets, bytes uint64
}

// Flags of sets and elements, NFT_SET_* and NFT_SET_ELEM_*.
const (
	setAnonymous, setInterval     = 0x1, 0x4
	elemIntervalEnd, elemCatchall = 0x1, 0x2
	genmsg                        = 4 // struct nfgenmsg: family, version, resource
)

// Wanted reports whether the elements of s can matter to Rulesets.
func (s *Set) Wanted() bool { return s.Family == "ip" || s.Family == "ip6" || s.Family == "inet" }

// Sets are the sets seen so far; the caller asks the kernel for the elements of
// each.
func (d *Dump) Sets() []*Set { return d.sets }

// Add takes one message: its type (the low byte of nlmsg_type) and what follows
// struct nlmsghdr. It keeps no reference to b. Types that are not known are
// ignored.
func (d *Dump) Add(typ byte, b []byte) error {
	if len(b) < genmsg {
		return fmt.Errorf("%w: %d bytes", ErrMalformed, len(b))
	}
	family, t := families[b[0]], nest(bytes.Clone(b[genmsg:]))
	if family == "" {
		family = fmt.Sprint(b[0])
	}
	switch typ {
	case NewTable:
		d.tables = append(d.tables, tableMsg{family, t.str(1), t.u32(2)&1 != 0})
	case NewChain:
		d.addChain(family, t)
	case NewRule:
		return d.addRule(family, t)
	case NewSet:
		d.addSet(&Set{Family: family, Table: t.str(1), Name: t.str(2), RawTable: t.raw(1), RawName: t.raw(2), flags: t.u32(3), keyLen: int(min(t.u32(5), 64))})
	case NewSetElem:
		return d.addElements(family, t)
	}
	return nil
}

func (d *Dump) addChain(family string, t table) {
	c := chainMsg{family: family, table: t.str(1), name: t.str(3), kind: t.str(7)}
	if h, ok := t[4]; ok {
		hook := nest(h)
		c.base, c.hook, c.priority, c.device = true, hook.u32(1), int32(hook.u32(2)), hook.str(3)
	}
	if _, ok := t[5]; ok {
		c.hasPolicy, c.policy = true, t.u32(5)
	}
	d.chains = append(d.chains, c)
}

func (d *Dump) addRule(family string, t table) error {
	if len(d.rules) >= MaxRules {
		return ErrTooMuch
	}
	r := ruleMsg{family: family, table: t.str(1), chain: t.str(2), handle: t.u64(3), comment: userComment(t[7])}
	r.exprs = expressions(t[4])
	d.rules = append(d.rules, r)
	return nil
}

// expressions reads a list of NFTA_LIST_ELEM nests of name and data.
func expressions(b []byte) (out []expression) {
	for _, e := range attrs(b) {
		t := nest(e)
		out = append(out, expression{t.str(1), nest(t[2])})
	}
	return out
}

// userComment finds the comment in the user data of libnftnl: type and length
// of one byte each, type 0 is the comment.
func userComment(b []byte) string {
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		if b[0] == 0 {
			return table{0: b[2 : 2+int(b[1])]}.str(0)
		}
		b = b[2+int(b[1]):]
	}
	return ""
}

func (d *Dump) addElements(family string, t table) error {
	s := d.set(family, t.str(1), t.str(2))
	if s == nil {
		return nil
	}
	for _, b := range attrs(t[3]) {
		if d.elements >= MaxElements {
			return ErrTooMuch
		}
		d.elements++
		s.elements = append(s.elements, elementOf(b))
	}
	return nil
}

// elementOf reads NFTA_SET_ELEM_KEY 1, DATA 2, FLAGS 3, EXPIRATION 5
// (milliseconds), USERDATA 6, EXPR 7, KEY_END 10 and EXPRESSIONS 11.
func elementOf(b []byte) (e element) {
	for typ, v := range attrs(b) {
		switch typ {
		case 1:
			e.key = dataOf(v)
		case 2:
			e.verdict = nest(nest(v)[2])
		case 3:
			e.flags = uint32(number(v))
		case 5:
			if ms := number(v); ms > 0 {
				e.own.left = int(min((ms+999)/1000, 1<<31))
			}
		case 6:
			e.own.comment = userComment(v)
		case 7:
			x := nest(v)
			e.own.count(expression{x.str(1), nest(x[2])})
		case 10:
			e.keyEnd = dataOf(v)
		case 11:
			for _, x := range expressions(v) {
				e.own.count(x)
			}
		}
	}
	return e
}

func (o *own) count(x expression) {
	if x.name == "counter" {
		o.counter, o.bytes, o.packets = true, x.at.u64(1), x.at.u64(2)
	}
}

// apply notes it in the rule that stands for the element.
func (o own) apply(r *fact.Rule) {
	r.Left = o.left
	if o.comment != "" {
		r.Comment = o.comment
	}
	if o.counter {
		r.Counter, r.Packets, r.Bytes = true, o.packets, o.bytes
	}
}
func (d *Dump) addSet(s *Set) {
	if d.byName == nil {
		d.byName = map[[3]string]*Set{}
	}
	d.sets = append(d.sets, s)
	d.byName[[3]string{s.Family, s.Table, s.Name}] = s
}

func (d *Dump) set(family, tab, name string) *Set { return d.byName[[3]string{family, tab, name}] }
