package relate

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"time"

	"demine/internal/fact"
)

// Exposure is a listener and who can reach it: bind address × packet filter ×
// authentication.
type Exposure struct {
	Ref      fact.Ref       `json:"ref"`
	Listener string         `json:"listener"` // "tcp 0.0.0.0:6380"
	Proto    string         `json:"proto"`    // tcp, udp
	Addr     string         `json:"addr"`
	Port     int            `json:"port"`
	Process  fact.Ref       `json:"process,omitempty"`
	PID      int            `json:"pid,omitempty"`
	Exe      fact.Path      `json:"exe,omitempty"`
	User     string         `json:"user,omitempty"`
	Service  string         `json:"service,omitempty"` // redis, sshd …; else the program's name
	From     string         `json:"from"`              // anywhere, some, local, nobody, cannot-tell
	Sources  []netip.Prefix `json:"sources,omitempty"`
	V4       string         `json:"v4,omitempty"` // the same for IPv4 and IPv6 alone
	V6       string         `json:"v6,omitempty"`
	Because  string         `json:"because"`         // text of the rule, or empty
	Why      string         `json:"why"`             // code: rule, policy, no-rules, loopback, namespace, nat, unknown-match
	Chain    string         `json:"chain,omitempty"` // and its place
	RuleN    int            `json:"rule_n,omitempty"`
	Backend  string         `json:"backend,omitempty"`
	Saved    []fact.Origin  `json:"saved,omitempty"`   // where the same rule is persisted
	SavedBy  time.Time      `json:"saved_by,omitzero"` // the rule is no younger: one of those files was last changed then
	Auth     string         `json:"auth"`              // none, password, key, unknown
	Peers    int            `json:"peers"`             // established connections from other hosts
	NetNS    uint64         `json:"netns,omitempty"`
	Lease    string         `json:"lease"`

	Apart     bool      `json:"apart,omitempty"`     // in another network namespace than demine's
	Container string    `json:"container,omitempty"` // name of the container that listens
	Image     string    `json:"image,omitempty"`
	Published []string  `json:"published,omitempty"` // addresses and ports of the host that lead to it: "0.0.0.0:6379"
	By        string    `json:"by,omitempty"`        // text of the rule of address translation
	Opened    []Opening `json:"opened,omitempty"`    // commands that let somebody reach it
}

func (x *Index) exposures() []Exposure {
	var out []Exposure
	n := NetOf(x.S)
	proxies := x.proxies()
	for i := range x.S.Socket {
		s := &x.S.Socket[i]
		if !s.Listening() || s.Inode == 0 {
			continue
		}
		out = append(out, x.exposure(n, s, proxies))
	}
	out = slices.DeleteFunc(out, func(e Exposure) bool { return spokenFor(e.Process, proxies) })
	sort.SliceStable(out, func(i, j int) bool { return openness(out[i].From) > openness(out[j].From) })
	return out
}

// openness orders From by how much it lets in.
func openness(from string) int {
	return slices.Index([]string{"nobody", "local", "cannot-tell", "some", "anywhere"}, from)
}

func (x *Index) exposure(n *Net, s *fact.Socket, proxies []*proxy) Exposure {
	proto := s.Proto[:3]
	e := Exposure{
		Ref:      fact.Ref("exposure:" + string(s.Ref)),
		Listener: fmt.Sprintf("%s %s", proto, netip.AddrPortFrom(s.Local, uint16(s.Port))),
		Proto:    proto, Addr: s.Local.String(), Port: s.Port, NetNS: s.NetNS, Auth: "unknown",
	}
	x.describeOwner(&e, s)
	e.Peers = x.peers(s)
	x.reachable(&e, n, s, proxies)
	e.Opened = x.opened(&e)
	e.Lease = x.leasesOf(&e)
	return e
}

func (x *Index) describeOwner(e *Exposure, s *fact.Socket) {
	owners := x.Owners(s)
	if len(owners) == 0 {
		return
	}
	p := owners[0] // a parent before its workers: pids are read in order
	for _, o := range owners {
		if o.PID < p.PID {
			p = o
		}
	}
	e.Process, e.PID, e.Exe, e.User, e.Service = p.Ref, p.PID, p.Exe, p.User, p.Comm
	if sv := x.ServiceOf(p); sv != nil {
		e.Service = sv.Name
		if slices.Contains(sv.AuthAt, e.Port) {
			e.Auth = sv.Auth
		}
	}
	if c := x.ContainerOf(p); c != nil {
		e.Container, e.Image = c.Name, c.Image
	}
}

// peers counts established connections from other hosts to a listener.
func (x *Index) peers(s *fact.Socket) int {
	n := 0
	for i := range x.S.Socket {
		c := &x.S.Socket[i]
		if c.State == "ESTABLISHED" && c.Port == s.Port && c.NetNS == s.NetNS &&
			c.Proto[:3] == s.Proto[:3] && !c.Peer.Unmap().IsLoopback() && c.Peer.Unmap() != c.Local.Unmap() {
			n++
		}
	}
	return n
}

func (x *Index) reachable(e *Exposure, n *Net, s *fact.Socket, proxies []*proxy) {
	local := s.Local.Unmap()
	if d := (Door{Proto: e.Proto, Addr: local, Port: s.Port, NetNS: s.NetNS}); local.IsLoopback() && n.toLoopback(d) == nil {
		e.From, e.Why = "local", "loopback"
		return
	}
	self := x.PID(x.S.Host.Self)
	apart := self != nil && self.NetNS != 0 && s.NetNS != self.NetNS
	e.Apart = apart
	if apart && n.other(s.NetNS) == nil {
		e.From, e.Why = "cannot-tell", "namespace"
		return
	}
	if ok, _ := x.Covered("firewall"); !ok {
		e.From, e.Why = "cannot-tell", "firewall-unseen"
		return
	}
	d := Door{Proto: e.Proto, Addr: local, Port: s.Port, NetNS: s.NetNS}
	if !apart {
		d.NetNS, d.Also = 0, passesTo(e.Process, proxies)
	}
	var best Reach
	try := func(v6 bool) string {
		d.V6 = v6
		r := Reach{From: "nobody"}
		if !v6 || local.Is6() {
			r = n.Reach(d)
		}
		if r.By != nil {
			e.Published = append(e.Published, publicName(r, v6))
		}
		if apart {
			r = n.throughProxies(e, d, r, proxies)
		}
		if best.From == "" || openness(r.From) > openness(best.From) {
			best = r
		}
		return r.From
	}
	if local.Is4() || (local.IsUnspecified() && !s.V6Only) {
		e.V4 = try(false)
	}
	if local.Is6() || apart && n.proxied6(d, proxies) {
		e.V6 = try(true)
	}
	x.because(e, n, best)
}

// because says what a Reach rests on.
func (x *Index) because(e *Exposure, n *Net, r Reach) {
	e.From, e.Sources, e.Why, e.Chain = r.From, r.Sources, r.Why, r.Chain
	if r.By != nil {
		e.By = r.By.Text
	}
	if r.Because != nil {
		e.Because, e.RuleN = r.Because.Text, r.Because.N
		e.Saved, e.SavedBy = x.savedTwins(r.Because)
	}
	sets := n.Filter
	if o := n.other(e.NetNS); o != nil {
		sets = slices.Concat(sets, o.Firewall)
	}
	for i := range sets {
		if sets[i].Ref == r.Ruleset {
			e.Backend = sets[i].Backend
			return
		}
	}
}

// savedTwins finds the persisted rules that do what a rule in force does, and
// when the oldest of their files was last changed. The time of a status change
// is taken, which nobody can set.
func (x *Index) savedTwins(r *fact.Rule) (out []fact.Origin, by time.Time) {
	for i := range x.S.Firewall {
		set := &x.S.Firewall[i]
		if set.Persisted == "" {
			continue
		}
		for _, c := range set.Chains {
			for j := range c.Rules {
				if !sameEffect(&c.Rules[j], r) {
					continue
				}
				out = append(out, c.Rules[j].Origin)
				if !set.Changed.IsZero() && (by.IsZero() || set.Changed.Before(by)) {
					by = set.Changed
				}
			}
		}
	}
	return out, by
}

func sameEffect(a, b *fact.Rule) bool {
	return a.Verdict == b.Verdict && a.Proto == b.Proto && len(a.DPort) > 0 &&
		slices.Equal(a.DPort, b.DPort) && slices.Equal(a.Src, b.Src) && slices.Equal(a.Dst, b.Dst) &&
		a.In == b.In && slices.Equal(a.CTState, b.CTState) && a.Mark == b.Mark
}

// Serves counts the connections from other hosts to the listeners of a
// process.
func (x *Index) Serves(p *fact.Process) int {
	n := 0
	for _, s := range x.Sockets(p) {
		if s.State == "LISTEN" {
			n += x.peers(s)
		}
	}
	return n
}
