package respond

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/format/xtables"
	"demine/internal/host"
	"demine/internal/relate"
)

// xtMarker is for kernels whose nf_tables has no sets with timeouts (before 4.1)
// or no question for a local address (4.10), or that have none: a chain in the
// table mangle of iptables-legacy, of each family in which there are leases.
//
//	-A PREROUTING -j DEMINE_LEASE
//	-A DEMINE_LEASE -j MARK --set-xmark 0x0/0x100
//	-A DEMINE_LEASE -m addrtype ! --dst-type LOCAL -j RETURN
//	-A DEMINE_LEASE -s 203.0.113.0/24 -p tcp -m tcp --dport 6380 -m time --datestop 2026-11-23T17:59:59
//	                -m recent --rcheck --name demine_lease --mask 0.0.0.0 --rsource
//	                -m comment --comment L-7Q2KD -j MARK --set-xmark 0x100/0x100
//	-A DEMINE_LEASE -s 192.0.2.7/32 -p tcp -m tcp --dport 6380 -m mark --mark 0x0/0x100
//	                -m conntrack --ctstate ESTABLISHED -m recent … -m comment --comment L-9WQ2T -j DROP
//
// The jump is the last rule of PREROUTING, so that no other one there takes the
// mark away. The kernel compares whole seconds of the wall clock (xt_time): a
// lease ends with the second before its end, less than one too early.
//
// Under a mask of no bits the list holds every address or none, and it begins
// empty: rules that somebody saved and loads again, after a boot or a reload that
// had thrown them out, are for nobody until demine writes to it.
type xtMarker struct {
	list string // empty: without, on kernels that have no such match
}

const (
	xtLeaseTable = "mangle"
	xtLeaseChain = relate.LeaseChain
	xtLeaseHook  = "PREROUTING"
	xtLeaseList  = relate.LeaseTable
)

var xtFamilies = []string{"ip", "ip6"}

func (m xtMarker) there() (bool, error) {
	l, err := m.leases(time.Now())
	return l.there, err
}

// admit has no transaction for doorways of nf_tables.
func (m xtMarker) admit(_ context.Context, begun time.Time, mark uint32, until time.Time, doors []Doorway, as []Admission) error {
	if slices.ContainsFunc(doors, func(d Doorway) bool { return d.At.Backend != "iptables-legacy" }) {
		return unix.EOPNOTSUPP
	}
	return m.change(func(have leases, now time.Time) (leases, error) {
		left, err := later(as, now.Sub(begun))
		if err != nil {
			return have, err
		}
		return have.with(mark, until, left)
	})
}

func (m xtMarker) edit(f func(leases) (leases, error)) error {
	return m.change(func(have leases, _ time.Time) (leases, error) { return f(have) })
}

// change is edit with the moment at which the leases have the time that is left.
func (m xtMarker) change(f func(have leases, now time.Time) (leases, error)) error {
	unlock, err := lockXT()
	if err != nil {
		return err
	}
	defer unlock()
	for range 10 {
		err = m.tryChange(f)
		if kernelCannot(err) && m.list != "" {
			err = xtMarker{}.tryChange(f)
		}
		if !errors.Is(err, unix.EAGAIN) {
			return err
		}
	}
	return err
}

// leases reads the chains as they are, and loads no module to do so.
func (m xtMarker) leases(now time.Time) (l leases, err error) {
	for _, family := range xtFamilies {
		chains, err := xtLeaseChains(family)
		if err != nil {
			return l, err
		}
		l.add(xtLeasesOf(family, chains, now))
	}
	return l, nil
}

func xtLeaseChains(family string) ([]fact.Chain, error) {
	tables, err := host.XTables(family)
	if err != nil || !slices.Contains(tables, xtLeaseTable) {
		return nil, err
	}
	info, blob, err := host.XTable(family, xtLeaseTable)
	if err != nil {
		return nil, err
	}
	chains, err := xtables.Parse(family, xtLeaseTable, info, blob)
	host.SettleLists(family, chains)
	return chains, err
}

func (m xtMarker) read(sets []fact.Ruleset) (l leases, err error) {
	now := time.Now()
	for _, rs := range sets {
		if rs.Backend == "iptables-legacy" && rs.Table == xtLeaseTable && rs.Persisted == "" {
			l.add(xtLeasesOf(rs.Family, rs.Chains, now))
		}
	}
	l.admissions = slices.DeleteFunc(l.admissions, func(a Admission) bool { return a.Left == 0 }) // over, and still there
	return l, nil
}

func (l *leases) add(o leases) {
	l.there = l.there || o.there
	l.mark |= o.mark
	l.admissions, l.cut = append(l.admissions, o.admissions...), append(l.cut, o.cut...)
}

func (m xtMarker) retire(_ context.Context, sets []fact.Ruleset) error {
	for _, rs := range sets {
		has := slices.ContainsFunc(rs.Chains, func(c fact.Chain) bool { return c.Name == xtLeaseChain && relate.HoldsLeases(&rs, &c) })
		if !has {
			continue
		}
		if err := editXT(rs.Family, xtLeaseTable, dropXTLeases); err != nil {
			return err
		}
	}
	return nil
}

func dropXTLeases(t *xtables.Table, chains []fact.Chain) error {
	if xtChain(chains, xtLeaseChain) == nil {
		return nil
	}
	return t.DeleteChain(xtLeaseChain)
}

func xtChain(chains []fact.Chain, name string) *fact.Chain {
	i := slices.IndexFunc(chains, func(c fact.Chain) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &chains[i]
}
