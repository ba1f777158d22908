package respond

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// leastLeft is the shortest time of an element: the kernel counts in ticks, at
// the coarsest of 10 ms, and takes less than one for no end at all.
const leastLeft = 100 * time.Millisecond

// longestName is how long the comment of an element may be, with room to spare
// below the 255 bytes that the kernel takes.
const longestName = 200

func (f liveFilter) Admit(ctx context.Context, mark uint32, until time.Time, doors []Doorway, as []Admission) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begun := time.Now()
	if err := admissible(mark, until, as); err != nil {
		return err
	}
	if err := f.MayCut(as); err != nil {
		return err
	}
	doors = firstOfChain(doors)
	// Doorways of iptables-legacy first: without marks they let nobody in, and are
	// all that has to be taken back when the one transaction of nf_tables, where
	// all the rest is, fails.
	made, err := openXT(mark, doors)
	if err == nil {
		err = f.mark(ctx, begun, mark, until, doors, as)
	}
	if err != nil {
		return errors.Join(admitError(err, as), unmakeXT(mark, made))
	}
	return nil
}

func admissible(mark uint32, until time.Time, as []Admission) error {
	if !oneBit(mark) {
		return fmt.Errorf("mark %#x is not one bit", mark)
	}
	if until.IsZero() {
		return errors.New("leases without an end")
	}
	for _, a := range as {
		known := a.Proto == "tcp" || a.Proto == "udp"
		if !known || a.Port < 1 || a.Port > 65535 || !a.From.IsValid() || a.From.Addr().Is4In6() || len(a.Lease) > longestName {
			return fmt.Errorf("no admission: %+v", a)
		}
		if a.Left < leastLeft {
			return atEnd(a)
		}
	}
	return nil
}

// later are admissions a while after their time began to run; an error when one
// is over.
func later(as []Admission, by time.Duration) ([]Admission, error) {
	as = slices.Clone(as)
	for i := range as {
		if as[i].Left -= by; as[i].Left < leastLeft {
			return nil, atEnd(as[i])
		}
	}
	return as, nil
}

func atEnd(a Admission) error { return fmt.Errorf("lease %s is at its end", a.Lease) }

func doorPlaces(doors []Doorway) (out []RuleAt) {
	for _, d := range doors {
		out = append(out, d.At)
	}
	return out
}

// admit does what is nf_tables' in one transaction. A kernel that does not know
// the time of day in rules (before 5.4) gets the chain without that end.
func (nftMarker) admit(ctx context.Context, begun time.Time, mark uint32, until time.Time, doors []Doorway, as []Admission) error {
	try := func(until time.Time) error {
		return editLeases(func(have leases) (leases, error) {
			left, err := later(as, time.Since(begun))
			if err != nil {
				return have, err
			}
			return have.with(mark, until, left)
		}, func() ([]message, error) {
			if len(doors) == 0 {
				return nil, nil
			}
			sets, err := placesInForce(ctx)
			if err != nil {
				return nil, err
			}
			return openNFT(sets, mark, doors)
		})
	}
	err := try(until)
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = try(time.Time{})
	}
	return err
}

// with are the leases with some more, or with another end.
func (l leases) with(mark uint32, until time.Time, as []Admission) (leases, error) {
	if len(l.admissions) > 0 && l.mark != mark {
		return l, Refuse("refuse.lease.other-mark")
	}
	l.mark, l.until = mark, until
	for _, a := range as {
		a.From = a.From.Masked()
		l = l.without(a)
		l.admissions = append(l.admissions, a) // have keeps its length, and what is in it
		if a.Cut {
			l.cut = append(l.cut, a.ended())
		}
	}
	return l, nil
}

// without takes an element away and the one that promises to cut.
func (l leases) without(a Admission) leases {
	l.admissions, l.cut = a.leftOutOf(l.admissions), a.leftOutOf(l.cut)
	return l
}

// leftOutOf are these without those of the same key: a rule of iptables may stand
// twice. They themselves stay as they are: what was in force is compared with what
// shall be.
func (a Admission) leftOutOf(as []Admission) []Admission {
	same := func(o Admission) bool { return o.Port == a.Port && o.key() == a.key() }
	if !slices.ContainsFunc(as, same) {
		return as
	}
	return slices.DeleteFunc(slices.Clone(as), same)
}

func (a Admission) ended() Admission {
	a.Left, a.Cut = 0, true
	return a
}

// editLeases commits what edit makes of the table, with more, again when an
// element ended between the look and the change.
func editLeases(edit func(leases) (leases, error), more func() ([]message, error)) error {
	var err error
	for range 5 {
		err = editNFTables(func(n *nfTables) ([]message, error) {
			have, err := n.leases()
			if err != nil {
				return nil, err
			}
			want, err := edit(have)
			if err != nil {
				return nil, err
			}
			rest, err := more()
			return append(want.batch(have), rest...), err
		})
		if !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return err
}

// admitError says why the kernel does not take it, and of an owned table how its
// owner opens the port for a time.
func admitError(err error, as []Admission) error {
	switch {
	case errors.Is(err, unix.EPERM) && len(as) > 0:
		return Refuse("refuse.lease.owned", "command", firewalldRule(as[0]))
	case errors.Is(err, unix.EPERM):
		return Refuse("refuse.lease.owned-end")
	case kernelCannot(err):
		return Refuse("refuse.lease.kernel", "error", err.Error())
	}
	return err
}

// firewalldRule is the command by which firewalld lets a source in for a time.
func firewalldRule(a Admission) string {
	family := map[bool]string{false: "ipv4", true: "ipv6"}[a.form().v6]
	return fmt.Sprintf(`firewall-cmd --add-rich-rule='rule family="%s" source address="%s" port port="%d" protocol="%s" accept' --timeout=%s`,
		family, a.From, a.Port, a.Proto, firewalldTime(a.Left))
}

// firewalldTime writes a time as firewall-cmd(1) takes it: 8h, 90m, 45s.
func firewalldTime(d time.Duration) string {
	s := int(d.Round(time.Second) / time.Second)
	switch {
	case s%3600 == 0:
		return fmt.Sprint(s/3600, "h")
	case s%60 == 0:
		return fmt.Sprint(s/60, "m")
	}
	return fmt.Sprint(s, "s")
}

// none is a change of the table alone.
func none() ([]message, error) { return nil, nil }
