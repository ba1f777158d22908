package relate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"demine/internal/fact"
)

// dockerHost has a bridge with one container, as Docker makes them.
func dockerHost() []fact.Network {
	p := netip.MustParsePrefix
	return []fact.Network{
		{Ref: "network:1", NetNS: 1, Own: true, Forwards4: true, Interfaces: []fact.Interface{
			{Index: 1, Name: "lo", Up: true, Loop: true, Addrs: []netip.Prefix{p("127.0.0.1/8")}},
			{Index: 2, Name: "eth0", Up: true, Addrs: []netip.Prefix{p("198.51.100.10/24"), p("2001:db8::10/64")}},
			{Index: 3, Name: "docker0", Kind: "bridge", Up: true, Addrs: []netip.Prefix{p("172.17.0.1/16")}},
			{Index: 5, Name: "veth9", Kind: "veth", Up: true, Master: 3, Peer: 4},
		}, Routes: []fact.Route{{Dst: p("0.0.0.0/0"), Dev: 2}, {Dst: p("172.17.0.0/16"), Dev: 3}, {Dst: p("198.51.100.0/24"), Dev: 2}, {Dst: p("::/0"), Dev: 2}}},
		{Ref: "network:2", NetNS: 2, PID: 50, Interfaces: []fact.Interface{
			{Index: 1, Name: "lo", Up: true, Loop: true, Addrs: []netip.Prefix{p("127.0.0.1/8")}},
			{Index: 4, Name: "eth0", Kind: "veth", Up: true, Peer: 5, Addrs: []netip.Prefix{p("172.17.0.2/16")}},
		}},
	}
}

const (
	dockerNat = "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n" +
		"-A DOCKER -i docker0 -j RETURN\n-A DOCKER ! -i docker0 -p tcp -m tcp --dport 16379 -j DNAT --to-destination 172.17.0.2:6379\nCOMMIT\n"
	dockerForward = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:DOCKER-USER - [0:0]\n:DOCKER - [0:0]\n-A FORWARD -j DOCKER-USER\n" +
		"-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -o docker0 -j DOCKER\n" +
		"-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 6379 -j ACCEPT\n"
)

// A published port goes around INPUT, which is where ufw has its rules.
func TestReachPublished(t *testing.T) {
	inside := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 6379, NetNS: 2}
	own := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 16379}
	for _, c := range []struct {
		name, more string
		door       Door
		want       string
	}{
		{"published", "COMMIT\n", inside, "anywhere rule :1"},
		{"DOCKER-USER drops", "-A DOCKER-USER -i eth0 -j DROP\nCOMMIT\n", inside, "nobody rule :1"},
		{"DOCKER-USER lets a network", "-A DOCKER-USER ! -s 10.0.0.0/8 -i eth0 -j DROP\nCOMMIT\n", inside, "some rule [10.0.0.0/8] :1"},
		{"DOCKER-USER by what it was for", "-A DOCKER-USER -i eth0 -p tcp -m tcp --dport 16379 -j DROP\nCOMMIT\n", inside, "anywhere rule :1"},
		{"DOCKER-USER by what it was for at first", "-A DOCKER-USER -p tcp -m conntrack --ctorigdstport 16379 --ctdir ORIGINAL -j DROP\nCOMMIT\n", inside, "some routed [198.51.100.0/24] :1"},
		{"DOCKER-USER by another port", "-A DOCKER-USER -p tcp -m conntrack --ctorigdstport 6379 --ctdir ORIGINAL -j DROP\nCOMMIT\n", inside, "anywhere rule :1"},
		{"another port of the container", "COMMIT\n", Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 80, NetNS: 2}, "nobody policy"},
		{"its loopback", "COMMIT\n", Door{Proto: "tcp", Addr: netip.MustParseAddr("127.0.0.1"), Port: 6379, NetNS: 2}, "nobody loopback"},
		{"the host's own listener", "COMMIT\n", own, "nobody nat :2"},
		{"and what it passes on to", "COMMIT\n", Door{Proto: "tcp", Addr: own.Addr, Port: 16379, Also: netip.MustParseAddrPort("172.17.0.2:6379")}, "anywhere rule :1"},
		{"udp is not published", "COMMIT\n", Door{Proto: "udp", Addr: own.Addr, Port: 6379, NetNS: 2}, "nobody policy"},
	} {
		nets := dockerHost()
		r := NetOf(&fact.Snapshot{Network: nets, Firewall: live(dockerNat+dockerForward+c.more, false)}).Reach(c.door)
		if got := said(r); got != c.want {
			t.Errorf("%s: got %q, want %q (%+v)", c.name, got, c.want, r)
		}
	}
}

func TestReachNetworks(t *testing.T) {
	inside := Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 6379, NetNS: 2}
	redirected := "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 8080 -j ACCEPT\nCOMMIT\n"
	for _, c := range []struct {
		name   string
		rules  string
		change func([]fact.Network)
		door   Door
		want   string
	}{
		{"no rules, a private address", "", nil, inside, "some routed [198.51.100.0/24]"},
		{"the host passes nothing on", "", func(n []fact.Network) { n[0].Forwards4 = false }, inside, "nobody isolated"},
		{"nothing but lo", "", func(n []fact.Network) { n[1].Interfaces = n[1].Interfaces[:1] }, inside, "nobody isolated"},
		{"beside the packet filter", "", func(n []fact.Network) { n[0].Interfaces[2].Name = "cilium_host" }, inside, "cannot-tell namespace"},
		{"balanced", filter("DROP"), func(n []fact.Network) { n[0].IPVS = true }, inside, "cannot-tell namespace [198.51.100.0/24]"},
		{"balanced, but alone", "", func(n []fact.Network) { n[0].IPVS, n[1].Interfaces = true, n[1].Interfaces[:1] }, inside, "nobody isolated"},
		{"balanced, the host's own", filter("DROP"), func(n []fact.Network) { n[0].IPVS = true }, Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 80}, "nobody policy"},
		{"macvlan", filter("DROP"), func(n []fact.Network) { n[1].Interfaces[1].Kind = "macvlan" }, inside, "anywhere no-rules"},
		{"its own packet filter", dockerNat, func(n []fact.Network) {
			n[1].Firewall = live(filter("DROP", "-A INPUT -i eth1 -j ACCEPT"), false)
		}, inside, "nobody policy"},
		{"redirect", redirected, nil, Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 8080}, "anywhere rule :1"},
		{"the port that is redirected", redirected, nil, Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 80}, "nobody nat :1"},
		{"only from containers", filter("DROP", "-A INPUT -i docker0 -j ACCEPT"), nil, Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 80}, "some interface [172.17.0.0/16] :1"},
		{"an interface that is not there", filter("DROP", "-A INPUT -i eth7 -j ACCEPT"), nil, Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 80}, "nobody policy"},
		{"to another address of the host", filter("DROP", "-A INPUT -d 198.51.100.11/32 -j ACCEPT"), nil, Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 80}, "nobody policy"},
		{"a second uplink", filter("DROP", "-A INPUT -i eth1 -j ACCEPT"), func(n []fact.Network) {
			n[0].Interfaces = append(n[0].Interfaces, fact.Interface{Index: 7, Name: "eth1", Up: true, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24")}})
			n[0].Routes = append(n[0].Routes, fact.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Dev: 7, Table: 100})
		}, Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 80}, "anywhere rule :1"},
		{"a tunnel with a table of its own", filter("DROP", "-A INPUT -i wg0 -j ACCEPT"), func(n []fact.Network) {
			n[0].Interfaces = append(n[0].Interfaces, fact.Interface{Index: 7, Name: "wg0", Kind: "wireguard", Up: true, Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}})
			n[0].Routes = append(n[0].Routes, fact.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Dev: 7, Table: 51820})
		}, Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 80}, "some interface [10.9.0.0/24] :1"},
		{"a map", "table ip n {\n chain p {\n type nat hook prerouting priority -100;\n dnat to tcp dport map { 80 : 10.0.0.1 }\n }\n}\n", nil, Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 80}, "cannot-tell nat :1"},
	} {
		nets := dockerHost()
		if c.change != nil {
			c.change(nets)
		}
		r := NetOf(&fact.Snapshot{Network: nets, Firewall: live(c.rules, false)}).Reach(c.door)
		if got := said(r); got != c.want {
			t.Errorf("%s: got %q, want %q (%+v)", c.name, got, c.want, r)
		}
	}
}

// kubeNat is what kube-proxy makes of a service of type NodePort.
const kubeNat = "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:KUBE-NODEPORTS - [0:0]\n:KUBE-EXT-A - [0:0]\n:KUBE-SVC-A - [0:0]\n:KUBE-SEP-A - [0:0]\n" +
	"-A PREROUTING -j KUBE-SERVICES\n-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n%s" +
	"-A KUBE-NODEPORTS -p tcp -m tcp --dport 30080 -j KUBE-EXT-A\n-A KUBE-EXT-A -j KUBE-SVC-A\n-A KUBE-SVC-A -j KUBE-SEP-A\n" +
	"-A KUBE-SEP-A -p tcp -m tcp -j DNAT --to-destination 172.17.0.2:8080\nCOMMIT\n"

// The port of a node stands in a chain that leads to the rule which names the
// address, and so does an address of the service.
func TestReachNodePort(t *testing.T) {
	many := strings.Builder{}
	for p := range 100 {
		fmt.Fprintf(&many, "-A KUBE-NODEPORTS -s 192.0.2.1/32 -p tcp -m tcp --dport %d -j KUBE-EXT-A\n", 2000+3*p)
	}
	for _, c := range []struct {
		name, more, rest string
		want             string
		to               int
	}{
		{"a port of the node", "", filter("DROP"), "anywhere policy", 30080},
		{"only that port", "", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 30080 -j DROP\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT\nCOMMIT\n", "nobody routing", 0},
		{"an address of the service", "-A KUBE-SERVICES -d 203.0.113.80/32 -p tcp -m tcp --dport 80 -j KUBE-EXT-A\n",
			"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 30080 -j DROP\nCOMMIT\n", "anywhere policy", 80},
		{"more than is tried", many.String(), "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 30080 -j DROP\n-A PREROUTING -d 172.17.0.2/32 -j DROP\nCOMMIT\n",
			"cannot-tell too-complex [192.0.2.1/32]", 2000},
	} {
		n := NetOf(&fact.Snapshot{Network: dockerHost(), Firewall: live(fmt.Sprintf(kubeNat, c.more)+c.rest, false)})
		r := n.Reach(Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: 8080, NetNS: 2})
		if got := said(r); got != c.want || r.To != c.to {
			t.Errorf("%s: got %q, want %q (%+v)", c.name, got, c.want, r)
		}
	}
}

// With route_localnet a rule can send packets of other hosts to a loopback
// address; what only the host itself meets cannot.
func TestReachLoopback(t *testing.T) {
	head := "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:P - [0:0]\n"
	rule := "-p tcp --dport 80 -j DNAT --to-destination 127.0.0.1:6379\n"
	for name, c := range map[string]struct {
		rules, want string
		port        int
	}{
		"before the routing":   {"-A PREROUTING " + rule, "cannot-tell nat :1", 6379},
		"in a chain":           {"-A PREROUTING -j P\n-A P " + rule, "cannot-tell nat :1", 6379},
		"of the host itself":   {"-A OUTPUT " + rule, "nobody loopback", 6379},
		"in a chain of its":    {"-A OUTPUT -j P\n-A P " + rule, "nobody loopback", 6379},
		"to another port":      {"-A PREROUTING " + rule, "nobody loopback", 6380},
		"to the port it is of": {"-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 127.0.0.1\n", "cannot-tell nat :1", 80},
	} {
		s := redisHost()
		s.Network, s.Firewall = dockerHost(), live(head+c.rules+"COMMIT\n", false)
		r := NetOf(s).Reach(Door{Proto: "tcp", Addr: netip.MustParseAddr("127.0.0.1"), Port: c.port})
		if got := said(r); got != c.want || (r.Chain == "") != (r.Because == nil) {
			t.Errorf("%s: got %q, want %q (%+v)", name, got, c.want, r)
		}
		s.Socket = append(s.Socket, fact.Socket{Ref: "socket:77", Proto: "tcp", State: "LISTEN", Local: netip.MustParseAddr("127.0.0.1"), Port: c.port, Inode: 77, NetNS: 1})
		want, _, _ := strings.Cut(c.want, " ")
		for _, e := range New(s).Exposures {
			if e.Ref == "exposure:socket:77" && e.From != want && (e.From != "local" || want != "nobody") {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
}

// The way to everywhere counts, whatever number it has among many interfaces.
func TestReachManyInterfaces(t *testing.T) {
	nets := dockerHost()
	own := &nets[0]
	var before []fact.Interface
	var rules []string
	for i := range 60 {
		name := fmt.Sprintf("vlan%d", i)
		before = append(before, fact.Interface{Index: 100 + i, Name: name, Up: true})
		rules = append(rules, "-A INPUT -i "+name+" -j DROP")
	}
	own.Interfaces = append(before, own.Interfaces...)
	for policy, want := range map[string]string{"ACCEPT": "anywhere policy", "DROP": "cannot-tell too-complex"} {
		r := NetOf(&fact.Snapshot{Network: nets, Firewall: live(filter(policy, rules...), false)}).Reach(Door{Proto: "tcp", Addr: any4, Port: 22})
		if got := said(r); got != want {
			t.Errorf("%s: got %q, want %q", policy, got, want)
		}
	}
}

// A container is shown once, with the port that leads to it: its docker-proxy
// is not a second listener.
func TestExposureOfContainer(t *testing.T) {
	s := redisHost()
	s.Network = dockerHost()
	s.Firewall = live(dockerNat+dockerForward+"COMMIT\n", false)
	s.Container = []fact.Container{{ID: "0123456789abcdef", Name: "cache", Image: "redis:7"}}
	s.Process = append(s.Process,
		fact.Process{Ref: "process:50", PID: 50, Comm: "redis-server", Container: "0123456789ab", NetNS: 2, Sockets: []uint64{30}},
		fact.Process{Ref: "process:51", PID: 51, Comm: "docker-proxy", NetNS: 1, Sockets: []uint64{31}, Argv: []string{"/usr/bin/docker-proxy",
			"-proto", "tcp", "-host-ip", "0.0.0.0", "-host-port", "16379", "-container-ip", "172.17.0.2", "-container-port", "6379"}})
	s.Socket = append(s.Socket,
		fact.Socket{Ref: "socket:30", Proto: "tcp", State: "LISTEN", Local: any4, Port: 6379, Inode: 30, NetNS: 2},
		fact.Socket{Ref: "socket:31", Proto: "tcp", State: "LISTEN", Local: any4, Port: 16379, Inode: 31, NetNS: 1})
	e := exposureOf(t, s, 6379)
	if e.From != "anywhere" || e.Container != "cache" || e.Image != "redis:7" || len(e.Published) != 1 || e.Published[0] != "0.0.0.0:16379" || e.By == "" {
		t.Errorf("%+v", e)
	}
	for _, o := range New(s).Exposures {
		if o.Port == 16379 {
			t.Errorf("the proxy is shown too: %+v", o)
		}
	}
	docker := slices.IndexFunc(s.Process, func(p fact.Process) bool { return p.PID == 51 })
	s.Process[docker].Argv[6] = "16380"
	s.Process[docker].NetNS = 3 // the proxy of another Docker, within a container
	if e := exposureOf(t, s, 6379); len(e.Published) != 1 {
		t.Errorf("published by another network's Docker: %v", e.Published)
	}
	s.Process[docker].Argv[6], s.Process[docker].NetNS = "16379", 1
	s.Socket = append(s.Socket[:len(s.Socket)-2], s.Socket[len(s.Socket)-1]) // the container's is not seen
	if e := exposureOf(t, s, 16379); e.From != "anywhere" {
		t.Errorf("the proxy alone: %+v", e)
	}
}

func TestProxyOf(t *testing.T) {
	y, ok := proxyOf(&fact.Process{Argv: []string{"docker-proxy", "-proto=udp", "--host-ip=::", "-host-port", "53", "-container-ip", "172.17.0.2", "-container-port", "5353", "-use-listen-fd"}})
	if !ok || y.proto != "udp" || y.listens.String() != "[::]:53" || y.passes.String() != "172.17.0.2:5353" {
		t.Errorf("%+v %v", y, ok)
	}
	if _, ok := proxyOf(&fact.Process{Argv: []string{"docker-proxy", "-version"}}); ok {
		t.Error("a proxy without ports")
	}
}
