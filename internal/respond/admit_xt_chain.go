package respond

import (
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/format/xtables"
	"demine/internal/host"
	"demine/internal/relate"
)

// xtLeaseHead is how many rules the chain begins with: see xtMarker.
const xtLeaseHead = 2

// xtTick is how far the kernel's count of seconds may be behind the clock: it
// goes by its ticks, of 10 ms at the coarsest.
const xtTick = 10 * time.Millisecond

// xtLeasesOf are the leases in the chains of a family. A chain that nothing jumps
// to holds none, nor one whose list is empty: a reload has thrown them out, or it
// was saved before the boot.
func xtLeasesOf(family string, chains []fact.Chain, now time.Time) (l leases) {
	c, hook := xtChain(chains, xtLeaseChain), xtChain(chains, xtLeaseHook)
	if l.there = c != nil; !l.there || hook == nil || !slices.ContainsFunc(hook.Rules, jumpsToLeases) || slices.ContainsFunc(c.Rules, never) {
		return l
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		if oneBit(r.SetMark.Mask) {
			l.mark = r.SetMark.Mask
		}
		switch a, ok := xtAdmissionOf(family, r, now); {
		case ok && a.Cut:
			l.cut = append(l.cut, a)
		case ok:
			l.admissions = append(l.admissions, a)
		}
	}
	for i := range l.admissions {
		l.admissions[i].Cut = slices.ContainsFunc(l.cut, func(c Admission) bool { return c.key() == l.admissions[i].key() })
	}
	return l
}

// never reports whether a rule matches nothing: see xtables.Never.
func never(r fact.Rule) bool { return len(r.DPort) == 1 && r.DPort[0].From > r.DPort[0].To }

func jumpsToLeases(r fact.Rule) bool { return r.Verdict == "jump" && r.Target == xtLeaseChain }

// xtAdmissionOf reads a rule of the chain; false when it is of no shape that
// demine gives it.
func xtAdmissionOf(family string, r *fact.Rule, now time.Time) (Admission, bool) {
	if len(r.DPort) != 1 || r.DPort[0].From == 0 || r.DPort[0].From != r.DPort[0].To || r.Proto != "tcp" && r.Proto != "udp" || len(r.Src) > 1 {
		return Admission{}, false
	}
	a := Admission{Lease: r.Comment, Proto: r.Proto, Port: int(r.DPort[0].From), From: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Cut: r.Verdict == "drop"}
	if family == "ip6" {
		a.From = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	if len(r.Src) == 1 {
		a.From = r.Src[0]
	}
	end, ends := relate.EndOf(r)
	if a.Left = max(0, end.Add(xtTick).Sub(now)); !ends {
		a.Left = 0
	}
	return a, a.Cut || ends && r.SetMark.Value != 0
}

// write makes the chain of a family what want says, which has it from have. Rules
// that are to stay do so; where there is no chain and nothing to hold, none is
// made. EAGAIN: it is not what have says any more.
func (m xtMarker) write(family string, have, want leases, now time.Time) error {
	have, want = have.of(family), want.of(family)
	if !want.holds(family) {
		if chains, err := xtLeaseChains(family); err != nil || xtChain(chains, xtLeaseChain) == nil {
			return err
		}
	}
	err := tryXT(family, xtLeaseTable, func(t *xtables.Table, chains []fact.Chain) error {
		host.SettleLists(family, chains)
		if is := xtLeasesOf(family, chains, now); !slices.Equal(is.admissions, have.admissions) || !slices.Equal(is.cut, have.cut) {
			return unix.EAGAIN
		}
		rules, err := ownXTChain(t, family, want.mark, chains, now)
		if err != nil {
			return err
		}
		kept, err := keepXTLeases(t, family, rules, want, now)
		if err != nil {
			return err
		}
		return m.insert(t, family, kept, want, now)
	})
	if err != nil || m.list == "" || !want.holds(family) {
		return err
	}
	return fillXTList(family, m.list)
}

// fillXTList puts the address of all zeros into a list (xt_recent.c: "+address").
func fillXTList(family, list string) error {
	zero := "+0.0.0.0\n"
	if family == "ip6" {
		zero = "+::\n"
	}
	return os.WriteFile(host.XTList(list), []byte(zero), 0)
}

// of are those of a family.
func (l leases) of(family string) leases {
	other := func(a Admission) bool { return a.form().v6 != (family == "ip6") }
	l.admissions = slices.DeleteFunc(slices.Clone(l.admissions), other)
	l.cut = slices.DeleteFunc(slices.Clone(l.cut), other)
	return l
}

func (l leases) holds(family string) bool {
	l = l.of(family)
	return len(l.admissions)+len(l.cut) > 0
}

// ownXTChain gives the rules of the chain, which it makes where it is not there,
// or gives another mark, or nothing jumps to it.
func ownXTChain(t *xtables.Table, family string, mark uint32, chains []fact.Chain, now time.Time) ([]fact.Rule, error) {
	c := xtChain(chains, xtLeaseChain)
	if c != nil && xtLeasesOf(family, chains, now).mark == mark && len(c.Rules) >= xtLeaseHead {
		return c.Rules, nil
	}
	if c != nil {
		if err := t.DeleteChain(xtLeaseChain); err != nil {
			return nil, err
		}
	}
	head := []xtables.Entry{
		xtables.NewMark(family, xtables.Criteria{}, 0, mark),
		xtables.NewEntry(family, xtables.Criteria{NotLocal: true}, xtables.Return),
	}
	if err := t.AddChain(xtLeaseChain, head); err != nil {
		return nil, err
	}
	last := 1
	if hook := xtChain(chains, xtLeaseHook); hook != nil {
		last += len(slices.DeleteFunc(slices.Clone(hook.Rules), jumpsToLeases))
	}
	jump := xtables.NewEntry(family, xtables.Criteria{}, xtables.Jump)
	jump.Jump = xtLeaseChain
	return make([]fact.Rule, xtLeaseHead), t.Insert(xtLeaseHook, last, jump)
}

// keepXTLeases takes out of the chain what want has not, and gives what stays.
func keepXTLeases(t *xtables.Table, family string, rules []fact.Rule, want leases, now time.Time) (kept leases, err error) {
	marks, cuts := byKey(want.admissions), byKey(want.cut)
	for i := len(rules) - 1; i >= xtLeaseHead; i-- { // last first: the places of the others stay
		a, ok := xtAdmissionOf(family, &rules[i], now)
		same := func(o Admission) bool { return ok && o.Lease == a.Lease && o.Left == a.Left }
		switch {
		case a.Cut && same(cuts[a.key()]):
			kept.cut = append(kept.cut, a)
		case !a.Cut && same(marks[a.key()]):
			kept.admissions = append(kept.admissions, a)
		default:
			if err := t.Delete(xtLeaseChain, i+1); err != nil {
				return kept, err
			}
		}
	}
	return kept, nil
}

func byKey(as []Admission) map[key]Admission {
	out := make(map[key]Admission, len(as))
	for _, a := range as {
		out[a.key()] = a
	}
	return out
}

// insert puts in what is not there: marks before all, cuts behind all.
func (m xtMarker) insert(t *xtables.Table, family string, have, want leases, now time.Time) error {
	marks, cuts, last := byKey(have.admissions), byKey(have.cut), xtLeaseHead+len(have.admissions)+len(have.cut)
	put := func(n int, e xtables.Entry) error {
		last++
		return t.Insert(xtLeaseChain, n, e)
	}
	for _, a := range want.admissions {
		if _, there := marks[a.key()]; there {
			continue
		}
		asks := m.criteria(a)
		asks.Until = now.Add(a.Left).Truncate(time.Second).Add(-time.Second) // the last second in which it matches
		if err := put(xtLeaseHead+1, xtables.NewMark(family, asks, want.mark, want.mark)); err != nil {
			return err
		}
	}
	for _, a := range want.cut {
		if _, there := cuts[a.key()]; there {
			continue
		}
		asks := m.criteria(a)
		asks.Unmarked, asks.Established = want.mark, true
		if err := put(last+1, xtables.NewEntry(family, asks, xtables.Drop)); err != nil {
			return err
		}
	}
	return nil
}

func (m xtMarker) criteria(a Admission) xtables.Criteria {
	return xtables.Criteria{Proto: a.Proto, DPort: uint16(a.Port), Src: a.From, List: m.list, Comment: a.Lease}
}
