package relate

import (
	"net/netip"
	"testing"

	"demine/internal/fact"
)

var (
	any4 = netip.MustParseAddr("0.0.0.0")
	lo4  = netip.MustParseAddr("127.0.0.1")
	out4 = netip.MustParseAddr("203.0.113.7")
	in4  = netip.MustParseAddr("198.51.100.10")
)

// redisHost listens on 6380 with a filter that drops all but 22 and, as the
// door, 6380.
func redisHost() *fact.Snapshot {
	port := func(p uint16) []fact.PortRange { return []fact.PortRange{{From: p, To: p}} }
	rules := []fact.Rule{
		{N: 1, In: "lo", Verdict: "accept"},
		{N: 2, CTState: []string{"established", "related"}, Verdict: "accept"},
		{N: 3, Proto: "tcp", DPort: port(22), Verdict: "accept"},
		{N: 4, Proto: "tcp", DPort: port(6380), Verdict: "accept", Text: "-A INPUT -p tcp --dport 6380 -j ACCEPT"},
	}
	saved := rules[3]
	saved.Origin = fact.Origin{Path: "/etc/iptables/rules.v4", Line: 9}
	chain := fact.Chain{Name: "INPUT", Hook: "input", Type: "filter", Policy: "drop", Rules: rules}
	return &fact.Snapshot{
		Host:     fact.HostInfo{Self: 900},
		Coverage: []fact.Coverage{{Observer: "firewall", State: fact.Seen}},
		Process: []fact.Process{
			{Ref: "process:900", PID: 900, NetNS: 1},
			{Ref: "process:46", PID: 46, Comm: "redis-server", User: "root", NetNS: 1, Sockets: []uint64{10, 11, 12}},
		},
		Socket: []fact.Socket{
			{Ref: "socket:10", Proto: "tcp", State: "LISTEN", Local: any4, Port: 6380, Inode: 10, NetNS: 1},
			{Ref: "socket:11", Proto: "tcp", State: "LISTEN", Local: lo4, Port: 6390, Inode: 11, NetNS: 1},
			{Ref: "socket:12", Proto: "tcp", State: "ESTABLISHED", Local: in4, Port: 6380, Peer: out4, PeerPort: 5, Inode: 12, NetNS: 1},
			{Ref: "socket:13", Proto: "tcp", State: "LISTEN", Local: any4, Port: 80, Inode: 13, NetNS: 2},
		},
		Service: []fact.Service{{Ref: "service:redis", Name: "redis", Process: "process:46", Auth: "none", AuthAt: []int{6380}}},
		Firewall: []fact.Ruleset{
			{Ref: "firewall:live", Backend: "iptables-legacy", Family: "ip", Table: "filter", Chains: []fact.Chain{chain}},
			{Ref: "firewall:saved", Backend: "iptables-legacy", Family: "ip", Table: "filter", Persisted: "/etc/iptables/rules.v4",
				Chains: []fact.Chain{{Name: "INPUT", Hook: "input", Rules: []fact.Rule{saved}}}},
		},
	}
}

func exposureOf(t *testing.T, s *fact.Snapshot, port int) Exposure {
	t.Helper()
	for _, e := range New(s).Exposures {
		if e.Port == port {
			return e
		}
	}
	t.Fatalf("no listener on %d", port)
	return Exposure{}
}

func TestExposureOfTheIncident(t *testing.T) {
	e := exposureOf(t, redisHost(), 6380)
	if e.From != "anywhere" || e.RuleN != 4 || e.Chain != "INPUT" || e.Backend != "iptables-legacy" {
		t.Errorf("reach: %+v", e)
	}
	if e.Service != "redis" || e.Auth != "none" || e.User != "root" || e.Peers != 1 {
		t.Errorf("who: %+v", e)
	}
	if len(e.Saved) != 1 || e.Saved[0].Line != 9 {
		t.Errorf("saved: %+v", e.Saved)
	}
}

// What a server asks for at one port says nothing of its others.
func TestExposureOfAnotherPort(t *testing.T) {
	s := redisHost()
	s.Socket = append(s.Socket, fact.Socket{Ref: "socket:14", Proto: "tcp", State: "LISTEN", Local: any4, Port: 16380, Inode: 14, NetNS: 1})
	s.Process[1].Sockets = append(s.Process[1].Sockets, 14)
	if e := exposureOf(t, s, 16380); e.Service != "redis" || e.Auth != "unknown" {
		t.Errorf("%+v", e)
	}
}

func TestExposureElsewhere(t *testing.T) {
	if e := exposureOf(t, redisHost(), 6390); e.From != "local" || e.Why != "loopback" {
		t.Errorf("loopback: %+v", e)
	}
	if e := exposureOf(t, redisHost(), 80); e.From != "cannot-tell" || e.Why != "namespace" {
		t.Errorf("another namespace: %+v", e)
	}
}

// Without the filter nobody can say who is let in.
func TestExposureUnseenFilter(t *testing.T) {
	s := redisHost()
	s.Coverage[0].State = fact.Partial
	if e := exposureOf(t, s, 6380); e.From != "cannot-tell" || e.Why != "firewall-unseen" {
		t.Errorf("%+v", e)
	}
}

func TestMeIsTheAncestorsSocket(t *testing.T) {
	s := redisHost()
	s.Process = append(s.Process,
		fact.Process{Ref: "process:700", PID: 700, Comm: "sshd"},
		fact.Process{Ref: "process:701", PID: 701, PPID: 700, Comm: "sshd", Sockets: []uint64{20}},
		fact.Process{Ref: "process:702", PID: 702, PPID: 701, Comm: "bash"})
	s.Process[0].PPID = 702
	s.Socket = append(s.Socket, fact.Socket{Ref: "socket:20", Proto: "tcp", State: "ESTABLISHED", Local: in4, Port: 22, Peer: out4, PeerPort: 9, Inode: 20, NetNS: 1})
	m := New(s).Me()
	if m.SSHD == nil || m.SSHD.PID != 701 || m.Peer == nil || m.Peer.Peer != out4 {
		t.Errorf("%+v", m)
	}
	s.Process[0].PPID = 1
	if m := New(s).Me(); m.SSHD != nil || m.Peer != nil {
		t.Errorf("on a console: %+v", m)
	}
}
