package lease

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/relate"
	"demine/internal/respond"
)

var (
	guest = netip.MustParsePrefix("203.0.113.7/32")
	shut  = fact.Rule{Verdict: "drop", Text: "drop"}
	list  = fact.Rule{Unknown: []string{"set"}, Verdict: "drop", Text: "set b drop"}
	ban   = fact.Rule{Src: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, Verdict: "drop", Text: "ip saddr 203.0.113.0/24 drop"}
)

// What a person passes is noted, a list that nobody can read and a rule about the
// port are told, and a ban of those who shall come in is refused, wherever it stands.
func TestPasses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		s      *fact.Snapshot
		want   string // refusal
		passes []string
		notes  int
	}{
		{"a policy", host("drop", "password"), "", []string{"inet fw input: policy"}, 0},
		{"rules and a policy", host("drop", "password", toPort(6380, "drop"), shut), "",
			[]string{"inet fw input: tcp dport drop", "inet fw input: drop", "inet fw input: policy"}, 1},
		{"a list", host("drop", "password", list), "", []string{"inet fw input: set b drop", "inet fw input: policy"}, 1},
		{"a ban", host("drop", "password", ban), "refuse.lease.banned", nil, 0},
		{"a ban behind another rule", host("accept", "password", toPort(6380, "drop"), ban), "refuse.lease.banned", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{guest}, For: time.Hour, Who: "w", Why: "y"}
			p, err := Make(a, relate.New(tt.s), respond.Admitted{}, nil)
			if got := refusal(err); got != tt.want {
				t.Fatalf("refused with %q, want %q", got, tt.want)
			}
			if diff := cmp.Diff(tt.passes, p.Passes); err == nil && (diff != "" || len(p.Notes) != tt.notes) {
				t.Errorf("%s%+v", diff, p.Notes)
			}
		})
	}
}

// Of the rules about the port three are told, each once, and how many more there are.
func TestAimed(t *testing.T) {
	for _, tt := range []struct {
		rules int
		want  []string
	}{
		{0, nil},
		{1, []string{"0"}},
		{3, []string{"0", "1", "2"}},
		{2 * maxPasses, []string{"0", "1", "2", "125"}},
	} {
		var rules []fact.Rule
		for i := range tt.rules {
			r := toPort(6380, "drop")
			r.Text = fmt.Sprint(i)
			rules = append(rules, r, r)
		}
		a := Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{guest}, For: time.Hour, Who: "w", Why: "y"}
		p, err := Make(a, relate.New(host("drop", "password", append(rules, shut)...)), respond.Admitted{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range p.Notes {
			switch m.ID {
			case "lease.note.passes":
				got = append(got, m.Args["rule"].(string))
			case "lease.note.passes-more":
				got = append(got, fmt.Sprint(m.Args["n"]))
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%d rules: %s", tt.rules, diff)
		}
	}
}

// A lease is barred by what was not there when it was opened, whatever that asks
// for, and by nothing else: neither by the same rules in another order nor by
// those that are about others.
func TestBarred(t *testing.T) {
	rules := func(rs ...fact.Rule) *fact.Snapshot { return host("drop", "password", rs...) }
	ask := Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{guest}, For: time.Hour, Who: "w", Why: "y"}
	p, err := Make(ask, relate.New(rules(toPort(22, "accept"), list)), respond.Admitted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	le := Begin("L-7Q2KD", ask, Clock{})
	le.Passes = p.Passes
	gone := rules(shut)
	gone.Coverage[0].State = fact.Partial
	for _, tt := range []struct {
		name string
		s    *fact.Snapshot
		want string
	}{
		{"nothing new", rules(toPort(22, "accept"), list), ""},
		{"another order", rules(list, toPort(22, "accept")), ""},
		{"less than before", rules(), ""},
		{"another port is shut", rules(toPort(443, "drop"), list), ""},
		{"the port is shut", rules(list, toPort(6380, "drop")), "tcp dport drop"},
		{"all is shut", rules(shut, list), "drop"},
		{"they are banned", rules(ban, list), ban.Text},
		{"it cannot be read", gone, ""},
	} {
		b, barred := le.Barred(relate.New(tt.s))
		if b.Rule() != tt.want || barred != (tt.want != "") {
			t.Errorf("%s: %v %q", tt.name, barred, b.Rule())
		}
		if barred && refusal(le.Held(b)) != "refuse.lease.held" {
			t.Error(le.Held(b))
		}
	}
	le.Container = "cache"
	if _, barred := le.Barred(relate.New(rules(shut))); barred {
		t.Error("barred where its container is not")
	}
}

// A record stays small, however many rules there are.
func TestPassesMany(t *testing.T) {
	var rules []fact.Rule
	for i := range 2 * maxPasses {
		r := toPort(6380, "drop")
		r.Text = fmt.Sprint(i)
		rules = append(rules, r)
	}
	a := Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{guest}, For: time.Hour, Who: "w", Why: "y"}
	if p, err := Make(a, relate.New(host("drop", "password", rules...)), respond.Admitted{}, nil); err != nil || len(p.Passes) != maxPasses {
		t.Errorf("%d, %v", len(p.Passes), err)
	}
}

// Who comes in at a port of another lease without one is told.
func TestUntouched(t *testing.T) {
	before := relate.New(host("drop", "password"))
	from := func(port uint16, ps ...netip.Prefix) *fact.Snapshot {
		r := toPort(port, "accept")
		r.Src = ps
		return host("drop", "password", r)
	}
	other := netip.MustParsePrefix("198.51.100.9/32")
	leases := []Lease{{Ask: Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{guest}}}, {Ask: Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{other}}}}
	for i, tt := range []struct {
		after *fact.Snapshot
		want  string
	}{
		{from(6380, guest, other), ""},
		{from(80, netip.MustParsePrefix("0.0.0.0/0")), ""},
		{from(6380, netip.MustParsePrefix("203.0.113.6/31")), "refuse.lease.too-wide"},
	} {
		if got := refusal(Untouched(slices.Clone(leases), before, tt.after)); got != tt.want {
			t.Errorf("%d: %q, want %q", i, got, tt.want)
		}
	}
	if refusal(Untouched(leases[:1], before, from(6380, guest, other))) != "refuse.lease.too-wide" {
		t.Error("of two sources one has no lease")
	}
}
