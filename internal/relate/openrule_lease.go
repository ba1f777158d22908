package relate

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"demine/internal/fact"
)

// leases are the elements of demine's own table.
func (x *Index) leases() (out []OpenRule) {
	x.eachAdmission(func(rs *fact.Ruleset, c *fact.Chain, r *fact.Rule) {
		o := OpenRule{
			ID: openingID(rs, c.Name, r.Comment+" "+r.Text), Backend: rs.Backend, Family: rs.Family, Table: rs.Table,
			Chain: c.Name, N: r.N, Text: r.Text, Proto: r.Proto, Ports: r.DPort, Sources: askedSources(r), Packets: counted(r),
			Kept: "runtime", Keeper: "demine", Lease: r.Comment, Left: r.Left,
		}
		if at, ok := EndOf(r); ok {
			o.Left = max(0, int(at.Sub(x.Now)/time.Second))
		}
		o.Ref, o.Everyone = fact.Ref("opening:"+o.ID), len(o.Sources) == 0
		x.leadsTo(&o, nil)
		out = append(out, o)
	})
	return out
}

// outlivesBoot: a rule of the chain that lets somebody in once it is loaded. A list
// that it asks for begins empty.
func outlivesBoot(r fact.Rule) bool {
	listed := slices.ContainsFunc(r.Unknown, func(w string) bool { return strings.HasPrefix(w, "recent ") })
	return r.Verdict == "continue" && r.Comment != "" && !listed
}

// LeaseFile is a file of saved rules, loaded at boot, that holds leases.
type LeaseFile struct {
	Path    fact.Path
	Backend string // nft, or one of iptables
}

// SavedLeases are the files into which somebody saved leases with the rest of the
// packet filter. The rule exposure/lease-saved tells of the same.
func SavedLeases(sets []fact.Ruleset) (out []LeaseFile) {
	for i := range sets {
		rs := &sets[i]
		table := rs.Backend == "nft" && rs.Family == "inet" && rs.Table == LeaseTable && len(rs.Chains) > 0
		chain := rs.Backend != "nft" && rs.Table == "mangle" && slices.ContainsFunc(rs.Chains, func(c fact.Chain) bool {
			return c.Name == LeaseChain && slices.ContainsFunc(c.Rules, outlivesBoot)
		})
		f := LeaseFile{rs.Persisted, rs.Backend}
		if rs.Persisted != "" && (table || chain) && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// leasesOf names the leases by which others reach a listener, also by ports that
// are published for it.
func (x *Index) leasesOf(e *Exposure) string {
	ports := []int{e.Port}
	for _, at := range e.Published {
		if p, err := netip.ParseAddrPort(at); err == nil {
			ports = []int{int(p.Port())} // one asks for that
		}
	}
	if e.Apart && len(e.Published) == 0 {
		return ""
	}
	var out []string
	x.eachAdmission(func(_ *fact.Ruleset, _ *fact.Chain, r *fact.Rule) {
		leads := r.Proto == e.Proto && slices.ContainsFunc(ports, func(p int) bool { return hasPort(r.DPort, p) })
		if leads && e.hears(r) && !slices.Contains(out, r.Comment) {
			out = append(out, r.Comment)
		}
	})
	return strings.Join(out, ", ")
}

// hears reports whether the listener takes what comes from the sources of a rule:
// of IPv4, of IPv6, or of both.
func (e *Exposure) hears(r *fact.Rule) bool {
	from := askedSources(r)
	return len(from) == 0 || slices.ContainsFunc(from, func(p netip.Prefix) bool {
		return p.Addr().Is4() && e.V4 != "" || p.Addr().Is6() && e.V6 != ""
	})
}

// eachAdmission goes through what lets somebody in for a lease.
func (x *Index) eachAdmission(f func(*fact.Ruleset, *fact.Chain, *fact.Rule)) {
	for i := range x.S.Firewall {
		rs := &x.S.Firewall[i]
		for j := range rs.Chains {
			c := &rs.Chains[j]
			if !HoldsLeases(rs, c) {
				continue
			}
			for k := range c.Rules {
				r := &c.Rules[k]
				if at, ends := EndOf(r); ends && !at.After(x.Now) { // it stands there still
					continue
				}
				if r.SetMark.Mask != 0 && len(r.DPort) > 0 && r.Comment != "" {
					f(rs, c, r)
				}
			}
		}
	}
}

// EndOf is the time by the wall clock from which a rule matches nothing any more;
// false: it has no such end.
func EndOf(r *fact.Rule) (time.Time, bool) {
	for _, word := range r.Unknown {
		if s, ok := strings.CutPrefix(word, "time < "); ok {
			at, err := strconv.ParseInt(s, 10, 64)
			return time.Unix(at, 0), err == nil
		}
	}
	return time.Time{}, false
}
