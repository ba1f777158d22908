package lease

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/relate"
	"demine/internal/respond"
)

// host is one with Redis, a web server and a service of its own network, behind
// a chain with these rules and a policy.
func host(policy, auth string, rules ...fact.Rule) *fact.Snapshot {
	for i := range rules {
		rules[i].N = i + 1
	}
	listens := func(inode uint64, addr string, port int) fact.Socket {
		return fact.Socket{Ref: fact.Ref("socket:" + addr), Proto: "tcp", State: "LISTEN", Local: netip.MustParseAddr(addr), Port: port, Inode: inode}
	}
	return &fact.Snapshot{
		Taken:    time.Unix(1795260000, 0),
		Coverage: []fact.Coverage{{Observer: "firewall", State: fact.Seen}},
		Process:  []fact.Process{{Ref: "process:b/5", PID: 5, Comm: "redis-server", Sockets: []uint64{1, 2}}, {Ref: "process:b/6", PID: 6, Comm: "nginx", Sockets: []uint64{3}}},
		Socket:   []fact.Socket{listens(1, "0.0.0.0", 6380), listens(2, "127.0.0.1", 6381), listens(3, "0.0.0.0", 80)},
		Service:  []fact.Service{{Ref: "service:redis", Name: "redis", Process: "process:b/5", Auth: auth, AuthAt: []int{6380}}},
		Firewall: []fact.Ruleset{{Ref: "ruleset:fw", Backend: "nft", Family: "inet", Table: "fw", Chains: []fact.Chain{
			{Name: "input", Hook: "input", Type: "filter", Policy: policy, Rules: rules}}}},
	}
}

func toPort(port uint16, verdict string) fact.Rule {
	return fact.Rule{Proto: "tcp", DPort: []fact.PortRange{{From: port, To: port}}, Verdict: verdict, Text: "tcp dport " + verdict}
}

// That a source is the host itself is told; of a network that it is in it is not.
func TestMakeOwnAddress(t *testing.T) {
	s := host("drop", "password")
	s.Network = []fact.Network{{Own: true, Routes: []fact.Route{{Dst: netip.MustParsePrefix("0.0.0.0/0"), Dev: 2}},
		Interfaces: []fact.Interface{{Name: "eth0", Index: 2, Up: true, Addrs: []netip.Prefix{netip.MustParsePrefix("203.0.113.1/24")}}}}}
	for from, want := range map[string]int{"203.0.113.1/32": 1, "203.0.113.2/32": 0, "203.0.113.0/24": 0} {
		a := Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{netip.MustParsePrefix(from)}, For: time.Hour, Who: "w", Why: "y"}
		p, err := Make(a, relate.New(s), respond.Admitted{}, nil)
		if err != nil || len(p.Notes) != want || want > 0 && p.Notes[0].ID != "lease.note.own-address" {
			t.Errorf("%s: %+v, %v", from, p.Notes, err)
		}
	}
}

// Whom no rule lets in is named: of everybody, those of the family that the host passes
// on to nobody.
func TestDoorwaysNowhere(t *testing.T) {
	s := host("drop", "password")
	s.Network = []fact.Network{{Own: true, Interfaces: []fact.Interface{{Name: "eth0", Index: 2, Up: true, Addrs: []netip.Prefix{netip.MustParsePrefix("203.0.113.1/24")}}}}}
	everybody4, everybody6 := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, []netip.Prefix{netip.MustParsePrefix("::/0")}
	p := Plan{Ask: Ask{Proto: "tcp", Port: 6380}, Mark: 1, doors: []opening{
		{relate.Door{Proto: "tcp", Addr: netip.MustParseAddr("203.0.113.1"), Port: 6380}, everybody4},
		{relate.Door{Proto: "tcp", Addr: netip.MustParseAddr("2001:db8::5"), Port: 6380, V6: true}, everybody6}}}
	err := p.doorways(relate.NetOf(s))
	var r *respond.Refusal
	if !errors.As(err, &r) || r.ID != "refuse.lease.no-place" || !slices.Equal(r.Args["from"].([]string), names(everybody6)) {
		t.Errorf("%v", err)
	}
}

func TestMake(t *testing.T) {
	guest := netip.MustParsePrefix("203.0.113.7/32")
	strange := fact.Rule{Unknown: []string{"bpf"}, Verdict: "accept", Text: "bpf accept"}
	other := []Lease{Begin("L-22222", Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, For: time.Hour}, Clock{})}
	wide := []Lease{Begin("L-22222", Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{netip.MustParsePrefix("16.0.0.0/8")}, For: time.Hour}, Clock{})}
	ending := slices.Clone(other)
	ending[0].Ending = EndHand
	next := func(a *Ask) { a.From = []netip.Prefix{netip.MustParsePrefix("17.0.0.0/8")} }
	blind := host("drop", "password")
	blind.Coverage[0] = fact.Coverage{Observer: "firewall", State: fact.Partial, Gaps: []fact.Gap{{Code: "refused", What: "inet fw"}}}
	for _, tt := range []struct {
		name   string
		s      *fact.Snapshot
		port   int
		change func(*Ask)
		others []Lease
		want   string // refusal
		place  int    // of the doorway
		notes  int
	}{
		{"behind a policy", host("drop", "password", toPort(22, "accept")), 6380, nil, nil, "", 2, 0},
		{"before a rule that drops", host("accept", "password", toPort(22, "accept"), fact.Rule{Verdict: "drop", Text: "drop"}), 6380, nil, nil, "", 2, 0},
		{"nothing listens", host("drop", "password"), 9999, nil, nil, "", 1, 1},
		{"nobody knows whether it asks", host("drop", "password"), 80, nil, nil, "", 1, 1},
		{"open by a rule", host("drop", "password", toPort(6380, "accept")), 6380, nil, nil, "refuse.lease.open-already", 0, 0},
		{"no packet filter", host("accept", "password"), 6380, nil, nil, "refuse.lease.open-already", 0, 0},
		{"a rule that cannot be read", host("drop", "password", strange), 6380, nil, nil, "refuse.lease.unclear", 0, 0},
		{"a table that could not be read", blind, 6380, nil, nil, "refuse.lease.unread", 0, 0},
		{"no bit of the mark is left", host("drop", "password", fact.Rule{Saves: 1<<32 - 1, Verdict: "continue", Text: "ct mark set meta mark"}), 6380,
			nil, nil, "refuse.lease.no-mark", 0, 0},
		{"no password", host("drop", "none"), 6380, nil, nil, "refuse.lease.no-password", 0, 0},
		{"no password, and known", host("drop", "none"), 6380, func(a *Ask) { a.Bare = true }, nil, "", 1, 1},
		{"on loopback alone", host("drop", "password"), 6381, nil, nil, "refuse.lease.unheard", 0, 0},
		{"IPv6 where it listens on IPv4", host("drop", "password"), 6380,
			func(a *Ask) { a.From = []netip.Prefix{netip.MustParsePrefix("2001:db8::7/128")} }, nil, "refuse.lease.unheard", 0, 0},
		{"another lease holds it", host("drop", "password"), 6380, nil, other, "refuse.lease.overlaps", 0, 0},
		{"another lease of it is over, and not all of it is cut", host("drop", "password"), 6380, nil, ending, "refuse.lease.still-ending", 0, 0},
		{"everybody, with another lease", host("drop", "password"), 6380, next, wide, "refuse.lease.anyone-together", 0, 0},
		{"so wide, and another port is leased", host("drop", "password"), 80, next, wide, "", 1, 1},
		{"another port is leased", host("drop", "password"), 80, nil, other, "", 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := Ask{Proto: "tcp", Port: tt.port, From: []netip.Prefix{guest}, For: time.Hour, Who: "w", Why: "y"}
			if tt.change != nil {
				tt.change(&a)
			}
			p, err := Make(a, relate.New(tt.s), respond.Admitted{}, tt.others)
			if got := refusal(err); got != tt.want {
				t.Fatalf("refused with %q, want %q", got, tt.want)
			}
			if err != nil {
				return
			}
			if len(p.Doorways) != 1 || p.Doorways[0].At.N != tt.place || p.Mark == 0 || len(p.Notes) != tt.notes {
				t.Errorf("doorways %+v, mark %#x, notes %+v", p.Doorways, p.Mark, p.Notes)
			}
			if refusal(p.Prove(tt.s, tt.s)) != "refuse.lease.unproven" {
				t.Error("proved without a doorway")
			}
		})
	}
}

// Whoever meets another lease is told whom that lets in.
func TestOverlapsTold(t *testing.T) {
	office := netip.MustParsePrefix("203.0.113.0/24")
	a := Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}, For: time.Hour, Who: "w", Why: "y"}
	wider := a
	wider.From = []netip.Prefix{office}
	_, err := Make(a, relate.New(host("drop", "password")), respond.Admitted{}, []Lease{{ID: "L-7Q2KD", State: Open, Ask: wider}})
	var r *respond.Refusal
	if !errors.As(err, &r) {
		t.Fatal(err)
	}
	if from, _ := r.Message.Args["from"].([]string); !slices.Equal(from, []string{office.String()}) {
		t.Errorf("%+v", r.Message)
	}
}

// What lets in more than it should is not what was asked for.
func TestProveTooWide(t *testing.T) {
	before := host("drop", "password")
	a := Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}, For: time.Hour, Who: "w", Why: "y"}
	p, err := Make(a, relate.New(before), respond.Admitted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	from := func(s string) fact.Rule {
		r := toPort(6380, "accept")
		r.Src = []netip.Prefix{netip.MustParsePrefix(s)}
		return r
	}
	for s, want := range map[string]string{
		"203.0.113.7/32": "", "203.0.113.0/29": "refuse.lease.too-wide", "203.0.113.8/32": "refuse.lease.unproven", "0.0.0.0/0": "refuse.lease.too-wide",
	} {
		if got := refusal(p.Prove(before, host("drop", "password", from(s)))); got != want {
			t.Errorf("a rule for %s: %q, want %q", s, got, want)
		}
	}
}

// Who shall not have an opening is told the line that needs none, as it has to be typed.
func TestTunnel(t *testing.T) {
	for _, tt := range []struct{ addr, proto, service, want string }{
		{"0.0.0.0", "tcp", "redis", "lease.safer.redis: ssh -L 6380:127.0.0.1:6380 192.0.2.10"},
		{"10.0.0.5", "tcp", "etcd", "lease.safer.other: ssh -L 6380:10.0.0.5:6380 192.0.2.10"},
		{"::1", "tcp", "redis", "lease.safer.redis: ssh -L 6380:[::1]:6380 192.0.2.10"},
		{"0.0.0.0", "udp", "memcached", "lease.safer.other: "},
	} {
		s := host("drop", "none")
		s.Host.Self = 900
		s.Process = append(s.Process, fact.Process{Ref: "process:b/900", PID: 900, PPID: 800}, fact.Process{Ref: "process:b/800", PID: 800, Comm: "sshd", Sockets: []uint64{80}})
		s.Socket = append(s.Socket, fact.Socket{Ref: "socket:80", Inode: 80, Proto: "tcp", State: "ESTABLISHED", Local: netip.MustParseAddr("192.0.2.10"), Peer: netip.MustParseAddr("203.0.113.7")})
		p := Plan{Ask: Ask{Proto: tt.proto, Port: 6380}}
		m := p.safer(relate.New(s), &relate.Exposure{Addr: tt.addr, Service: tt.service})
		line, _ := m.Args["way"].(i18n.Message).Args["line"].(string)
		if got := m.ID + ": " + line; got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}
