package relate

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"demine/internal/fact"
)

// OpenRule is a rule in force that lets somebody from outside in to a port, and
// all that is known of how it came to be there.
type OpenRule struct {
	Ref      fact.Ref         `json:"ref"`
	ID       string           `json:"id"` // O-1a2b3c4d: the same as long as the rule is
	Backend  string           `json:"backend"`
	Family   string           `json:"family"`
	Table    string           `json:"table"`
	Chain    string           `json:"chain"`
	N        int              `json:"n"`
	Text     string           `json:"text"`
	Proto    string           `json:"proto,omitempty"` // tcp, udp; empty: any
	Ports    []fact.PortRange `json:"ports,omitempty"` // none: all
	Sources  []netip.Prefix   `json:"sources,omitempty"`
	Everyone bool             `json:"everyone"`           // it asks for no source
	Inverted bool             `json:"inverted,omitempty"` // it lets in all but Sources, or to all but Ports
	Narrow   bool             `json:"narrow,omitempty"`   // it asks for more than these: an interface, a destination, a time …
	Public   bool             `json:"public,omitempty"`   // it lets in somebody of the internet
	Person   bool             `json:"person,omitempty"`   // people log in to this host from one of Sources
	Packets  *uint64          `json:"packets,omitempty"`  // that it let in, at least; nil: it does not count them

	Listeners []string `json:"listeners,omitempty"` // that it leads to; none: nothing listens
	Service   string   `json:"service,omitempty"`   // of the first of them
	Gives     string   `json:"gives,omitempty"`     // what whoever gets in has: commands, data, files
	Auth      string   `json:"auth,omitempty"`      // none, password … unknown
	Published []string `json:"published,omitempty"` // addresses and ports of the host, of a container's

	Keeper  string        `json:"keeper,omitempty"` // software whose chain it is: docker, kubernetes …
	Kept    string        `json:"kept"`             // saved, runtime (gone with the next boot), unknown
	Saved   []fact.Origin `json:"saved,omitempty"`
	SavedAt time.Time     `json:"saved_at,omitzero"` // last change of that file: it was there then
	By      []Typed       `json:"by,omitempty"`      // commands that made such a rule, oldest first
	Since   time.Time     `json:"since,omitzero"`
	Known   string        `json:"known,omitempty"` // how: command, not-later, not-before; empty: not known
	Drift   string        `json:"drift,omitempty"` // runtime, typed, outlived; empty: it is meant to be there
	Lease   string        `json:"lease,omitempty"`
	Left    int           `json:"left_s,omitempty"` // seconds until a lease ends
}

// OnePort is the one port that a rule opens; of a container the one of the host that
// leads to it.
func (o *OpenRule) OnePort() (port, proto string, ok bool) {
	if len(o.Published) > 0 {
		at, err := netip.ParseAddrPort(o.Published[0])
		return strconv.Itoa(int(at.Port())), o.Proto, err == nil && o.Proto != ""
	}
	if len(o.Ports) != 1 || o.Ports[0].From != o.Ports[0].To || o.Proto == "" {
		return "", "", false
	}
	return strconv.Itoa(int(o.Ports[0].From)), o.Proto, true
}

// Typed is a command that made such a rule.
type Typed struct {
	Opening
	Ends  time.Time `json:"ends,omitzero"`   // when firewalld was to take it back
	Lasts bool      `json:"lasts,omitempty"` // it wrote the configuration of ufw or firewalld, as is their way
}

// ShutTable is that of doors that demine shut, LeaseTable that of its leases, LeaseChain the one in the table mangle of
// iptables-legacy where the kernel can have no such table, and LeaseComment marks the rules of the host's chains that
// let in whom they mark.
const (
	ShutTable    = "demine"
	LeaseTable   = "demine_lease"
	LeaseChain   = "DEMINE_LEASE"
	LeaseComment = "demine lease"
)

// ours reports whether a table is demine's own.
func ours(rs *fact.Ruleset) bool {
	return rs.Backend == "nft" && (rs.Table == ShutTable || rs.Table == LeaseTable)
}

// WithoutLeases are rulesets without the elements of some leases, by their names.
func WithoutLeases(sets []fact.Ruleset, names []string) []fact.Ruleset {
	out := slices.Clone(sets)
	for i := range out {
		out[i].Chains = slices.Clone(out[i].Chains)
		for j := range out[i].Chains {
			c := &out[i].Chains[j]
			if !HoldsLeases(&out[i], c) {
				continue
			}
			c.Rules = slices.DeleteFunc(slices.Clone(c.Rules), func(r fact.Rule) bool { return slices.Contains(names, r.Comment) })
		}
	}
	return out
}

// Without are rulesets as they will be once the rule is taken out: it goes wherever
// its text stands in its chain.
func (o *OpenRule) Without(sets []fact.Ruleset) []fact.Ruleset {
	out := slices.Clone(sets)
	for i := range out {
		rs := &out[i]
		if rs.Persisted != "" || rs.Backend != o.Backend || rs.Family != o.Family || rs.Table != o.Table {
			continue
		}
		rs.Chains = slices.Clone(rs.Chains)
		for j := range rs.Chains {
			if c := &rs.Chains[j]; c.Name == o.Chain {
				c.Rules = slices.DeleteFunc(slices.Clone(c.Rules), func(r fact.Rule) bool { return r.Text == o.Text })
			}
		}
	}
	return out
}

// HoldsLeases reports whether a chain in force is demine's own for leases.
func HoldsLeases(rs *fact.Ruleset, c *fact.Chain) bool {
	if rs.Persisted != "" {
		return false
	}
	return rs.Table == LeaseTable && ours(rs) || rs.Backend == "iptables-legacy" && rs.Table == "mangle" && c.Name == LeaseChain
}

// openingID names a rule by what it is and not by its place, which moves.
func openingID(rs *fact.Ruleset, chain, text string) string {
	h := sha256.Sum256([]byte(strings.Join([]string{rs.Backend, rs.Family, rs.Table, chain, text}, "\x00")))
	return "O-" + hex.EncodeToString(h[:4])
}

// OpenRules are the rules that open something: those of the host first, then
// leases. They are found when asked for the first time.
func (x *Index) OpenRules() []OpenRule { return x.openRules() }

// Twins names the other rules by which the same port would stay open without this
// one: the one of the other family of addresses, for example.
func (o *OpenRule) Twins(all []OpenRule) (ids []string) {
	for i := range all {
		p := &all[i]
		if p.ID != o.ID && p.Lease == "" && p.Proto == o.Proto && len(p.Ports) > 0 && slices.Equal(p.Ports, o.Ports) {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

func (x *Index) findOpenRules() (out []OpenRule) {
	if ok, _ := x.Covered("firewall"); !ok && len(x.S.Firewall) == 0 {
		return nil
	}
	n := NetOf(x.S)
	n.Filter = slices.DeleteFunc(slices.Clone(n.Filter), func(rs fact.Ruleset) bool { // those are gone with the next boot
		return rs.Table == ShutTable && ours(&rs)
	})
	known := loaded{}
	for _, c := range n.openers(x) {
		o := OpenRule{
			ID: openingID(c.set, c.chain, c.rule.Text), Backend: c.set.Backend, Family: c.set.Family, Table: c.set.Table,
			Chain: c.chain, N: c.rule.N, Text: c.rule.Text, Packets: counted(c.rule),
			Proto: c.rule.Proto, Ports: c.rule.DPort, Sources: askedSources(c.rule),
			Inverted: c.rule.NotSrc || c.rule.NotDPort, Narrow: c.exposure == nil && narrow(c.rule),
		}
		o.Everyone = len(o.Sources) == 0 && !c.rule.NotSrc
		if i := slices.IndexFunc(out, o.same); i >= 0 { // twice there, or one with a set
			out[i].join(&o)
			continue
		}
		o.Ref = fact.Ref("opening:" + o.ID)
		x.leadsTo(&o, c.exposure)
		x.letsIn(&o)
		x.kept(&o, &c, known)
		x.typedBy(&o, &c)
		if o.Kept == "unknown" && o.typedSince(x.S.Host.BootTime) && x.nowhere(&c) {
			o.Kept = "runtime"
		}
		o.sum(x.S.Host.BootTime, x.Now)
		out = append(out, o)
	}
	return append(out, x.leases()...)
}

// counted is how many packets a rule has matched; nil: it does not count them. In
// stored scans one that counts may not say so.
func counted(r *fact.Rule) *uint64 {
	if !r.Counter && r.Packets == 0 {
		return nil
	}
	n := r.Packets
	return &n
}

// same: it is that rule, by all that its name is made of.
func (o *OpenRule) same(p OpenRule) bool {
	return o.ID == p.ID && o.Text == p.Text && o.Chain == p.Chain && o.Table == p.Table && o.Family == p.Family && o.Backend == p.Backend
}

// join adds what another rule of the same text lets in. Of the packets the larger
// number is kept: parts may have a count each, or all that of the rule.
func (o *OpenRule) join(p *OpenRule) {
	o.Sources = append(o.Sources, p.Sources...)
	o.Ports = merged(append(o.Ports, p.Ports...))
	o.Inverted, o.Narrow = o.Inverted || p.Inverted, o.Narrow || p.Narrow
	if o.Packets == nil || p.Packets != nil && *p.Packets > *o.Packets {
		o.Packets = p.Packets
	}
	if o.Proto != p.Proto {
		o.Proto = ""
	}
	if o.Everyone = o.Everyone || p.Everyone; o.Everyone {
		o.Sources = nil
	}
}

// narrow reports whether a rule asks for what a lease cannot ask for.
func narrow(r *fact.Rule) bool {
	return r.In != "" || r.NotIn || len(r.Dst) > 0 || r.NotDst || len(r.SPort) > 0 || len(r.Unknown) > 0
}

// sum says since when there is an opening, and whether anybody decided on it.
func (o *OpenRule) sum(boot, now time.Time) {
	switch t := o.typedAt(boot); {
	case !t.IsZero():
		o.Since, o.Known = t, "command"
	case o.Kept == "saved" && !o.SavedAt.IsZero():
		o.Since, o.Known = o.SavedAt, "not-later"
	case o.Kept == "runtime" && !boot.IsZero():
		o.Since, o.Known = boot, "not-before"
	}
	o.Drift = o.drift(now)
}

// typedSince: since a time somebody typed it past the tools that keep a configuration.
func (o *OpenRule) typedSince(boot time.Time) bool {
	return !boot.IsZero() && slices.ContainsFunc(o.By, func(c Typed) bool { return !c.Lasts && c.Ends.IsZero() && c.Time.After(boot) })
}

// typedAt is the time of the command that made the rule: of a rule that is not
// saved the last since the boot, of one that is the first.
func (o *OpenRule) typedAt(boot time.Time) (at time.Time) {
	for _, c := range o.By {
		switch {
		case c.Time.IsZero(), o.Kept == "runtime" && c.Time.Before(boot):
		case at.IsZero() || o.Kept == "runtime":
			at = c.Time
		}
	}
	return at
}

// drift says why an opening is not what somebody keeps the host by: firewalld
// was told to take it back and it is still there; somebody typed it past the
// tools that keep a configuration, or for one address; or nothing has it saved.
// One that firewalld is yet to take back is somebody's decision.
func (o *OpenRule) drift(now time.Time) string {
	if n := len(o.By); n > 0 && !o.By[n-1].Ends.IsZero() {
		last := o.By[n-1]
		if o.Kept == "saved" || !last.Time.IsZero() && last.Ends.Before(now) {
			return "outlived"
		}
		return ""
	}
	for _, c := range o.By {
		if c.Ends.IsZero() && (!c.Lasts || o.single()) {
			return "typed"
		}
	}
	if o.Kept == "runtime" && o.Keeper == "" {
		return "runtime"
	}
	return ""
}

// single: it is for single addresses, as an exception for a person is.
func (o *OpenRule) single() bool {
	for _, p := range o.Sources {
		if !p.IsSingleIP() {
			return false
		}
	}
	return len(o.Sources) > 0 && !o.Inverted
}
