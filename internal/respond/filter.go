package respond

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"demine/internal/fact"
)

// Filter changes the packet filter in force, one rule at a time. It never
// loads a whole ruleset of the host's.
type Filter interface {
	// Shut drops what comes to a port of this host from outside, but for those
	// kept, also on connections that are open. It is rules of demine's own that
	// stand before the host's; a reboot takes them away. A Shut of the same port
	// that is in force is replaced.
	Shut(ctx context.Context, s Shut) error
	// Reopen takes the one of this port away again. ErrNothing: there is none.
	Reopen(ctx context.Context, s Shut) error
	// Shuts are those in force.
	Shuts(ctx context.Context) ([]Shut, error)
	// Image gives all that Insert needs to put a rule back, and changes nothing.
	// The rule is found by its text, the nearest to its place; one that is not
	// there is ErrGone.
	Image(ctx context.Context, r RuleAt) (RuleImage, error)
	// Delete takes the rule of an image out of its chain. ErrDrifted: it is not
	// there any more.
	Delete(ctx context.Context, r RuleAt, i RuleImage) error
	// Insert puts it back at its old place, to the byte and with the counters of
	// the image; in a chain that has changed behind the rule that it stood behind,
	// else before the one that it stood before. ErrDrifted: neither is there.
	// ErrNothing: as many rules of this text are there as when the image was made.
	Insert(ctx context.Context, r RuleAt, i RuleImage) error

	// Admit lets sources in to ports until the kernel ends it: each where the
	// packets that have the mark, one bit, go through doors. All of it or nothing.
	// What is in force already gets its new time, a door that is there stays, and
	// nothing that lets anybody in is ever there without an end. Behind until, the
	// latest end of all that is in force, by the wall clock, nobody is let in:
	// that is for a table that somebody saves and loads again.
	Admit(ctx context.Context, mark uint32, until time.Time, doors []Doorway, as []Admission) error
	// MayCut refuses those with a Cut whose connections this kernel cannot end: what
	// its server sends brings back a connection of TCP that conntrack has forgotten.
	MayCut(as []Admission) error
	// Dismiss ends some of them now. With Cut, connections that it let in end too.
	// One that is not there is none to end.
	Dismiss(ctx context.Context, as []Admission) error
	// Admitted is what is in force.
	Admitted(ctx context.Context) (Admitted, error)
	// Used counts the connections that each lets in now, by the name of its lease.
	// ErrUnavailable: conntrack knows of none at all, so it may not be at work.
	Used(ctx context.Context, as []Admission) (map[string]int, error)
	// Retire takes doors and table away, and cuts first what Admit had promised to
	// cut. It is for when no admission is left; one that is left ends.
	Retire(ctx context.Context) error
}

// Shut is a port that is closed to all but some.
type Shut struct {
	Proto      string         `json:"proto"` // tcp, udp
	Port       int            `json:"port"`
	Keep       []netip.Prefix `json:"keep,omitempty"`
	Interfaces []string       `json:"interfaces,omitempty"` // of containers and pods; a trailing * is a prefix
}

// RuleAt is a rule of the host in force.
type RuleAt struct {
	Backend string `json:"backend"` // iptables-legacy, iptables-nft, nft
	Family  string `json:"family"`  // ip, ip6, inet
	Table   string `json:"table"`
	Chain   string `json:"chain"`
	N       int    `json:"n"`    // 1-based place
	Text    string `json:"text"` // as fact.Rule has it
}

// RuleImage is a rule with its surroundings, as bytes of the kernel it came
// from.
type RuleImage struct {
	N      int        `json:"n"`
	Prev   string     `json:"prev,omitempty"` // text of the rule before; empty: it is the first
	Next   string     `json:"next,omitempty"` // and of the one behind; empty: it is the last
	Same   int        `json:"same"`           // rules of its text in the chain, with it
	Handle uint64     `json:"handle,omitempty"`
	Bytes  []byte     `json:"bytes"`           // struct ipt_entry, or netlink attributes
	Jump   string     `json:"jump,omitempty"`  // chain that an ipt_entry jumps to
	Falls  bool       `json:"falls,omitempty"` // an ipt_entry without a target
	Sets   []SetImage `json:"sets,omitempty"`  // of nft, made with the rule and gone with it
}

// SetImage is an anonymous set of a rule of nft.
type SetImage struct {
	Name     string   `json:"name"`
	Bytes    []byte   `json:"bytes"`    // netlink attributes
	Elements [][]byte `json:"elements"` // the same, NFTA_SET_ELEM_LIST_ELEMENTS each
}

// same reports whether two describe the same.
func (s Shut) same(o Shut) bool {
	a, b := s.normal(), o.normal()
	return a.Proto == b.Proto && a.Port == b.Port && slices.Equal(a.Keep, b.Keep) && slices.Equal(a.Interfaces, b.Interfaces)
}

// normal is s with its lists masked, sorted and without what is twice there.
func (s Shut) normal() Shut {
	var keep []netip.Prefix
	for _, p := range s.Keep {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		if p.IsValid() {
			keep = append(keep, p.Masked())
		}
	}
	slices.SortFunc(keep, comparePrefix)
	s.Keep = slices.Compact(keep)
	s.Interfaces = slices.Clone(s.Interfaces)
	slices.Sort(s.Interfaces)
	s.Interfaces = slices.Compact(s.Interfaces)
	return s
}

func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// find looks for the rule in what is in force: its place and what stands around
// it. N is that of the text's nearest place to r.N.
func (r RuleAt) find(sets []fact.Ruleset) ([]fact.Rule, int, error) {
	c := r.chain(sets)
	if c == nil {
		return nil, 0, ErrGone
	}
	rules, best := whole(c.Rules), 0
	for _, x := range rules {
		if x.Text == r.Text && (best == 0 || distance(x.N, r.N) < distance(best, r.N)) {
			best = x.N
		}
	}
	if best == 0 {
		return rules, 0, ErrGone
	}
	return rules, best, nil
}

func (r RuleAt) chain(sets []fact.Ruleset) *fact.Chain {
	for i := range sets {
		s := &sets[i]
		if s.Persisted != "" || s.Backend != r.Backend || s.Family != r.Family || s.Table != r.Table {
			continue
		}
		for j := range s.Chains {
			if s.Chains[j].Name == r.Chain {
				return &s.Chains[j]
			}
		}
	}
	return nil
}

// whole gives one of the rules of each place: a rule with a set is several.
func whole(in []fact.Rule) (out []fact.Rule) {
	for i := range in {
		if len(out) == 0 || out[len(out)-1].N != in[i].N {
			out = append(out, in[i])
		}
	}
	return out
}

func distance(a, b int) int { return max(a-b, b-a) }
