package lease

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"demine/internal/i18n"
	"demine/internal/relate"
	"demine/internal/respond"
)

// find finds what listens at the port, on the host or published by a container,
// and makes the doors.
func (p *Plan) find(x *relate.Index) error {
	var there []relate.Exposure
	n := relate.NetOf(x.S)
	for _, e := range x.Exposures {
		if e.Proto == p.Proto && (!e.Apart && e.Port == p.Port || e.Apart && publishes(n, &e, p.Port)) {
			there = append(there, e)
		}
	}
	if len(there) == 0 {
		p.Notes = append(p.Notes, i18n.M("lease.note.no-listener", "port", p.Port, "proto", p.Proto))
		p.add(relate.Door{Proto: p.Proto, Addr: netip.IPv6Unspecified(), Port: p.Port})
		return nil
	}
	if err := p.guarded(x, there); err != nil {
		return err
	}
	for i := range there {
		e := &there[i]
		if a, err := netip.ParseAddr(e.Addr); err == nil && !a.IsLoopback() {
			d := relate.Door{Proto: p.Proto, Addr: a.Unmap(), Port: e.Port}
			if e.Apart {
				d.NetNS = e.NetNS
			}
			p.add(d)
			p.passedOn(relate.NetOf(x.S))
			p.Service, p.Container = e.Service, e.Container
		}
	}
	return p.heard(x, there)
}

// publishes reports whether a port of the host leads to a container's listener:
// for somebody, or, where everybody is dropped behind the rule that sends it on,
// by that rule.
func publishes(n *relate.Net, e *relate.Exposure, port int) bool {
	if slices.ContainsFunc(e.Published, func(at string) bool { return strings.HasSuffix(at, fmt.Sprintf(":%d", port)) }) {
		return true
	}
	a, err := netip.ParseAddr(e.Addr)
	for _, v6 := range []bool{false, true} {
		d := relate.Door{Proto: e.Proto, Addr: a.Unmap(), Port: e.Port, NetNS: e.NetNS, V6: v6}
		if err == nil && !a.IsLoopback() && slices.Contains(n.Fronts(d), port) {
			return true
		}
	}
	return false
}

// add makes a door for each family in which somebody shall come in by it.
func (p *Plan) add(d relate.Door) {
	for _, v6 := range []bool{false, true} {
		if v6 && d.Addr.Is4() && d.NetNS == 0 || !v6 && d.Addr.Is6() && !d.Addr.IsUnspecified() {
			continue
		}
		d.V6 = v6
		from := slices.DeleteFunc(slices.Clone(p.From), func(f netip.Prefix) bool { return f.Addr().Is6() != v6 })
		if len(from) > 0 {
			p.doors = append(p.doors, opening{d, from})
		}
	}
}

// passedOn leads the doors of containers that have no address in a family to the
// host's own port: a docker-proxy listens there and passes on.
func (p *Plan) passedOn(n *relate.Net) {
	for i := range p.doors {
		if d := &p.doors[i].door; d.NetNS != 0 && n.Reach(*d).Why == "isolated" {
			*d = relate.Door{Proto: d.Proto, Addr: netip.IPv6Unspecified(), Port: p.Port, V6: d.V6}
		}
	}
}

// heard refuses sources that nothing hears, whatever the packet filter says.
func (p *Plan) heard(x *relate.Index, there []relate.Exposure) error {
	for _, f := range p.From {
		if !slices.ContainsFunc(p.doors, func(o opening) bool { return slices.Contains(o.from, f) }) {
			return respond.Refuse("refuse.lease.unheard", "port", p.Port, "listener", there[0].Listener, "from", f.String(),
				"way", p.tunnel(x, &there[0]))
		}
	}
	return nil
}

// guarded refuses a service that lets in whoever reaches it: a firewall with one
// hole is no password, and there are ways without a hole.
func (p *Plan) guarded(x *relate.Index, there []relate.Exposure) error {
	for i := range there {
		e := &there[i]
		switch {
		case e.Auth == "none" && !p.Bare:
			return respond.Refuse("refuse.lease.no-password", "service", e.Service, "port", p.Port, "way", p.safer(x, e))
		case e.Auth == "none":
			p.Notes = append(p.Notes, i18n.M("lease.note.no-password", "service", e.Service))
		case e.Auth == "unknown":
			p.Notes = append(p.Notes, i18n.M("lease.note.auth-unknown", "service", e.Service))
		}
	}
	p.Notes = slices.CompactFunc(p.Notes, func(a, b i18n.Message) bool { return a.ID == b.ID })
	return nil
}

// safer are the ways that need no opening.
func (p *Plan) safer(x *relate.Index, e *relate.Exposure) i18n.Message {
	if e.Service == "redis" {
		return i18n.M("lease.safer.redis", "way", p.tunnel(x, e))
	}
	return i18n.M("lease.safer.other", "way", p.tunnel(x, e))
}

// tunnel is the line by which somebody with a login comes to a listener.
func (p *Plan) tunnel(x *relate.Index, e *relate.Exposure) i18n.Message {
	if p.Proto != "tcp" {
		return i18n.M("lease.tunnel.udp")
	}
	to := "127.0.0.1"
	if a, err := netip.ParseAddr(e.Addr); err == nil && !a.IsUnspecified() && !e.Apart {
		to = a.String()
	}
	host := x.S.Host.Name
	if me := x.Me(); me.Peer != nil {
		host = me.Peer.Local.Unmap().String() // so one got here
	}
	if host == "" {
		host = "HOST"
	}
	return i18n.M("lease.tunnel", "line", fmt.Sprintf("ssh -L %d:%s %s", p.Port, net.JoinHostPort(to, fmt.Sprint(p.Port)), host))
}
