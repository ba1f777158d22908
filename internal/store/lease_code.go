package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"demine/internal/lease"
)

// The list of leases is numbers (varints of encoding/binary), texts and times
// with their lengths before them, field after field. A thousand leases take a
// tenth of the time that gob needs, which was more than all the rest of opening
// one beside them.

// listFormat is the byte before them. Other fields, or another order: another number.
const listFormat = 1

const usualLease = 256 // bytes of one, more or less

// appendList and readList are the two directions of list.
func (l *leases) appendList(b []byte) ([]byte, error) {
	c := coder{b: slices.Grow(b, usualLease*(len(l.Leases)+1)), writes: true}
	c.list(l)
	return c.b, c.err
}

func (l *leases) readList(b []byte) error {
	c := coder{b: b, all: string(b)}
	c.list(l)
	if c.err == nil && len(c.b) > 0 {
		return fmt.Errorf("%d bytes too many", len(c.b))
	}
	return c.err
}

// coder appends fields to b, or takes them off it: one function names the fields
// for both directions, so that they cannot differ.
type coder struct {
	b      []byte
	all    string // what is read, to its end, of which the texts are parts
	writes bool
	err    error
	room   [32]byte
}

func (c *coder) list(l *leases) {
	varint(c, &l.Serial)
	c.text(&l.Told)
	varint(c, &l.Spoilt)
	every(c, &l.Leases, c.lease)
}

func (c *coder) lease(l *lease.Lease) {
	for _, s := range []*string{&l.ID, &l.Proto, &l.Who, &l.Why, &l.State, &l.Boot, &l.NetNS, &l.Service, &l.Container, &l.HeldBy, &l.Ending} {
		c.text(s)
	}
	for _, x := range []*bool{&l.Anyone, &l.Long, &l.Bare, &l.Cut, &l.Warned, &l.Lost} {
		c.truth(x)
	}
	varint(c, &l.Port)
	varint(c, &l.For)
	varint(c, &l.End)
	c.time(&l.Opened)
	c.time(&l.Until)
	every(c, &l.From, c.prefix)
	every(c, &l.Through, c.text)
	every(c, &l.Passes, c.text)
	c.person(&l.By)
	by := l.RequestedBy != nil
	if c.truth(&by); by {
		if !c.writes {
			l.RequestedBy = new(lease.Person)
		}
		c.person(l.RequestedBy)
	}
}

func (c *coder) person(p *lease.Person) {
	c.text(&p.Account)
	o := &p.Operator
	varint(c, &o.UID)
	varint(c, &o.PID)
	for _, s := range []*string{&o.Peer, &o.Session, &o.Version} {
		c.text(s)
	}
	c.time(&o.Since)
}

func varint[T ~int | ~int64](c *coder, n *T) {
	if c.writes {
		c.b = binary.AppendVarint(c.b, int64(*n))
		return
	}
	v, size := binary.Varint(c.b)
	if size <= 0 {
		c.fail()
		return
	}
	*n, c.b = T(v), c.b[size:]
}

// every is a list: how many, and each. Each takes at least one byte.
func every[T any](c *coder, list *[]T, f func(*T)) {
	n := len(*list)
	varint(c, &n)
	if c.writes {
		for i := range *list {
			f(&(*list)[i])
		}
		return
	}
	if n < 0 || n > len(c.b) {
		c.fail()
		return
	}
	*list = slices.Grow([]T(nil), min(n, atOnce))
	for range n {
		if c.err != nil {
			return
		}
		var zero T
		*list = append(*list, zero)
		f(&(*list)[len(*list)-1]) // in its place: a lease is large
	}
}

// atOnce is for how many of a list there is room from the beginning: what it says
// of itself may be wrong.
const atOnce = 1024

// bytes takes some off that have their length before them.
func (c *coder) bytes() []byte {
	n := 0
	varint(c, &n)
	if n < 0 || n > len(c.b) {
		c.fail()
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

func (c *coder) text(s *string) {
	if !c.writes {
		b := c.bytes()
		end := len(c.all) - len(c.b)
		*s = c.all[end-len(b) : end]
		return
	}
	n := len(*s)
	varint(c, &n)
	c.b = append(c.b, *s...)
}

func (c *coder) truth(x *bool) {
	n := 0
	if *x {
		n = 1
	}
	varint(c, &n)
	*x = n != 0
}

// form is how times and prefixes go into bytes.
type form interface {
	AppendBinary([]byte) ([]byte, error)
}

func (c *coder) time(t *time.Time)      { c.keep(t, t.UnmarshalBinary) }
func (c *coder) prefix(p *netip.Prefix) { c.keep(p, p.UnmarshalBinary) }

func (c *coder) keep(f form, read func([]byte) error) {
	if c.err != nil {
		return
	}
	if !c.writes {
		if b := c.bytes(); c.err == nil {
			c.err = read(b)
		}
		return
	}
	b, err := f.AppendBinary(c.room[:0])
	n := len(b)
	varint(c, &n)
	c.b, c.err = append(c.b, b...), err
}

func (c *coder) fail() {
	if c.err == nil {
		c.err = errors.New("cut off")
	}
	c.b = nil
}
