package relate

import (
	"maps"
	"net/netip"
	"slices"

	"demine/internal/fact"
)

// Place is where a rule goes into a chain: before its N-th rule, or at its end
// when N is one more than there are.
type Place struct {
	Backend, Family, Table, Chain string
	N                             int
	Ruleset                       fact.Ref
}

// Doorways finds where a rule that accepts a mark has to stand so that from
// reaches the door, when demine's own table gives that mark to its packets: for
// each base chain that would drop them the last such place. No places and true:
// nothing drops. Not ok: no such rule opens the door, for the reason that why
// gives, of those in from alone.
func (n *Net) Doorways(d Door, from []netip.Prefix, mark uint32) (places []Place, why Reach, ok bool) {
	t := n.trial(d, from, mark)
	if len(t.want) == 0 {
		return nil, t.why, false
	}
	for i := range t.gates {
		t.settle(i)
	}
	for _, g := range t.gates {
		if g.at > 0 {
			rs := &n.Filter[g.set]
			places = append(places, Place{rs.Backend, rs.Family, rs.Table, rs.Chains[g.chain].Name, g.at, rs.Ref})
		}
	}
	return places, Reach{}, true
}

// trial asks the engine what rules in some base chains would open.
type trial struct {
	net   *Net
	door  Door
	from  []netip.Prefix
	mark  uint32
	gates []gate
	want  map[passage]bool // what opens with a rule at the head of every base chain
	why   Reach            // where nothing does
}

// gate is a base chain that a rule may go into, before its at-th; 0: it does
// not.
type gate struct{ set, chain, at int }

// trial begins with a rule at the head of every base chain of input and forward.
func (n *Net) trial(d Door, from []netip.Prefix, mark uint32) *trial {
	d.Addr = d.Addr.Unmap()
	t := &trial{net: n, door: d, from: from, mark: mark}
	for i, rs := range n.Filter {
		if rs.Persisted != "" || rs.Family != "inet" && (rs.Family == "ip6") != d.V6 {
			continue
		}
		for j, c := range rs.Chains {
			if doorable(&c) {
				t.gates = append(t.gates, gate{i, j, 1})
			}
		}
	}
	t.want, t.why = t.opens()
	return t
}

// settle moves the rule of a gate as far back as the door stays open, and leaves
// it out where it stays open without.
func (t *trial) settle(i int) {
	g := &t.gates[i]
	works := func(at int) bool {
		was := g.at
		g.at = at
		open, _ := t.opens()
		g.at = was
		return covers(open, t.want)
	}
	if works(0) {
		g.at = 0
		return
	}
	last := 1
	for _, r := range t.net.Filter[g.set].Chains[g.chain].Rules {
		last = max(last, r.N+1)
	}
	for low, high := 1, last; low < high; { // it opens at low
		if mid := (low + high + 1) / 2; works(mid) {
			low, g.at = mid, mid
		} else {
			high = mid - 1
		}
	}
}

func covers(have, want map[passage]bool) bool {
	for p := range maps.Keys(want) {
		if !have[p] {
			return false
		}
	}
	return true
}

// opens is what is open to from with the rules where they are.
func (t *trial) opens() (map[passage]bool, Reach) {
	sets := slices.Clone(t.net.Filter)
	for _, g := range t.gates {
		if g.at > 0 {
			sets[g.set] = withDoorway(sets[g.set], g, t.mark)
		}
	}
	sets = slices.Insert(sets, 0, t.table()) // behind demine's own of the same priority, which clears the bit first
	n := &Net{Filter: sets, Own: t.net.Own, Others: t.net.Others, Now: t.net.Now, own: t.net.own}
	open, why := n.lets(t.door, t.from)
	t.net.own = n.own
	return open, why
}

// withDoorway is a ruleset with one more rule.
func withDoorway(rs fact.Ruleset, g gate, mark uint32) fact.Ruleset {
	rs.Chains = slices.Clone(rs.Chains)
	c := &rs.Chains[g.chain]
	at := slices.IndexFunc(c.Rules, func(r fact.Rule) bool { return r.N >= g.at })
	if at < 0 {
		at = len(c.Rules)
	}
	rule := fact.Rule{N: g.at, Mark: fact.Mark{Value: mark, Mask: mark}, Verdict: "accept", Comment: LeaseComment}
	c.Rules = slices.Insert(slices.Clip(c.Rules), at, rule)
	return rs
}

// LeasePriority is that of the chain of demine's own table: behind conntrack and
// mangle, before address translation.
const LeasePriority = -110

// table is demine's own table as it will be, of this door alone.
func (t *trial) table() fact.Ruleset {
	rules := []fact.Rule{{N: 1, Unknown: []string{"addrtype ! --dst-type LOCAL"}, Verdict: "accept"}}
	for _, port := range t.net.askedPorts(t.door) {
		rules = append(rules, fact.Rule{N: 2, Src: t.from, Proto: t.door.Proto, DPort: []fact.PortRange{{From: port, To: port}},
			SetMark: fact.Mark{Value: t.mark, Mask: t.mark}, Verdict: "continue"})
	}
	chain := fact.Chain{Name: "prerouting", Hook: "prerouting", Priority: LeasePriority, Type: "filter", Policy: "accept", Rules: rules}
	return fact.Ruleset{Ref: fact.RulesetRef("nft", "inet", LeaseTable, ""), Backend: "nft", Family: "inet", Table: LeaseTable,
		Chains: []fact.Chain{chain}}
}

// askedPorts are the ports of this host that lead to a door: its own, or those
// that rules send to it where it is in another namespace.
func (n *Net) askedPorts(d Door) (out []uint16) {
	if n.other(d.NetNS) == nil {
		return []uint16{uint16(d.Port)}
	}
	for _, w := range n.front(d) {
		if p := uint16(w.port); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// Proof is what two looks at a host, before a lease and with it, say of a door.
type Proof struct {
	Opens  bool           // those who have the lease get in for sure
	Others []netip.Prefix // who else may get in now and could not before
	Why    Reach          // where it does not open: what is in the way, or cannot be told
}

// Admits compares n, where a lease is in force, with how it was before.
func (n *Net) Admits(before *Net, d Door, from []netip.Prefix, mark uint32) (p Proof) {
	d.Addr = d.Addr.Unmap()
	want := before.trial(d, from, mark).want
	var open map[passage]bool
	open, p.Why = n.lets(d, from)
	p.Opens = len(want) > 0 && covers(open, want)
	p.Others = n.Newcomers(before, d, from)
	return p
}

// Newcomers are those who may get to a door and could not before, but for some.
func (n *Net) Newcomers(before *Net, d Door, but []netip.Prefix) []netip.Prefix {
	d.Addr = d.Addr.Unmap()
	had, may := before.may(d), n.may(d)
	known := prefixSources(but, d.V6)
	var more sources
	for at, who := range may {
		more = more.union(who.minus(known).minus(had[at]))
	}
	return more.prefixes()
}
