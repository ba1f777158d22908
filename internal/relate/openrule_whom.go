package relate

import (
	"net/netip"
	"slices"

	"demine/internal/fact"
)

// leadsTo names the listeners behind an opening.
func (x *Index) leadsTo(o *OpenRule, only *Exposure) {
	for i := range x.Exposures {
		e := &x.Exposures[i]
		if only != nil && e != only || e.From == "local" || o.Proto != "" && o.Proto != e.Proto || only == nil && e.Apart {
			continue
		}
		if len(o.Ports) > 0 && !hasPort(o.Ports, e.Port) && only == nil {
			continue
		}
		if o.Listeners = append(o.Listeners, e.Listener); o.Service == "" {
			o.Service, o.Auth, o.Gives = e.Service, e.Auth, x.gives(e)
		}
		o.Published = append(o.Published, e.Published...)
	}
}

// gives is what whoever gets in to a listener has, as far as that is known.
func (x *Index) gives(e *Exposure) string {
	switch sv := x.ServiceOf(x.PID(e.PID)); {
	case sv == nil:
		return ""
	case sv.Name == "redis":
		return "data"
	default:
		return sv.Gives
	}
}

// letsIn says of those whom a rule lets in whether they are out in the internet,
// and whether people come from there.
func (x *Index) letsIn(o *OpenRule) {
	o.Public = o.Everyone || o.Inverted || slices.ContainsFunc(o.Sources, public)
	o.Person = slices.ContainsFunc(o.Sources, func(p netip.Prefix) bool { return p.IsSingleIP() && x.loggedInFrom(p.Addr()) })
}

// public: addresses of the internet are in it.
func public(p netip.Prefix) bool {
	a := p.Addr()
	return a.IsGlobalUnicast() && !a.IsPrivate() && !(sharedSpace.Contains(a) && p.Bits() >= sharedSpace.Bits())
}

// loggedInFrom: wtmp or lastlog tells of a login from there, or the operator is
// connected from there. What programs do by SSH is not in them.
func (x *Index) loggedInFrom(a netip.Addr) bool {
	if me := x.Me(); me.Peer != nil && me.Peer.Peer.Unmap() == a {
		return true
	}
	return slices.ContainsFunc(x.S.Log, func(l fact.LogEvent) bool {
		from, err := netip.ParseAddr(l.From)
		return l.Kind == "login" && err == nil && from.Unmap() == a
	})
}
