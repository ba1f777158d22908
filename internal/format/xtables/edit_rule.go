package xtables

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// ErrNotThere says that a table has no such chain or rule.
var ErrNotThere = errors.New("not in the table")

// Rule gives the n-th rule of a chain, from 1.
func (t *Table) Rule(chain string, n int) (Entry, error) {
	c := t.chain(chain)
	if c == nil || n < 1 || n >= len(c.items) { // the last one is the chain's end
		return Entry{}, fmt.Errorf("%w: rule %d of %s", ErrNotThere, n, chain)
	}
	i := c.items[n-1]
	e := Entry{Bytes: bytes.Clone(i.bytes), Next: i.next}
	if i.to != nil {
		e.Jump = i.to.name
	}
	return e, nil
}

// Delete takes the n-th rule out of a chain.
func (t *Table) Delete(chain string, n int) error {
	if _, err := t.Rule(chain, n); err != nil {
		return err
	}
	c := t.chain(chain)
	c.items = slices.Delete(c.items, n-1, n)
	return nil
}

// Insert puts a rule into a chain as its n-th, from 1.
func (t *Table) Insert(chain string, n int, e Entry) error {
	c := t.chain(chain)
	if c == nil || n < 1 || n > len(c.items) {
		return fmt.Errorf("%w: place %d of %s", ErrNotThere, n, chain)
	}
	i, err := t.item(e)
	if err != nil {
		return err
	}
	c.items = slices.Insert(c.items, n-1, i)
	return nil
}

func (t *Table) item(e Entry) (item, error) {
	d, err := decodeEntry(t.family, e.Bytes)
	if err != nil {
		return item{}, err
	}
	i := item{bytes: bytes.Clone(e.Bytes), next: e.Next, was: -1}
	jumps := e.Jump != "" || e.Next
	if d.size != len(e.Bytes) || d.isError || jumps != (d.target == "" && d.verdict >= 0) {
		return item{}, fmt.Errorf("%w: no rule on its own", ErrMalformed)
	}
	if e.Jump != "" {
		if i.to = t.chain(e.Jump); i.to == nil || i.to.hook >= 0 {
			return item{}, fmt.Errorf("%w: chain %s", ErrNotThere, e.Jump)
		}
	}
	return i, nil
}

// AddChain makes a user chain with rules. The name has at most 28 bytes.
func (t *Table) AddChain(name string, rules []Entry) error {
	if t.chain(name) != nil || len(name) > maxChainName {
		return fmt.Errorf("%w: chain %q", ErrMalformed, name)
	}
	c := &chainOf{name: name, hook: -1, head: errorEntry(t.family, name), headWas: -1}
	for _, e := range append(slices.Clone(rules), NewEntry(t.family, Criteria{}, Return)) {
		i, err := t.item(e)
		if err != nil {
			return err
		}
		c.items = append(c.items, i)
	}
	t.chains = append(t.chains, c)
	return nil
}

// DeleteChain takes a user chain away, and every rule that jumps to it.
func (t *Table) DeleteChain(name string) error {
	gone := t.chain(name)
	if gone == nil || gone.hook >= 0 {
		return fmt.Errorf("%w: chain %s", ErrNotThere, name)
	}
	t.chains = slices.DeleteFunc(t.chains, func(c *chainOf) bool { return c == gone })
	for _, c := range t.chains {
		c.items = slices.DeleteFunc(c.items, func(i item) bool { return i.to == gone })
	}
	return nil
}
