package respond

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/relate"
)

// alwaysKept are the sources of a cloud's own machinery: load balancers' health
// checks (100.64.0.0/10, RFC 6598) and the metadata service.
var alwaysKept = []netip.Prefix{netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("169.254.169.254/32")}

// clients are who is connected to a port now.
type clients struct {
	remote []peer   // of other hosts, most connections first
	local  []string // names of the processes of this host
}

type peer struct {
	addr netip.Addr
	n    int
}

func clientsOf(x *relate.Index, e *relate.Exposure) clients {
	var c clients
	own := ownAddresses(x)
	for i := range x.S.Socket {
		s := &x.S.Socket[i]
		if s.State != "ESTABLISHED" || s.NetNS != e.NetNS || !strings.HasPrefix(s.Proto, e.Proto) {
			continue
		}
		peer := s.Peer.Unmap()
		here := peer.IsLoopback() || own[peer]
		switch {
		case s.Port == e.Port && !here:
			c.add(peer)
		case s.PeerPort == e.Port && here:
			for _, p := range x.Owners(s) {
				if !slices.Contains(c.local, p.Comm) {
					c.local = append(c.local, p.Comm)
				}
			}
		}
	}
	slices.SortStableFunc(c.remote, func(a, b peer) int { return b.n - a.n })
	return c
}

func (c *clients) add(a netip.Addr) {
	i := slices.IndexFunc(c.remote, func(p peer) bool { return p.addr == a })
	if i < 0 {
		c.remote = append(c.remote, peer{a, 1})
		return
	}
	c.remote[i].n++
}

// ownAddresses are the host's, as far as its sockets name them.
func ownAddresses(x *relate.Index) map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for i := range x.S.Socket {
		if a := x.S.Socket[i].Local.Unmap(); a.IsValid() && !a.IsUnspecified() {
			out[a] = true
		}
	}
	return out
}

// private reports whether an address is of an inside network: RFC 1918, RFC
// 4193, RFC 6598 or link-local.
func private(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLinkLocalUnicast() || alwaysKept[0].Contains(a)
}

// keptSources are who keeps the way in: a cloud's machinery, the clients of
// inside networks, the operator, whom the request names, and who keeps it now
// if the port is shut already: a run before, or another operator's, meant them;
// never an intruder. The second result names them for people.
func keptSources(m *Making, c clients, bad []netip.Addr, now *Shut) (keep []netip.Prefix, who []string) {
	add := func(p netip.Prefix) {
		parts := lessAddrs(p.Masked(), bad)
		if len(parts) == 1 && !slices.Contains(keep, parts[0]) {
			who = append(who, shownPrefix(parts[0]))
		}
		keep = append(keep, parts...)
	}
	for _, p := range c.remote {
		if private(p.addr) {
			add(single(p.addr))
		}
	}
	if a, err := netip.ParseAddr(m.Scan.Operator.Peer); err == nil {
		add(single(a.Unmap()))
	}
	for _, p := range m.Req.Keep {
		if slices.ContainsFunc(bad, p.Contains) {
			m.Leave("left.door.keep-intruder", "keep", p.String())
		}
		add(p)
	}
	if now != nil {
		for _, p := range now.Keep {
			add(p)
		}
	}
	for _, p := range alwaysKept {
		add(p)
	}
	return keep, who
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a.WithZone(""), a.BitLen()) }

func shownPrefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func covered(in []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(in, func(p netip.Prefix) bool { return p.Contains(a) })
}

// lessAddrs is a prefix less some addresses, as prefixes.
func lessAddrs(p netip.Prefix, bad []netip.Addr) []netip.Prefix {
	if !slices.ContainsFunc(bad, p.Contains) {
		return []netip.Prefix{p}
	}
	if p.IsSingleIP() {
		return nil
	}
	low := netip.PrefixFrom(p.Addr(), p.Bits()+1)
	b := p.Addr().AsSlice()
	b[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	high, _ := netip.AddrFromSlice(b)
	return append(lessAddrs(low, bad), lessAddrs(netip.PrefixFrom(high, p.Bits()+1), bad)...)
}

// intruders are the addresses that the incident's facts name: hosts of URLs in
// its implants, whom its processes are connected to, and where its keys logged
// in from.
func intruders(x *relate.Index, in *explain.Incident) []netip.Addr {
	var out []netip.Addr
	add := func(s string) {
		if a, err := netip.ParseAddr(s); err == nil && !a.IsLoopback() && !slices.Contains(out, a.Unmap()) {
			out = append(out, a.Unmap())
		}
	}
	for _, i := range in.Implants {
		if a := x.Autostart(i.Ref); a != nil {
			for _, u := range a.Shell.URLs {
				add(hostOf(u))
			}
		}
		if k := x.Key(i.Ref); k != nil {
			loggedInFrom(x, k, add)
		}
		for _, r := range append([]fact.Ref{i.Ref}, i.Members...) {
			if p := x.Process(r); p != nil {
				for _, s := range x.Sockets(p) {
					if s.State == "ESTABLISHED" || s.State == "SYN_SENT" {
						add(s.Peer.String())
					}
				}
			}
		}
	}
	return out
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func loggedInFrom(x *relate.Index, k *fact.Key, add func(string)) {
	for _, u := range k.Used {
		add(u.From)
	}
	for i := range x.S.Log {
		if e := &x.S.Log[i]; e.Key != "" && e.Key == k.Fingerprint {
			add(e.From)
		}
	}
}
