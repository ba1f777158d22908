package agent

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/lease"
	"demine/internal/relate"
	"demine/internal/respond"
)

// behindPolicy is a host whose port 6380 listens on IPv4 alone, behind a chain that
// drops all but what these rules accept.
func behindPolicy(rules ...fact.Rule) sight {
	for i := range rules {
		rules[i].N = i + 1
	}
	s := &fact.Snapshot{
		Coverage: []fact.Coverage{{Observer: "firewall", State: fact.Seen}},
		Process:  []fact.Process{{Ref: "process:b/5", PID: 5, Comm: "redis-server", Sockets: []uint64{1}}},
		Socket:   []fact.Socket{{Ref: "socket:a", Proto: "tcp", State: "LISTEN", Local: netip.IPv4Unspecified(), Port: 6380, Inode: 1}},
		Firewall: []fact.Ruleset{{Ref: "ruleset:fw", Backend: "nft", Family: "inet", Table: "fw", Chains: []fact.Chain{
			{Name: "input", Hook: "input", Type: "filter", Policy: "drop", Rules: rules}}}},
	}
	return sight{snap: s, x: relate.New(s)}
}

func leaseTo(id, container, from string) lease.Lease {
	p := netip.MustParsePrefix(from)
	return lease.Lease{ID: id, State: lease.Open, Container: container, Ask: lease.Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{p}}}
}

// One lease that cannot be put back holds up no other one of its port.
func TestPlanBack(t *testing.T) {
	four, six := leaseTo("L-22222", "", "203.0.113.7/32"), leaseTo("L-33333", "", "2001:db8::7/128")
	other, inside := leaseTo("L-44444", "", "203.0.113.8/32"), leaseTo("L-55555", "web", "203.0.113.9/32")
	open := fact.Rule{Verdict: "accept", Src: []netip.Prefix{other.From[0]}, Text: "ip saddr 203.0.113.8 accept"}
	for _, tt := range []struct {
		name   string
		seen   sight
		leases []lease.Lease
		want   map[string]string // why it is not planned
	}{
		{"all", behindPolicy(), []lease.Lease{four, other}, map[string]string{"L-22222": "", "L-44444": ""}},
		{"nothing hears IPv6 any more", behindPolicy(), []lease.Lease{six, four, other},
			map[string]string{"L-22222": "", "L-33333": "refuse.lease.unheard", "L-44444": ""}},
		{"the port was opened to one", behindPolicy(open), []lease.Lease{four, other},
			map[string]string{"L-22222": "", "L-44444": "refuse.lease.open-already"}},
		{"one waits for its container", behindPolicy(), []lease.Lease{four, inside},
			map[string]string{"L-22222": "", "L-55555": "refuse.lease.no-container"}},
		{"together for everybody", behindPolicy(), []lease.Lease{leaseTo("L-66666", "", "16.0.0.0/8"), leaseTo("L-77777", "", "17.0.0.0/8")},
			map[string]string{"L-66666": "", "L-77777": ""}},
		{"none", behindPolicy(), []lease.Lease{six, inside},
			map[string]string{"L-33333": "refuse.lease.unheard", "L-55555": "refuse.lease.no-container"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := map[string]string{}
			for _, b := range planBack(byPort(tt.leases), tt.seen, respond.Admitted{}) {
				for _, le := range b.leases {
					got[le.ID] = ""
					if b.err != nil {
						got[le.ID] = failure("", "", b.err).Why
					}
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What lets in whom it shall stays as it is, whatever is the matter with another one
// of its port.
func TestLostAlone(t *testing.T) {
	four, six := leaseTo("L-22222", "", "203.0.113.7/32"), leaseTo("L-33333", "", "2001:db8::7/128")
	seen := behindPolicy(fact.Rule{Verdict: "accept", Src: four.From, Text: "ip saddr 203.0.113.7 accept"})
	for _, moved := range []bool{false, true} {
		d := &desk{moved: moved}
		ports, rest := d.lost([]lease.Lease{four, six}, seen, func(le *lease.Lease) bool { return moved || le.ID == four.ID })
		if len(rest) != 1 || rest[0].ID != four.ID || len(ports) != 1 || len(ports[0].leases) != 1 || ports[0].leases[0].ID != six.ID {
			t.Errorf("moved %t: in force %+v, to be put back %+v", moved, rest, ports)
		}
	}
}

// Lost is what has no elements in force, and what could not be put back before.
func TestNoteBack(t *testing.T) {
	for _, tt := range []struct {
		name       string
		was, there bool
		b          back
		lost       bool
	}{
		{"put back", true, false, back{}, false},
		{"its elements stayed", false, true, back{err: respond.ErrUnavailable}, false},
		{"they are gone", false, false, back{err: respond.ErrUnavailable}, true},
		{"taken back", false, true, back{err: respond.ErrUnavailable, out: true}, true},
		{"elements without a proof", true, true, back{err: respond.ErrUnavailable}, true},
	} {
		d, le := &desk{}, lease.Lease{ID: "L-7Q2KD", Lost: tt.was}
		if d.noteBack(&le, &tt.b, respond.Admitted{}, tt.there); le.Lost != tt.lost || d.changed != (tt.lost != tt.was) {
			t.Errorf("%s: lost %t, written down %t", tt.name, le.Lost, d.changed)
		}
	}
}

// One lease that ends while its port is planned holds up that port alone.
func TestAtEnd(t *testing.T) {
	b := back{leases: []lease.Lease{{ID: "L-7Q2KD", End: 2 * time.Hour}, {ID: "L-8W3MF", End: time.Hour}}}
	if b.atEnd(time.Hour-time.Second) != nil || b.atEnd(time.Hour-time.Millisecond) == nil {
		t.Error("not at their ends")
	}
}

// Who comes in by a lease that was just let in is no stranger at its port, whoever
// has leases of it already.
func TestUntouchedBesides(t *testing.T) {
	has, comes := leaseTo("L-22222", "", "203.0.113.7/32"), leaseTo("L-33333", "", "203.0.113.8/32")
	accept := func(le lease.Lease) fact.Rule { return fact.Rule{Verdict: "accept", Src: le.From, Text: "accept"} }
	n := neighbours{[]lease.Lease{has}, behindPolicy(accept(has))}
	after := behindPolicy(accept(has), accept(comes)).snap
	if err := n.untouched(after, comes); err != nil {
		t.Error(err)
	}
	if comes.Port++; n.untouched(after, comes) == nil {
		t.Error("the lease is of another port")
	}
}
