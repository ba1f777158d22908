package host

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

const maxMarks = 4096

// RoutingMarks are the marks that rules of the policy routing ask for, in the
// network namespace of the calling thread, which the caller has locked.
func RoutingMarks() ([]fact.Mark, error) {
	s, err := newRouteSocket()
	if err != nil {
		return nil, err
	}
	defer unix.Close(s.fd)
	var n fact.Network
	err = s.routingMarks(&n)
	return n.Marks, err
}

func (s *routeSocket) routingMarks(n *fact.Network) error {
	err := s.dump(unix.RTM_GETRULE, func(b []byte) error { return addRoutingMark(n, b) })
	if errors.Is(err, unix.EOPNOTSUPP) { // a kernel without CONFIG_IP_MULTIPLE_TABLES
		return nil
	}
	return err
}

// addRoutingMark reads struct fib_rule_hdr and the attributes FRA_* of
// linux/fib_rules.h. Whether a rule is turned round (not fwmark) is the same to
// whoever wants to leave its bits alone.
func addRoutingMark(n *fact.Network, b []byte) error {
	const size = 12
	var m fact.Mark
	asks := false
	attributes(b, size, func(typ uint16, v []byte) {
		switch typ {
		case unix.FRA_FWMARK:
			m.Value, asks = uint32(number(v)), true
		case unix.FRA_FWMASK:
			m.Mask, asks = uint32(number(v)), true
		}
	})
	if !asks || slices.Contains(n.Marks, m) {
		return nil
	}
	if len(n.Marks) >= maxMarks {
		return ErrMany
	}
	n.Marks = append(n.Marks, m)
	return nil
}
