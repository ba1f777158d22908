package respond

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

func prefixes(s ...string) (out []netip.Prefix) {
	for _, x := range s {
		out = append(out, netip.MustParsePrefix(x))
	}
	return out
}

func shutOf6380(keep ...string) Shut {
	return Shut{Proto: "tcp", Port: 6380, Keep: prefixes(keep...), Interfaces: []string{"docker*", "cni0"}}.normal()
}

var prefixEqual = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

// Each way of shutting a port cuts strangers off, also on connections that are
// open, and keeps who is kept and the host itself, whatever rules of the host
// let in behind it.
func TestShut(t *testing.T) {
	ctx := context.Background()
	for _, w := range []way{inetWay, ipWay, legacyWay} {
		t.Run(w.name, func(t *testing.T) {
			l := newFilterLab(t)
			f := liveFilter{ways: []way{w}}
			for _, tool := range []string{"iptables-legacy", "ip6tables-legacy"} {
				l.sh(tool+" -A INPUT -p tcp --dport 6380 -j ACCEPT", "")
			}
			l.sh("nft -f -", "table inet host { chain in { type filter hook input priority -10; tcp dport 6380 accept; }; }")
			before := l.sh("nft list ruleset", "") + l.sh("iptables-legacy-save -t filter", "")
			app, evil := l.mustReach(labApp4, 6380), l.mustReach(labEvil4, 6380)
			app6, evil6 := l.mustReach(labApp6, 6380), l.mustReach(labEvil6, 6380)
			s := shutOf6380(labApp4+"/32", "fd77::/120", "100.64.0.0/10")
			l.must(func() error { return f.Shut(ctx, s) })
			l.wantShuts(f, s)
			for _, c := range []struct {
				name string
				open bool
			}{{labApp4, answers(app, labAnswer)}, {labApp6, answers(app6, labAnswer)}, {labEvil4, !answers(evil, labSilence)}, {labEvil6, !answers(evil6, labSilence)}} {
				if !c.open {
					t.Errorf("the open connection of %s: not as it should be", c.name)
				}
			}
			for _, a := range []string{labApp4, labApp6, labLoopback[false], labLoopback[true]} {
				l.mustReach(a, 6380)
			}
			for _, a := range []string{labEvil4, labEvil6} {
				l.mustNotReach(a, 6380)
				l.mustReach(a, 22)
			}
			l.must(func() error { return f.Reopen(ctx, s) })
			if diff := cmp.Diff(steady(before), steady(l.sh("nft list ruleset", "")+l.sh("iptables-legacy-save -t filter", ""))); diff != "" {
				t.Errorf("reopened, the rules are not as before:\n%s", diff)
			}
			l.mustReach(labEvil4, 6380)
			if err := l.do(func() error { return f.Reopen(ctx, s) }); !errors.Is(err, ErrNothing) {
				t.Errorf("reopened twice: %v", err)
			}
		})
	}
}

func (l *filterLab) wantShuts(f Filter, want ...Shut) {
	l.t.Helper()
	var got []Shut
	l.must(func() (err error) { got, err = f.Shuts(context.Background()); return err })
	if diff := cmp.Diff(want, got, prefixEqual); diff != "" {
		l.t.Fatalf("shuts (-want +got):\n%s", diff)
	}
}

// Two doors stand on their own; one that is shut anew keeps other sources.
func TestShutTwo(t *testing.T) {
	ctx := context.Background()
	for _, w := range []way{inetWay, ipWay, legacyWay} {
		t.Run(w.name, func(t *testing.T) {
			l := newFilterLab(t)
			f := liveFilter{ways: []way{w}}
			a := shutOf6380(labApp4 + "/32")
			b := Shut{Proto: "tcp", Port: 6381, Keep: prefixes(labEvil6 + "/128")}
			l.must(func() error { return f.Shut(ctx, a) })
			l.must(func() error { return f.Shut(ctx, b) })
			l.wantShuts(f, a, b)
			l.mustNotReach(labEvil6, 6380)
			l.mustReach(labEvil6, 6381)
			l.mustNotReach(labApp4, 6381)
			wider := shutOf6380(labApp4+"/32", labEvil4+"/32")
			l.must(func() error { return f.Shut(ctx, wider) })
			l.wantShuts(f, wider, b)
			l.mustReach(labEvil4, 6380)
			l.must(func() error { return f.Reopen(ctx, b) })
			l.wantShuts(f, wider)
			l.mustReach(labApp4, 6381)
			l.mustNotReach(labApp6, 6380)
			l.must(func() error { return f.Reopen(ctx, wider) })
			l.wantShuts(f)
			l.mustReach(labApp6, 6380)
		})
	}
}

// A kernel without the first way goes the next one, and says so when there is
// none.
func TestShutFallsBack(t *testing.T) {
	ctx := context.Background()
	l := newFilterLab(t)
	none := way{"none", func(*fact.Ruleset) bool { return false }, func([]fact.Ruleset, []Shut) error { return errors.New("no such thing") }}
	f := liveFilter{ways: []way{none, legacyWay}}
	l.must(func() error { return f.Shut(ctx, shutOf6380()) })
	l.mustNotReach(labEvil4, 6380)
	l.must(func() error { return LiveFilter().Reopen(ctx, shutOf6380()) }) // by the way that was gone
	l.mustReach(labEvil4, 6380)
	if err := l.do(func() error { return liveFilter{ways: []way{none}}.Shut(ctx, shutOf6380()) }); !errors.Is(err, ErrUnavailable) {
		t.Errorf("no way: %v", err)
	}
}
