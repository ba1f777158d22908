package respond

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"
	"slices"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/relate"
)

// errNoLeases: there is no table of leases, and to take something out of it none
// is made.
var errNoLeases = errors.New("no table of leases")

func (f liveFilter) Dismiss(_ context.Context, as []Admission) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	there := false
	var errs []error
	for _, m := range f.markers {
		err := dismiss(m, as)
		if errors.Is(err, errNoLeases) {
			continue
		}
		there, errs = true, append(errs, err)
	}
	if !there { // nothing lets anybody in; what was let in is ended all the same
		_, cut := leases{}.dismissed(as)
		return cutOff(cut, nil)
	}
	return errors.Join(errs...)
}

func dismiss(m marker, as []Admission) error {
	var now leases
	var cut []Admission
	err := m.edit(func(have leases) (leases, error) {
		if now, cut = have.dismissed(as); !have.there {
			return have, errNoLeases
		}
		return now, nil
	})
	if err != nil || len(cut) == 0 {
		return err
	}
	if err := cutOff(cut, now.admissions); err != nil {
		return fmt.Errorf("connections of leases that have ended are blocked, and still there: %w", err)
	}
	return m.edit(func(have leases) (leases, error) { return have.resolved(cut), nil })
}

// dismissed are the leases without some, and those whose connections are to be
// cut. What another lease has taken over stays.
func (l leases) dismissed(as []Admission) (_ leases, cut []Admission) {
	for _, a := range as {
		a.From = a.From.Masked()
		if slices.ContainsFunc(l.admissions, func(o Admission) bool { return o.key() == a.key() && o.Lease != a.Lease }) {
			continue
		}
		l = l.without(a)
		if a.Cut {
			cut = append(cut, a.ended())
		}
	}
	l.cut = append(l.cut, cut...)
	return l, cut
}

// resolved are the leases without what was cut, unless it is open again.
func (l leases) resolved(cut []Admission) leases {
	open := func(c Admission) bool {
		return slices.ContainsFunc(l.admissions, func(a Admission) bool { return a.key() == c.key() })
	}
	l.cut = slices.DeleteFunc(slices.Clone(l.cut), func(c Admission) bool { return slices.Contains(cut, c) && !open(c) })
	return l
}

func (f liveFilter) Admitted(ctx context.Context) (Admitted, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	now, _, err := f.admitted(ctx)
	return now, err
}

// admitted gives the rules, too, that it was read from.
func (f liveFilter) admitted(ctx context.Context) (Admitted, []fact.Ruleset, error) {
	sets, err := placesInForce(ctx)
	if err != nil {
		return Admitted{}, nil, err
	}
	now := Admitted{Doorways: doorwaysIn(sets), Others: ruleSum(sets)}
	for _, m := range f.markers {
		l, err := m.read(sets)
		if err != nil {
			return now, sets, err
		}
		now.Mark = cmp.Or(now.Mark, l.mark)
		now.Admissions, now.Cut = append(now.Admissions, l.admissions...), append(now.Cut, l.cut...)
	}
	if now.Mark == 0 {
		return now, sets, nil
	}
	routing, err := host.RoutingMarks()
	now.Taken = relate.MarkTaken(sets, routing, now.Mark)
	return now, sets, err
}

// ruleSum tells rules in force from others, whatever they count.
func ruleSum(sets []fact.Ruleset) uint64 {
	h := fnv.New64a()
	for i := range sets {
		for j := range sets[i].Chains {
			c := &sets[i].Chains[j]
			if relate.HoldsLeases(&sets[i], c) {
				continue
			}
			fmt.Fprintln(h, sets[i].Ref, c.Name, c.Hook, c.Priority, c.Type, c.Policy)
			for k := range c.Rules {
				if !isDoorway(c.Rules[k]) {
					fmt.Fprintln(h, c.Rules[k].Text)
				}
			}
		}
	}
	return h.Sum64()
}

func isLeaseTable(rs fact.Ruleset) bool {
	return rs.Backend == "nft" && rs.Family == "inet" && rs.Table == leaseTable && rs.Persisted == ""
}

func (f liveFilter) Retire(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	now, sets, err := f.admitted(ctx)
	if err != nil {
		return err
	}
	if all := append(now.Admissions, now.Cut...); len(all) > 0 {
		if err := f.Dismiss(ctx, all); err != nil {
			return err
		}
	}
	if err := closeXT(now.Doorways); err != nil {
		return admitError(err, nil)
	}
	for _, m := range f.markers {
		if err == nil {
			err = m.retire(ctx, sets)
		}
	}
	return admitError(err, nil)
}
