package lease

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"demine/internal/respond"
)

// Limits of what is opened. A day is what Azure's just-in-time access allows at
// most; who needs more says so, and after a month an opening is no visit any
// more but a part of the configuration.
const (
	MinFor     = 10 * time.Second
	MaxFor     = 24 * time.Hour
	MaxLong    = 30 * 24 * time.Hour
	maxSources = 64
	MaxText    = 200 // characters of Who and of Why
	MaxOpen    = 4096
)

// Networks that are wider are "everybody". So are two as wide as these, and as many
// addresses in however many parts. All private networks of IPv4 together are less.
const (
	widest4 = 8
	widest6 = 16
)

// Check says whether what is asked for is complete and within limits, and gives
// it with its sources masked, sorted and each once. It is a *respond.Refusal if
// not.
func Check(a Ask) (Ask, error) {
	switch {
	case a.Proto != "tcp" && a.Proto != "udp":
		return a, respond.Refuse("refuse.lease.proto", "value", a.Proto)
	case a.Port < 1 || a.Port > 65535:
		return a, respond.Refuse("refuse.lease.port", "value", a.Port)
	case a.For < MinFor || a.For > MaxLong:
		return a, respond.Refuse("refuse.lease.for", "least", MinFor, "most", MaxLong)
	case a.For > MaxFor && !a.Long:
		return a, respond.Refuse("refuse.lease.long", "for", a.For, "most", MaxFor)
	}
	for _, text := range []struct{ flag, value string }{{"--who", a.Who}, {"--why", a.Why}} {
		if strings.TrimSpace(text.value) == "" {
			return a, respond.Refuse("refuse.lease.text", "flag", text.flag)
		}
		if n := utf8.RuneCountInString(text.value); n > MaxText {
			return a, respond.Refuse("refuse.lease.text-long", "flag", text.flag, "n", n, "most", MaxText)
		}
	}
	return checkSources(a)
}

func checkSources(a Ask) (Ask, error) {
	if len(a.From) == 0 {
		return a, respond.Refuse("refuse.lease.from")
	}
	if len(a.From) > maxSources {
		return a, respond.Refuse("refuse.lease.sources", "n", len(a.From), "most", maxSources)
	}
	var from []netip.Prefix
	for _, p := range a.From {
		if p = plain(p); !p.IsValid() || p.Addr().IsLoopback() || p.Addr().IsMulticast() || p.Addr().Zone() != "" {
			return a, respond.Refuse("refuse.lease.source", "from", p.String())
		}
		if everybody(p) && !a.Anyone {
			return a, respond.Refuse("refuse.lease.anyone", "from", p.String())
		}
		from = append(from, p)
	}
	a.From = whole(from)
	if everybody(a.From...) && !a.Anyone {
		return a, respond.Refuse("refuse.lease.anyone-together", "n", len(a.From))
	}
	return a, nil
}

// whole leaves out what another source holds already.
func whole(from []netip.Prefix) []netip.Prefix {
	slices.SortFunc(from, func(p, q netip.Prefix) int {
		if c := p.Addr().Compare(q.Addr()); c != 0 {
			return c
		}
		return p.Bits() - q.Bits()
	})
	var out []netip.Prefix
	for _, p := range from { // a network stands before what is in it
		if len(out) == 0 || !out[len(out)-1].Overlaps(p) {
			out = append(out, p)
		}
	}
	return out
}

// plain is a prefix masked, and of IPv4 in its own form.
func plain(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// everybody reports whether networks, of which none holds another, have that many
// addresses of a family.
func everybody(from ...netip.Prefix) bool {
	var four, six float64 // in networks of the widest kind
	for _, p := range from {
		if p.Addr().Is4() {
			four += math.Ldexp(1, widest4-p.Bits())
		} else {
			six += math.Ldexp(1, widest6-p.Bits())
		}
	}
	return four >= 2 || six >= 2
}

// Typed is a time as people type it in a command: 8h, 1h30m, 45s.
func Typed(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
