package lease

import (
	"net/netip"
	"testing"
	"time"

	"demine/internal/fact"
	"demine/internal/relate"
	"demine/internal/respond"
)

// A port that is published for a container can be leased where nobody gets there
// yet, as DOCKER-USER or a policy drops everybody.
func TestMakePublished(t *testing.T) {
	p, any4 := netip.MustParsePrefix, netip.IPv4Unspecified()
	link := func(index int, name string, addrs ...netip.Prefix) fact.Interface {
		return fact.Interface{Index: index, Name: name, Up: true, Addrs: addrs}
	}
	inner := link(4, "eth0", p("172.17.0.2/16"))
	inner.Kind, inner.Peer = "veth", 5
	outer := fact.Interface{Index: 5, Name: "veth9", Kind: "veth", Up: true, Peer: 4}
	outer.Addrs = []netip.Prefix{p("172.17.0.1/16")}
	to := fact.NatTo{Addr: netip.MustParseAddr("172.17.0.2"), Last: netip.MustParseAddr("172.17.0.2")}
	sent := fact.Rule{N: 1, Proto: "tcp", DPort: []fact.PortRange{{From: 8080, To: 8080}}, Verdict: "dnat", NatTo: to, Text: "dnat to 172.17.0.2"}
	chain := func(name, kind string, priority int, policy string, rules ...fact.Rule) fact.Chain {
		return fact.Chain{Name: name, Hook: name, Type: kind, Priority: priority, Policy: policy, Rules: rules}
	}
	s := host("drop", "password")
	s.Host.Self = 7
	s.Process = []fact.Process{{Ref: "process:b/7", PID: 7, NetNS: 1}, {Ref: "process:b/8", PID: 8, Comm: "web", NetNS: 2, Sockets: []uint64{9}}}
	s.Socket = []fact.Socket{{Ref: "socket:9", Proto: "tcp", State: "LISTEN", Local: any4, Port: 8080, Inode: 9, NetNS: 2}}
	s.Firewall = []fact.Ruleset{{Ref: "ruleset:fw", Backend: "nft", Family: "ip", Table: "fw", Chains: []fact.Chain{
		chain("prerouting", "nat", -100, "accept", sent), chain("forward", "filter", 0, "drop")}}}
	s.Network = []fact.Network{
		{Ref: "network:1", NetNS: 1, Own: true, Forwards4: true, Interfaces: []fact.Interface{link(2, "eth0", p("198.51.100.10/24")), outer},
			Routes: []fact.Route{{Dst: p("0.0.0.0/0"), Dev: 2}, {Dst: p("172.17.0.0/16"), Dev: 5}}},
		{Ref: "network:2", NetNS: 2, PID: 8, Interfaces: []fact.Interface{inner}},
	}
	a := Ask{Proto: "tcp", Port: 8080, From: []netip.Prefix{p("203.0.113.7/32")}, For: time.Hour, Who: "w", Why: "y"}
	plan, err := Make(a, relate.New(s), respond.Admitted{}, nil)
	if err != nil || len(plan.Doorways) != 1 || plan.Doorways[0].At.Chain != "forward" {
		t.Errorf("%+v, %v", plan.Doorways, err)
	}
	a.Port = 8081
	if plan, err := Make(a, relate.New(s), respond.Admitted{}, nil); err == nil && len(plan.Doorways) > 0 && plan.Doorways[0].At.Chain == "forward" {
		t.Errorf("another port: %+v", plan.Doorways)
	}
}
