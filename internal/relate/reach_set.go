package relate

import (
	"math"
	"net/netip"
	"slices"

	"demine/internal/format/xtables"
)

// sources is a set of addresses of one family: spans in order that do not touch.
type sources []span

type span struct{ from, to netip.Addr }

// outside is every address that a packet from another host can have as its
// source: all but "this host", loopback and multicast.
func outside(v6 bool) sources {
	if v6 {
		return prefixSources([]netip.Prefix{netip.MustParsePrefix("::/0")}, true).
			minus(prefixSources([]netip.Prefix{netip.MustParsePrefix("::/127"), netip.MustParsePrefix("ff00::/8")}, true))
	}
	return prefixSources([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, false).minus(prefixSources([]netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("224.0.0.0/3")}, false))
}

// prefixSources are the addresses of those prefixes that are of the family.
func prefixSources(p []netip.Prefix, v6 bool) sources {
	var out sources
	for _, x := range p {
		if x.IsValid() && x.Addr().Is4() != v6 {
			out = append(out, span{x.Masked().Addr(), xtables.Last(x)})
		}
	}
	return out.merged()
}

// merged sorts spans and joins those that overlap or touch.
func (s sources) merged() sources {
	slices.SortFunc(s, func(a, b span) int { return a.from.Compare(b.from) })
	out := s[:0]
	for _, x := range s {
		if n := len(out); n > 0 && (!out[n-1].to.Next().IsValid() || x.from.Compare(out[n-1].to.Next()) <= 0) {
			if out[n-1].to.Less(x.to) {
				out[n-1].to = x.to
			}
			continue
		}
		out = append(out, x)
	}
	return out
}

func (s sources) union(t sources) sources {
	if len(s) == 0 {
		return t
	}
	if len(t) == 0 {
		return s
	}
	return slices.Concat(s, t).merged()
}

func (s sources) and(t sources) (out sources) {
	for i, j := 0, 0; i < len(s) && j < len(t); {
		from, to := s[i].from, s[i].to
		if from.Less(t[j].from) {
			from = t[j].from
		}
		if t[j].to.Less(to) {
			to = t[j].to
		}
		if !to.Less(from) {
			out = append(out, span{from, to})
		}
		if s[i].to.Less(t[j].to) {
			i++
		} else {
			j++
		}
	}
	return out
}

func (s sources) minus(t sources) (out sources) {
	j := 0
	for _, x := range s {
		for j < len(t) && t[j].to.Less(x.from) {
			j++
		}
		open := true
		for k := j; k < len(t) && !x.to.Less(t[k].from); k++ {
			if x.from.Less(t[k].from) {
				out = append(out, span{x.from, t[k].from.Prev()})
			}
			if !t[k].to.Less(x.to) {
				open = false
				break
			}
			x.from = t[k].to.Next()
		}
		if open {
			out = append(out, x)
		}
	}
	return out
}

// size is about how many addresses there are.
func (s sources) size() (n float64) {
	for _, x := range s {
		n += number(x.to) - number(x.from) + 1
	}
	return n
}

func number(a netip.Addr) (n float64) {
	for _, b := range a.AsSlice() {
		n = n*256 + float64(b)
	}
	return n
}

// anywhere reports whether the set is so large that it is no restriction:
// half of the unicast addresses of the internet or more, because blocking some
// countries or bots does not close a port.
func (s sources) anywhere(v6 bool) bool {
	if v6 {
		return s.and(prefixSources([]netip.Prefix{netip.MustParsePrefix("2000::/3")}, true)).size() >= math.Exp2(124)
	}
	return s.size() >= 111*(1<<24) // outside is 222 of the 256 blocks /8
}

// maxPrefixes is the number of prefixes that a Reach names.
const maxPrefixes = 256

func (s sources) prefixes() (out []netip.Prefix) {
	for _, x := range s {
		if out = append(out, xtables.Prefixes(x.from, x.to)...); len(out) >= maxPrefixes {
			return out[:maxPrefixes]
		}
	}
	return out
}
