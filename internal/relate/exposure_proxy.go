package relate

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
)

// proxy is a docker-proxy: it listens on a published port of the host and passes
// on what no rule of address translation took before
// (github.com/moby/moby/cmd/docker-proxy).
type proxy struct {
	process *fact.Process
	proto   string
	listens netip.AddrPort
	passes  netip.AddrPort
	told    bool // its container's listener says all of it
}

// proxies are those of demine's own network: one of a Docker within a container
// listens there.
func (x *Index) proxies() (out []*proxy) {
	own := uint64(0)
	if self := x.PID(x.S.Host.Self); self != nil {
		own = self.NetNS
	}
	for i := range x.S.Process {
		p := &x.S.Process[i]
		if here := own == 0 || p.NetNS == 0 || p.NetNS == own; here && p.Comm == "docker-proxy" && p.UID == 0 {
			if y, ok := proxyOf(p); ok {
				out = append(out, y)
			}
		}
	}
	return out
}

func proxyOf(p *fact.Process) (*proxy, bool) {
	flags := map[string]string{}
	for i := 1; i < len(p.Argv); i++ {
		name, value, joined := strings.Cut(strings.TrimLeft(p.Argv[i], "-"), "=")
		if !joined && i+1 < len(p.Argv) {
			value = p.Argv[i+1]
		}
		if strings.HasPrefix(p.Argv[i], "-") {
			flags[name] = value
		}
	}
	at := func(who string) netip.AddrPort {
		a, _ := netip.ParseAddr(flags[who+"-ip"])
		n, _ := strconv.ParseUint(flags[who+"-port"], 10, 16)
		return netip.AddrPortFrom(a, uint16(n))
	}
	y := &proxy{process: p, proto: flags["proto"], listens: at("host"), passes: at("container")}
	return y, y.listens.IsValid() && y.passes.IsValid()
}

// passesTo is where the docker-proxy that is that process passes on to.
func passesTo(process fact.Ref, proxies []*proxy) netip.AddrPort {
	for _, y := range proxies {
		if y.process.Ref == process {
			return y.passes
		}
	}
	return netip.AddrPort{}
}

func spokenFor(process fact.Ref, proxies []*proxy) bool {
	return process != "" && slices.ContainsFunc(proxies, func(y *proxy) bool { return y.told && y.process.Ref == process })
}

// throughProxies widens the answer for a container's listener by those who come
// through a docker-proxy, and marks it as told.
func (n *Net) throughProxies(e *Exposure, d Door, r Reach, proxies []*proxy) Reach {
	for _, y := range proxies {
		if !n.passesOn(y, d) || y.listens.Addr().Is6() != d.V6 {
			continue
		}
		y.told = true
		if name := y.listens.String(); !slices.Contains(e.Published, name) {
			e.Published = append(e.Published, name)
		}
		at := Door{Proto: d.Proto, Addr: y.listens.Addr(), Port: int(y.listens.Port()), V6: d.V6, Also: y.passes}
		if p := n.Reach(at); rank(p.From) > rank(r.From) {
			r = p
		}
	}
	return r
}

// publicName is the address and port of the host that a rule publishes, as
// Docker writes them.
func publicName(r Reach, v6 bool) string {
	a := netip.IPv4Unspecified()
	if v6 {
		a = netip.IPv6Unspecified()
	}
	if len(r.By.Dst) == 1 && r.By.Dst[0].IsSingleIP() && !r.By.NotDst {
		a = r.By.Dst[0].Addr()
	}
	return netip.AddrPortFrom(a, uint16(r.To)).String()
}

// passesOn reports whether a proxy is for a container's listener.
func (n *Net) passesOn(y *proxy, d Door) bool {
	in := n.other(d.NetNS)
	return y.proto == d.Proto && int(y.passes.Port()) == d.Port && in != nil && owner(in, y.passes.Addr()) != nil
}

// proxied6: a docker-proxy also takes packets of IPv6 for a container that has
// only IPv4.
func (n *Net) proxied6(d Door, proxies []*proxy) bool {
	return slices.ContainsFunc(proxies, func(y *proxy) bool { return y.listens.Addr().Is6() && n.passesOn(y, d) })
}
