package xtables

import (
	"bytes"
	"fmt"
	"slices"
)

// Table is one table of iptables-legacy taken apart so that it can be edited:
// chains of entries with jumps to chains instead of to offsets.
type Table struct {
	family string
	info   Info
	chains []*chainOf
	tail   []byte // the ERROR entry at the end
}

// chainOf is a chain with its last entry: the policy of a base chain, the
// RETURN that ends a user chain.
type chainOf struct {
	name    string
	hook    int    // NF_INET_*; -1 for a user chain
	head    []byte // ERROR entry with the name of a user chain
	headWas int    // its place in the table that was loaded, from 0
	items   []item
}

// item is an entry and where its standard target jumps to.
type item struct {
	bytes []byte
	to    *chainOf // nil: nowhere
	next  bool     // to the entry behind it
	was   int      // place in the table that was loaded; -1: it is new
}

// Entry is one rule on its own: struct ipt_entry or ip6t_entry with matches,
// target and counters. Jump names the chain that it jumps to.
type Entry struct {
	Bytes []byte `json:"bytes"`
	Jump  string `json:"jump,omitempty"`
	Next  bool   `json:"next,omitempty"` // a rule without a target
}

// Load takes a table apart. A table that Blob would not write back to the byte
// is refused with ErrMalformed: it has a shape that no tool gives it.
func Load(family string, info Info, blob []byte) (*Table, error) {
	t := &Table{family: family, info: info}
	l := loader{Table: t, heads: map[int]*chainOf{}}
	if err := l.load(blob); err != nil {
		return nil, err
	}
	i, b := t.Blob()
	if !bytes.Equal(b, blob) || !t.sameHooks(i) || i.Entries != info.Entries {
		return nil, fmt.Errorf("%w: not laid out as iptables does", ErrMalformed)
	}
	return t, nil
}

func (t *Table) sameHooks(i Info) bool {
	for h := range hooks {
		if t.valid(h) && (i.HookEntry[h] != t.info.HookEntry[h] || i.Underflow[h] != t.info.Underflow[h]) {
			return false
		}
	}
	return true
}

func (t *Table) valid(hook int) bool { return t.info.ValidHooks&(1<<hook) != 0 }

type loader struct {
	*Table
	heads map[int]*chainOf
	jumps []pending
	open  *chainOf
}

// pending is a jump to an offset whose chain may come later.
type pending struct {
	chain *chainOf
	item  int
	off   int
}

func (l *loader) load(blob []byte) error {
	n := 0
	for off := 0; off < len(blob); n++ {
		if n == MaxRules {
			return fmt.Errorf("%w: more than %d entries", ErrMalformed, MaxRules)
		}
		e, err := decodeEntry(l.family, blob[off:])
		if err != nil {
			return fmt.Errorf("entry at %d: %w", off, err)
		}
		if err := l.add(e, off, n, bytes.Clone(blob[off:off+e.size])); err != nil {
			return fmt.Errorf("entry at %d: %w", off, err)
		}
		off += e.size
	}
	if l.tail == nil {
		return fmt.Errorf("%w: no end", ErrMalformed)
	}
	return l.resolve()
}

// add puts the entry at an offset into the chain that it belongs to.
func (l *loader) add(e entry, off, n int, b []byte) error {
	switch h := l.hookAt(off); {
	case l.tail != nil:
		return fmt.Errorf("%w: behind the end", ErrMalformed)
	case e.isError && len(e.targetData) < 30:
		return fmt.Errorf("%w: chain name cut off", ErrMalformed)
	case e.isError && cString(e.targetData[:30]) == "ERROR":
		l.tail = b
		return nil
	case e.isError:
		l.open = &chainOf{name: cString(e.targetData[:30]), hook: -1, head: b, headWas: n}
		l.chains = append(l.chains, l.open)
		l.heads[off+e.size] = l.open
		return nil
	case h >= 0:
		l.open = &chainOf{name: chains[h], hook: h}
		l.chains = append(l.chains, l.open)
		l.heads[off] = l.open
	case l.open == nil:
		return fmt.Errorf("%w: in no chain", ErrMalformed)
	}
	l.put(e, off, n, b)
	return nil
}

func (l *loader) put(e entry, off, n int, b []byte) {
	c, i := l.open, item{bytes: b, was: n}
	if e.target == "" && e.verdict >= 0 {
		if i.next = int(e.verdict) == off+e.size; !i.next {
			l.jumps = append(l.jumps, pending{c, len(c.items), int(e.verdict)})
		}
	}
	c.items = append(c.items, i)
	if c.hook >= 0 && int(l.info.Underflow[c.hook]) == off {
		l.open = nil
	}
}

func (l *loader) hookAt(off int) int {
	for h := range hooks {
		if l.valid(h) && int(l.info.HookEntry[h]) == off {
			return h
		}
	}
	return -1
}

func (l *loader) resolve() error {
	for _, j := range l.jumps {
		to := l.heads[j.off]
		if to == nil {
			return fmt.Errorf("%w: jump into the middle of a chain", ErrMalformed)
		}
		j.chain.items[j.item].to = to
	}
	for _, c := range l.chains {
		if !l.ended(c) {
			return fmt.Errorf("%w: chain %q without an end", ErrMalformed, c.name)
		}
	}
	return nil
}

// ended: a user chain ends with a RETURN. That a base chain ends with its
// policy is seen when the table is written again.
func (l *loader) ended(c *chainOf) bool {
	if len(c.items) == 0 {
		return false
	}
	e, err := decodeEntry(l.family, c.items[len(c.items)-1].bytes)
	return c.hook >= 0 || err == nil && e.target == "" && e.verdict == verdictReturn
}

// Blob writes the table: what IPT_SO_SET_REPLACE takes.
func (t *Table) Blob() (Info, []byte) {
	info := Info{ValidHooks: t.info.ValidHooks, HookEntry: t.info.HookEntry, Underflow: t.info.Underflow}
	at, size := map[*chainOf]int{}, 0
	for _, c := range t.chains {
		size += len(c.head)
		at[c] = size
		for _, i := range c.items {
			size += len(i.bytes)
		}
	}
	b := make([]byte, 0, size+len(t.tail))
	for _, c := range t.chains {
		if c.head != nil {
			b = append(b, c.head...)
			info.Entries++
		}
		for _, i := range c.items {
			b = t.write(b, i, at)
			info.Entries++
		}
		if c.hook >= 0 {
			info.HookEntry[c.hook] = uint32(at[c])
			info.Underflow[c.hook] = uint32(len(b) - len(c.items[len(c.items)-1].bytes))
		}
	}
	b = append(b, t.tail...)
	info.Entries++
	info.Size = uint32(len(b))
	return info, b
}

func (t *Table) write(b []byte, i item, at map[*chainOf]int) []byte {
	from := len(b)
	b = append(b, i.bytes...)
	switch {
	case i.next:
		t.setVerdict(b[from:], uint32(len(b)))
	case i.to != nil:
		t.setVerdict(b[from:], uint32(at[i.to]))
	}
	return b
}

// setVerdict writes the verdict of an entry's standard target.
func (t *Table) setVerdict(b []byte, v uint32) {
	target := order.Uint16(b[layouts[t.family].ip+4:])
	order.PutUint32(b[int(target)+partHead:], v)
}

// Counters gives packets and bytes of each entry in the order of Blob: those of
// the table that was loaded as it counted until it was replaced (old, in its
// order), and those that a new entry carries.
func (t *Table) Counters(old []Counter) []Counter {
	var out []Counter
	add := func(was int, b []byte) {
		if was >= 0 && was < len(old) {
			out = append(out, old[was])
			return
		}
		h := layouts[t.family].head
		out = append(out, Counter{order.Uint64(b[h-16:]), order.Uint64(b[h-8:])})
	}
	for _, c := range t.chains {
		if c.head != nil {
			add(c.headWas, c.head)
		}
		for _, i := range c.items {
			add(i.was, i.bytes)
		}
	}
	add(int(t.info.Entries)-1, t.tail)
	return out
}

// Counter is struct xt_counters.
type Counter struct{ Packets, Bytes uint64 }

func (t *Table) chain(name string) *chainOf {
	i := slices.IndexFunc(t.chains, func(c *chainOf) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return t.chains[i]
}
