package agent

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/lease"
	"demine/internal/observe"
	"demine/internal/relate"
)

// sight is what is known of the host when a lease is decided: the packet filter,
// the networks, and what listens at the port with how it lets people in.
type sight struct {
	snap *fact.Snapshot
	x    *relate.Index
	by   lease.Person
}

// port is one of this host.
type port struct {
	proto string
	n     int
}

// see looks at what concerns these ports and nothing else.
func (l *Leases) see(ctx context.Context, ports map[port]bool, noProbe bool) sight {
	return l.seeAmong(ctx, l.around(ctx), ports, noProbe)
}

// around begins to look at what runs on the host and at its packet filter, and
// gives it when it is asked for, once: records and the table of leases can be read meanwhile.
func (l *Leases) around(ctx context.Context) func() *fact.Snapshot {
	seen := make(chan *fact.Snapshot, 1) // also when nobody asks
	go func() {
		seen <- l.observe(ctx, nil, observe.Scope{Served: true}, "host", "account", "process", "socket", "network", "firewall")
	}()
	return func() *fact.Snapshot { return <-seen }
}

func (l *Leases) seeAmong(ctx context.Context, around func() *fact.Snapshot, ports map[port]bool, noProbe bool) sight {
	snap := around()
	snap.Socket = concerned(snap, ports)
	known := l.observe(ctx, servers(snap), observe.Scope{NoProbe: noProbe}, "service", "redis", "sshd")
	snap.Service, snap.Coverage = known.Service, known.Coverage
	x := relate.New(snap)
	return sight{snap, x, l.person(x)}
}

// withoutRule is the same host as it will be once a rule is gone.
func (s *sight) withoutRule(o *relate.OpenRule) sight {
	snap := *s.snap
	snap.Firewall = o.Without(snap.Firewall)
	return sight{&snap, relate.New(&snap), s.by}
}

// operator looks at who runs demine alone.
func (l *Leases) operator(ctx context.Context) lease.Person {
	snap := l.observe(ctx, nil, observe.Scope{Lineage: true, Served: true}, "host", "account", "process", "socket")
	snap.Socket = concerned(snap, nil)
	return l.person(relate.New(snap))
}

// filterAgain is the same host with its packet filter read again.
func (l *Leases) filterAgain(ctx context.Context, s *fact.Snapshot) *fact.Snapshot {
	now := l.observe(ctx, nil, observe.Scope{}, "firewall")
	again := *s
	again.Firewall, again.Coverage, again.Taken = now.Firewall, now.Coverage, now.Taken
	return &again
}

func (l *Leases) observe(ctx context.Context, base *fact.Snapshot, sc observe.Scope, names ...string) *fact.Snapshot {
	var obs []*observe.Observer
	for _, o := range observe.All {
		if named(names...)(o) {
			obs = append(obs, o)
		}
	}
	return observe.Run(ctx, l.h, obs, sc, base)
}

// concerned leaves out the host's listeners on other ports: who reaches them
// would be worked out as well.
func concerned(s *fact.Snapshot, ports map[port]bool) []fact.Socket {
	own := ownNetNS(s)
	var out []fact.Socket
	for _, k := range s.Socket {
		if !k.Listening() || len(ports) > 0 && (k.NetNS != own || ports[port{k.Proto[:3], k.Port}]) {
			out = append(out, k)
		}
	}
	return out
}

func ownNetNS(s *fact.Snapshot) uint64 {
	for i := range s.Process {
		if s.Process[i].PID == s.Host.Self {
			return s.Process[i].NetNS
		}
	}
	return 0
}

// servers is the snapshot with those processes alone that hold one of its
// listeners, and demine: the settings of other servers are not read, and they
// are not asked.
func servers(s *fact.Snapshot) *fact.Snapshot {
	listens := map[uint64]bool{}
	for _, k := range s.Socket {
		listens[k.Inode] = k.Inode != 0 && k.Listening()
	}
	few := *s
	few.Process = nil
	for _, p := range s.Process {
		holds := p.PID == s.Host.Self
		for _, n := range p.Sockets {
			holds = holds || listens[n]
		}
		if holds {
			few.Process = append(few.Process, p)
		}
	}
	return &few
}

// person is who runs demine, with the account that they logged in to: that of
// the audit system (credentials(7): loginuid), else of the nearest program above
// demine that does not run as root.
func (l *Leases) person(x *relate.Index) lease.Person {
	p := lease.Person{Operator: operatorIn(x, l.settings.Version)}
	uid, ok := l.loginUID()
	if self := x.PID(x.S.Host.Self); !ok && self != nil {
		for _, a := range x.Ancestors(self) {
			if a.RUID != 0 {
				uid = a.RUID
				break
			}
		}
	}
	p.Account = accountName(x.S, uid)
	return p
}

// noLogin is AUDIT_UID_UNSET: nobody logged in, as for what the system started.
const noLogin = 1<<32 - 1

func (l *Leases) loginUID() (int, bool) {
	b, _, err := l.h.Files.ReadFile("/proc/self/loginuid", 16)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32)
	if err != nil || n == noLogin {
		return 0, false
	}
	return int(n), true
}

func accountName(s *fact.Snapshot, uid int) string {
	for i := range s.Account {
		if s.Account[i].UID == uid {
			return s.Account[i].Name
		}
	}
	return fmt.Sprint(uid)
}

// peer is the address that the operator is connected from.
func (s *sight) peer() (netip.Prefix, bool) {
	a, err := netip.ParseAddr(s.by.Peer)
	if err != nil || a.IsLoopback() {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a.Unmap().WithZone(""), a.Unmap().BitLen()), true
}
