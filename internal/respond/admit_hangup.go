package respond

import (
	"errors"
	"maps"
	"net/netip"

	"golang.org/x/sys/unix"
)

// hangUp ends the servers' sockets of TCP connections: on this host, and of those
// that are sent on, in all other network namespaces of it. What is found in one of
// them says nothing of the others: whoever may make one can have any address there.
// With an error it gives those that may still be there.
func hangUp(gone []connection, local map[netip.Addr]bool, elsewhere func(func() error) error) (there map[tuple]bool, err error) {
	here, sentOn := map[tuple]bool{}, map[tuple]bool{}
	for _, c := range gone {
		if c.orig.proto != unix.IPPROTO_TCP {
			continue
		}
		here[c.reply] = true
		if !local[c.reply.src.Addr()] {
			sentOn[c.reply] = true
		}
	}
	if err := destroySockets(here); err != nil {
		return here, err
	}
	if len(sentOn) == 0 {
		return nil, nil
	}
	err = elsewhere(func() error {
		wanted, err := translated(sentOn)
		return errors.Join(err, destroySockets(wanted))
	})
	if err != nil {
		return sentOn, err
	}
	return nil, nil
}

// translated adds to answers of servers how the servers of this network namespace
// know them, where its own rules send packets on (a proxy beside a container). It
// counts in this namespace only: who owns it may write into its conntrack.
func translated(answers map[tuple]bool) (map[tuple]bool, error) {
	wanted := maps.Clone(answers)
	for _, v6 := range []bool{false, true} {
		if !has(answers, v6) {
			continue
		}
		err := connections(v6, func(c connection) {
			if answers[c.orig.turned()] {
				wanted[c.reply] = true
			}
		})
		if err != nil {
			return wanted, err
		}
	}
	return wanted, nil
}

func has(ts map[tuple]bool, v6 bool) bool {
	for t := range ts {
		if t.src.Addr().Is6() == v6 {
			return true
		}
	}
	return false
}

func (t tuple) turned() tuple { return tuple{t.proto, t.dst, t.src} }
