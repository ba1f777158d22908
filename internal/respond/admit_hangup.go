package respond

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"demine/internal/host"
)

// hangUp ends the servers' sockets of TCP connections: on this host, and of those
// that are sent on, in the other network namespaces of it. Where one is not found
// by the addresses that this host's conntrack has, it is sought by those that a
// namespace's own has; on a busy host to read that takes ten milliseconds for each.
func hangUp(gone []connection, local map[netip.Addr]bool) error {
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
	if err := destroySockets(here); err != nil || len(sentOn) == 0 {
		return err
	}
	if err := host.InOtherNetNS(func() error { return destroySockets(sentOn) }); err != nil || len(sentOn) == 0 {
		return err
	}
	return host.InOtherNetNS(func() error {
		wanted, err := translated(sentOn)
		return errors.Join(err, destroySockets(wanted))
	})
}

// translated gives for answers of servers how this network namespace knows them,
// where its own rules send packets on (a proxy beside a container). It counts in
// this namespace only: who owns it may write into its conntrack.
func translated(answers map[tuple]bool) (map[tuple]bool, error) {
	wanted := map[tuple]bool{}
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
