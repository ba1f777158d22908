package relate

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"

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
	Saved    []fact.Origin  `json:"saved,omitempty"` // where the same rule is persisted
	Auth     string         `json:"auth"`            // none, password, key, unknown
	Peers    int            `json:"peers"`           // established connections from other hosts
	NetNS    uint64         `json:"netns,omitempty"`
	Lease    string         `json:"lease"`
}

func (x *Index) exposures() []Exposure {
	var out []Exposure
	for i := range x.S.Socket {
		s := &x.S.Socket[i]
		if !s.Listening() || s.Inode == 0 {
			continue
		}
		out = append(out, x.exposure(s))
	}
	sort.SliceStable(out, func(i, j int) bool { return openness(out[i].From) > openness(out[j].From) })
	return out
}

// openness orders From by how much it lets in.
func openness(from string) int {
	return slices.Index([]string{"nobody", "local", "cannot-tell", "some", "anywhere"}, from)
}

func (x *Index) exposure(s *fact.Socket) Exposure {
	proto := s.Proto[:3]
	e := Exposure{
		Ref:      fact.Ref("exposure:" + string(s.Ref)),
		Listener: fmt.Sprintf("%s %s", proto, netip.AddrPortFrom(s.Local, uint16(s.Port))),
		Proto:    proto, Addr: s.Local.String(), Port: s.Port, NetNS: s.NetNS, Auth: "unknown",
	}
	x.describeOwner(&e, s)
	e.Peers = x.peers(s)
	x.reachable(&e, s, proto)
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
		e.Service, e.Auth = sv.Name, sv.Auth
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

func (x *Index) reachable(e *Exposure, s *fact.Socket, proto string) {
	local := s.Local.Unmap()
	if local.IsLoopback() {
		e.From, e.Why = "local", "loopback"
		return
	}
	if self := x.PID(x.S.Host.Self); self != nil && self.NetNS != 0 && s.NetNS != self.NetNS {
		e.From, e.Why = "cannot-tell", "namespace"
		return
	}
	if ok, _ := x.Covered("firewall"); !ok {
		e.From, e.Why = "cannot-tell", "firewall-unseen"
		return
	}
	var best Reach
	try := func(v6 bool) string {
		r := reach(x.S.Firewall, proto, local, s.Port, v6)
		if best.From == "" || openness(r.From) > openness(best.From) {
			best = r
		}
		return r.From
	}
	if local.Is4() || (local.IsUnspecified() && !s.V6Only) {
		e.V4 = try(false)
	}
	if local.Is6() {
		e.V6 = try(true)
	}
	e.From, e.Sources, e.Why, e.Chain = best.From, best.Sources, best.Why, best.Chain
	if best.Because != nil {
		e.Because, e.RuleN = best.Because.Text, best.Because.N
		e.Saved = x.savedTwins(best.Because)
	}
	for i := range x.S.Firewall {
		if x.S.Firewall[i].Ref == best.Ruleset {
			e.Backend = x.S.Firewall[i].Backend
		}
	}
}

// savedTwins finds the persisted rules that do what a rule in force does.
func (x *Index) savedTwins(r *fact.Rule) []fact.Origin {
	var out []fact.Origin
	for i := range x.S.Firewall {
		if x.S.Firewall[i].Persisted == "" {
			continue
		}
		for _, c := range x.S.Firewall[i].Chains {
			for j := range c.Rules {
				if sameEffect(&c.Rules[j], r) {
					out = append(out, c.Rules[j].Origin)
				}
			}
		}
	}
	return out
}

func sameEffect(a, b *fact.Rule) bool {
	return a.Verdict == b.Verdict && a.Proto == b.Proto && len(a.DPort) > 0 &&
		slices.Equal(a.DPort, b.DPort) && slices.Equal(a.Src, b.Src) && slices.Equal(a.Dst, b.Dst) &&
		a.In == b.In && slices.Equal(a.CTState, b.CTState)
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
