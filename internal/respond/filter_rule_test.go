package respond

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host"
)

// steady gives the lines of a listing without comments and counters.
func steady(s string) []string {
	var out []string
	for l := range strings.Lines(s) {
		if !strings.HasPrefix(l, "#") {
			out = append(out, counting.ReplaceAllString(l, "${1}*${2}*"))
		}
	}
	return out
}

var counting = regexp.MustCompile(`(\[|packets )[0-9]+(:| bytes )[0-9]+`)

// the rules of the lab's hosts with user chains before and behind the door.
func labXT(icmp string) string {
	return strings.Join([]string{
		"*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]", ":EARLY - [0:0]", ":LATE - [0:0]", ":LATER - [0:0]",
		"-A INPUT -j EARLY",
		"-A INPUT -i lo -j ACCEPT",
		"-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
		"-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
		"[7:420] -A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT",
		"-A INPUT -p tcp -m tcp --dport 8080 -m comment --comment \"the shop\" -j ACCEPT",
		"-A INPUT -g LATE",
		"-A EARLY -p tcp -m tcp --dport 9999 -j LATER",
		"-A LATE -p " + icmp + " -j ACCEPT",
		"-A LATE -p tcp -m multiport --dports 80,443 -j LATER",
		"-A LATER -m limit --limit 5/sec -j LOG --log-prefix \"late \"",
		"-A LATER -j RETURN",
		"COMMIT", "",
	}, "\n")
}

const labNFT = `table inet filter {
	set office { type ipv4_addr; flags interval; elements = { 198.51.100.0/24 } }
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		ct state established,related accept
		tcp dport 22 accept
		tcp dport 8080 accept
		tcp dport 6380 ct state { new, untracked } counter packets 7 bytes 420 accept comment "for the developer at home"
		ip saddr @office tcp dport 3306 accept
		meta l4proto { icmp, ipv6-icmp } accept
	}
}
`

// door finds the rules that have 6380 in their text.
func (l *filterLab) door(backend string) (out []RuleAt) {
	l.t.Helper()
	for _, rs := range l.rules() {
		for _, c := range rs.Chains {
			for _, r := range whole(c.Rules) {
				if rs.Backend == backend && strings.Contains(r.Text, "6380") {
					out = append(out, RuleAt{rs.Backend, rs.Family, rs.Table, c.Name, r.N, r.Text})
				}
			}
		}
	}
	if len(out) == 0 {
		l.t.Fatalf("no rule of the door in %s", backend)
	}
	return out
}

func (l *filterLab) rules() (sets []fact.Ruleset) {
	l.t.Helper()
	l.must(func() (err error) { sets, err = rulesInForce(context.Background()); return err })
	return sets
}

func (l *filterLab) listing(backend string) string {
	if backend == "nft" {
		return l.sh("nft -a list ruleset", "")
	}
	out := l.sh(backend+"-save -c", "") + l.sh(strings.Replace(backend, "ip", "ip6", 1)+"-save -c", "")
	return regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(out, "")
}

// noHandles: a rule that comes back has a new handle.
func noHandles(s string) string {
	return regexp.MustCompile(` # handle [0-9]+`).ReplaceAllString(s, "")
}

func (l *filterLab) load(backend string) {
	if backend == "nft" {
		l.sh("nft -f -", labNFT)
		return
	}
	l.sh(backend+"-restore -c", withCounters(labXT("icmp")))
	l.sh(strings.Replace(backend, "ip", "ip6", 1)+"-restore -c", withCounters(labXT("ipv6-icmp")))
}

func withCounters(s string) string {
	return strings.ReplaceAll(s, "\n-A", "\n[3:99] -A")
}

var backends = []string{"iptables-legacy", "iptables-nft", "nft"}

// The rule of the door is taken out alone, the rest counts on, and it comes
// back at its place with its counters.
func TestDeleteAndInsert(t *testing.T) {
	ctx := context.Background()
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			l, f := newFilterLab(t), LiveFilter()
			l.load(backend)
			l.mustReach(labEvil4, 6380)
			before := l.listing(backend)
			for _, r := range l.door(backend) {
				whole := l.listing(backend)
				var i RuleImage
				l.must(func() (err error) { i, err = f.Image(ctx, r); return err })
				l.must(func() error { return f.Delete(ctx, r, i) })
				without := l.listing(backend)
				if n := strings.Count(whole, "6380") - strings.Count(without, "6380"); n != 1 || strings.Count(whole, "\n")-strings.Count(without, "\n") != 1 {
					t.Errorf("%d rules of the door, and others, are gone:\n%s\n%s", n, whole, without)
				}
				if err := l.do(func() error { return f.Delete(ctx, r, i) }); !errors.Is(err, ErrDrifted) {
					t.Errorf("deleted twice: %v", err)
				}
				l.must(func() error { return f.Insert(ctx, r, i) })
				if err := l.do(func() error { return f.Insert(ctx, r, i) }); !errors.Is(err, ErrNothing) {
					t.Errorf("put back twice: %v", err)
				}
			}
			if diff := cmp.Diff(steady(noHandles(before)), steady(noHandles(l.listing(backend)))); diff != "" {
				t.Errorf("put back, it is not as before:\n%s", diff)
			}
			if s := l.listing(backend); !strings.Contains(s, "7:420] -A INPUT -p tcp -m tcp --dport 6380") && !strings.Contains(s, "packets 7 bytes 420") &&
				!regexp.MustCompile(`\[([89]|[0-9]{2}):[0-9]+\] -A INPUT -p tcp -m tcp --dport 6380|packets ([89]|[0-9]{2}) bytes`).MatchString(s) {
				t.Errorf("the counters are lost:\n%s", s)
			}
			l.mustReach(labEvil4, 6380)
			for _, r := range l.door(backend) {
				var i RuleImage
				l.must(func() (err error) { i, err = f.Image(ctx, r); return err })
				l.must(func() error { return f.Delete(ctx, r, i) })
			}
			l.mustNotReach(labEvil4, 6380)
			l.mustNotReach(labEvil6, 6380)
			l.mustReach(labEvil4, 22)
		})
	}
}

// Somebody changes the chain between delete and undo: the rule comes back
// behind its neighbour, or not at all.
func TestInsertAfterDrift(t *testing.T) {
	ctx := context.Background()
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			l, f := newFilterLab(t), LiveFilter()
			l.load(backend)
			r := l.door(backend)[0]
			var i RuleImage
			l.must(func() (err error) { i, err = f.Image(ctx, r); return err })
			l.must(func() error { return f.Delete(ctx, r, i) })
			first, flush := "-I INPUT 1 -p tcp --dport 7777 -j ACCEPT", backend+" -F INPUT"
			add := func() { l.sh(backend+" "+first, "") }
			if backend == "nft" {
				add = func() { l.sh("nft -f -", "insert rule inet filter input tcp dport 7777 accept") }
				flush = "nft flush chain inet filter input"
			}
			add()
			l.must(func() error { return f.Insert(ctx, r, i) })
			if got := l.door(backend)[0]; got.N != r.N+1 {
				t.Errorf("put back at %d, want %d", got.N, r.N+1)
			}
			l.must(func() error { return f.Delete(ctx, r, i) })
			l.sh(flush, "")
			if err := l.do(func() error { return f.Insert(ctx, r, i) }); !errors.Is(err, ErrDrifted) {
				t.Errorf("into a flushed chain: %v", err)
			}
		})
	}
}

func TestImageGone(t *testing.T) {
	l, f := newFilterLab(t), LiveFilter()
	for _, r := range []RuleAt{{"nft", "inet", "none", "x", 1, "y"}, {"iptables-legacy", "ip", "filter", "x", 1, "y"}} {
		if err := l.do(func() error { _, err := f.Image(context.Background(), r); return err }); !errors.Is(err, ErrGone) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// Random tables with chains that jump to each other: whichever rule is taken
// out and put back, the kernel takes it and the listing is the same.
func TestRandomLegacyTables(t *testing.T) {
	ctx := context.Background()
	l, f := newFilterLab(t), LiveFilter()
	r := rand.New(rand.NewPCG(3, 9))
	for n := range 300 {
		tool, family := "iptables-legacy", "ip"
		if n%2 == 1 {
			tool, family = "ip6tables-legacy", "ip6"
		}
		text := randomTable(r, family == "ip6")
		l.sh(tool+"-restore", text)
		at, ok := anyRule(r, l.rules(), family)
		if !ok {
			continue
		}
		before := l.sh(tool+"-save", "")
		l.must(func() error {
			i, err := f.Image(ctx, at)
			if err == nil {
				err = f.Delete(ctx, at, i)
			}
			if err == nil {
				err = wantFewer(ctx, at, i.Same)
			}
			if err == nil {
				err = f.Insert(ctx, at, i)
			}
			return err
		})
		if diff := cmp.Diff(steady(before), steady(l.sh(tool+"-save", ""))); diff != "" {
			t.Fatalf("%+v: not as before:\n%s\n%s", at, diff, text)
		}
	}
}

func wantFewer(ctx context.Context, at RuleAt, had int) error {
	sets, gaps := host.ReadFirewall(ctx)
	if len(gaps) > 0 {
		return fmt.Errorf("gaps: %v", gaps)
	}
	n := 0
	for _, x := range at.chain(sets).Rules {
		if x.Text == at.Text {
			n++
		}
	}
	if n != had-1 {
		return fmt.Errorf("%d rules like %q, want %d", n, at.Text, had-1)
	}
	return nil
}

// anyRule picks one; of rules alike, the first, so that the listing stays the
// same.
func anyRule(r *rand.Rand, sets []fact.Ruleset, family string) (RuleAt, bool) {
	var all []RuleAt
	for _, rs := range sets {
		if rs.Family == family && rs.Table == "filter" {
			for _, c := range rs.Chains {
				for _, x := range c.Rules {
					all = append(all, RuleAt{rs.Backend, rs.Family, rs.Table, c.Name, x.N, x.Text})
				}
			}
		}
	}
	if len(all) == 0 {
		return RuleAt{}, false
	}
	return all[r.IntN(len(all))], true
}

func randomTable(r *rand.Rand, v6 bool) string {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	src, icmp := "10.0.0.0/8", "icmp"
	if v6 {
		src, icmp = "fd00::/8", "ipv6-icmp"
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "*filter\n:INPUT %s [0:0]\n:FORWARD %s [0:0]\n:OUTPUT ACCEPT [0:0]\n", pick("ACCEPT", "DROP"), pick("ACCEPT", "DROP"))
	chains := r.IntN(5)
	for c := range chains {
		fmt.Fprintf(b, ":U%d - [0:0]\n", c)
	}
	for _, c := range []string{"INPUT", "FORWARD", "OUTPUT", "U4", "U3", "U2", "U1", "U0"} {
		own := 5
		if c[0] == 'U' {
			if own = int(c[1] - '0'); own >= chains {
				continue
			}
		}
		for range r.IntN(6) {
			target := pick("-j ACCEPT", "-j DROP", "-j RETURN", "", "-j LOG --log-prefix \"x \"", "-j REJECT")
			if lower := min(own, chains); lower > 0 && r.IntN(3) == 0 { // down only: no loops
				target = pick("-j", "-g") + fmt.Sprintf(" U%d", r.IntN(lower))
			}
			fmt.Fprintf(b, "-A %s %s %s\n", c, pick("", "-s "+src, "-p tcp -m tcp --dport 6380", "-p tcp -m multiport --dports 22,80", "-p "+icmp,
				"-m conntrack --ctstate NEW", "-p tcp -m tcp --dport 6380 -m comment --comment \"a b\"", "-m limit --limit 3/min", "-p udp -m udp --dport 53"), target)
		}
	}
	return b.String() + "COMMIT\n"
}
