package respond

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// leaseHost is a host whose filter drops what comes to a port.
type leaseHost struct {
	name  string
	port  int // of the door
	load  func(l *filterLab)
	doors []Doorway
	alone bool // leases are rules of iptables-legacy
}

// testBit is a bit that no rule of these hosts asks for.
const testBit = 0x100

func leaseHosts() []leaseHost {
	xt := func(backend string) leaseHost {
		return leaseHost{backend, 6380, func(l *filterLab) { l.closeXT(backend) }, []Doorway{
			{RuleAt{Backend: backend, Family: "ip", Table: "filter", Chain: "INPUT", N: 4}},
			{RuleAt{Backend: backend, Family: "ip6", Table: "filter", Chain: "INPUT", N: 4}},
		}, false}
	}
	docker := func(backend string) leaseHost {
		h := leaseHost{backend + " container", 8080, func(l *filterLab) { l.publish(backend) }, nil, false}
		for _, family := range []string{"ip", "ip6"} {
			h.doors = append(h.doors, Doorway{RuleAt{Backend: backend, Family: family, Table: "filter", Chain: "FORWARD", N: 1}})
		}
		return h
	}
	return []leaseHost{
		{"nft", 6380, func(l *filterLab) { l.sh("nft -f -", closedNFT) },
			[]Doorway{{RuleAt{Backend: "nft", Family: "inet", Table: "filter", Chain: "input", N: 4}}}, false},
		xt("iptables-nft"), xt("iptables-legacy"), docker("iptables-nft"), docker("iptables-legacy"),
		xt("iptables-legacy").withoutSets(), docker("iptables-legacy").withoutSets(),
	}
}

// withoutSets is the host with a kernel whose nf_tables holds no leases.
func (h leaseHost) withoutSets() leaseHost {
	load := h.load
	h.load = func(l *filterLab) {
		l.filter = liveFilter{markers: []marker{noTables{}, xtMarker{xtLeaseList}}}
		l.sh("iptables-legacy -t mangle -A PREROUTING -j CONNMARK --restore-mark", "") // which gives every packet another mark
		load(l)
	}
	h.name, h.alone = h.name+" alone", true
	return h
}

const closedNFT = `table inet filter {
	chain input {
		type filter hook input priority filter; policy accept;
		iifname "lo" accept
		ct state established,related accept
		tcp dport 22 accept
		tcp dport 6380 counter drop comment "for nobody"
		udp dport 1-1023 counter drop
		tcp dport 6381 drop
	}
}
`

func tool(backend, family, rest string) string {
	return strings.Replace(backend, "ip", family, 1) + rest
}

func (l *filterLab) closeXT(backend string) {
	for _, family := range []string{"ip", "ip6"} {
		l.sh(tool(backend, family, "-restore"), strings.Join([]string{"*filter", ":INPUT DROP [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]",
			"-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
			"-A INPUT -p tcp -m tcp --dport 6380 -j DROP", "COMMIT", ""}, "\n"))
	}
}

// publish starts a container behind the host, to whose port 80 the host's 8080
// is translated, and a rule before it that lets nobody in from outside.
func (l *filterLab) publish(backend string) {
	box := l.host + "c"
	l.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", box).Run() })
	l.run("ip netns add "+box, "")
	l.stay(box)
	l.run("ip -n "+l.host+" link add br0 type veth peer name eth0 netns "+box, "")
	for _, c := range []string{"-n " + l.host + " link set br0 up", "-n " + l.host + " addr add 172.18.0.1/24 dev br0", "-n " + l.host + " addr add fd18::1/64 dev br0 nodad",
		"-n " + box + " link set eth0 up", "-n " + box + " addr add 172.18.0.2/24 dev eth0", "-n " + box + " addr add fd18::2/64 dev eth0 nodad",
		"-n " + box + " route add default via 172.18.0.1", "-n " + box + " -6 route add default via fd18::1"} {
		l.run("ip "+c, "")
	}
	l.sh("sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1", "")
	l.in(box, func() { l.serve("[::]:80") })
	for family, to := range map[string]string{"ip": "172.18.0.2:80", "ip6": "[fd18::2]:80"} {
		l.sh(tool(backend, family, "-restore"), strings.Join([]string{
			"*nat", ":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", ":POSTROUTING ACCEPT [0:0]",
			"-A PREROUTING -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 8080 -j DNAT --to-destination " + to, "COMMIT",
			"*filter", ":INPUT ACCEPT [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]", ":DOCKER-USER - [0:0]",
			"-A FORWARD -j DOCKER-USER", "-A FORWARD -o br0 -j ACCEPT", "-A FORWARD -i br0 -j ACCEPT",
			"-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN", "-A DOCKER-USER -i dv0 -j DROP", "-A DOCKER-USER -j RETURN", "COMMIT", ""}, "\n"))
	}
}

// inForce is the whole filter as the host's own tools list it.
func (l *filterLab) inForce() []string {
	l.t.Helper()
	out := l.sh("nft list ruleset", "")
	for _, save := range []string{"iptables-nft-save", "ip6tables-nft-save", "iptables-legacy-save -t filter", "ip6tables-legacy-save -t filter",
		"iptables-legacy-save -t mangle", "ip6tables-legacy-save -t mangle"} {
		out += l.sh(save, "")
	}
	return steady(out)
}

func (h leaseHost) admission(lease, from string, left time.Duration) Admission {
	return Admission{Lease: lease, Proto: "tcp", Port: h.port, From: netip.MustParsePrefix(from), Left: left}
}

func (l *filterLab) admit(h leaseHost, as ...Admission) {
	l.t.Helper()
	l.must(func() error {
		return l.filter.Admit(context.Background(), testBit, time.Now().Add(time.Hour), h.doors, as)
	})
}

func (l *filterLab) dismiss(as ...Admission) {
	l.t.Helper()
	l.must(func() error { return l.filter.Dismiss(context.Background(), as) })
}

func (l *filterLab) admitted() (a Admitted) {
	l.t.Helper()
	l.must(func() (err error) { a, err = l.filter.Admitted(context.Background()); return err })
	return a
}

// A source comes in while its lease lasts and nobody else does; what is open
// stays open when it is dismissed; and in the end the host's filter is as it was.
func TestAdmit(t *testing.T) {
	for _, h := range leaseHosts() {
		t.Run(h.name, func(t *testing.T) {
			l := newFilterLab(t)
			h.load(l)
			before := l.inForce()
			for _, c := range labClients {
				l.mustNotReach(c, h.port)
			}
			a4, a6 := h.admission("L-4", labApp4+"/32", time.Hour), h.admission("L-6", labApp6+"/64", time.Hour)
			l.admit(h, a4, a6)
			open := l.mustReach(labApp4, h.port)
			l.mustReach(labApp6, h.port)
			l.mustNotReach(labEvil4, h.port)
			l.mustNotReach(labEvil6, h.port)
			l.admit(h, h.admission("L-E", "203.0.113.0/24", time.Hour)) // the doorways stay as they are
			l.mustReach(labEvil4, h.port)
			if got := l.admitted(); len(got.Doorways) != len(h.doors) || got.Mark != testBit || len(got.Cut) != 0 {
				t.Errorf("in force: %+v", got)
			}
			l.dismiss(a4, h.admission("L-E", "203.0.113.0/24", time.Hour))
			l.mustNotReach(labApp4, h.port)
			l.mustNotReach(labEvil4, h.port)
			l.mustReach(labApp6, h.port)
			if !answers(open, labAnswer) {
				t.Error("a connection that was open is cut")
			}
			l.must(func() error { return l.filter.Retire(context.Background()) })
			l.mustNotReach(labApp6, h.port)
			if diff := cmp.Diff(before, l.inForce()); diff != "" {
				t.Errorf("the filter is not as it was:\n%s", diff)
			}
		})
	}
}

// Where no table is, none is made to take something out of it.
func TestDismissNothing(t *testing.T) {
	l, h := newFilterLab(t), leaseHosts()[0]
	h.load(l)
	before := l.inForce()
	a := h.admission("L-4", labApp4+"/32", time.Hour)
	l.dismiss(a)
	a.Cut = true
	l.dismiss(a)
	if diff := cmp.Diff(before, l.inForce()); diff != "" {
		t.Errorf("the filter is not as it was:\n%s", diff)
	}
}

// The kernel ends an admission with nothing of demine running, not before its
// time, and one that was extended goes on.
func TestAdmitEnds(t *testing.T) {
	const left = 2 * time.Second
	for _, h := range leaseHosts() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			l := newFilterLab(t)
			h.load(l)
			begun := time.Now()
			ends, goes := h.admission("L-E", labEvil4+"/32", left), h.admission("L-6", labApp6+"/128", left)
			l.admit(h, ends, goes)
			goes.Left = time.Hour
			l.admit(h, goes)
			for time.Since(begun) < left+time.Second {
				there := len(l.admitted().Admissions) == 2
				if took := time.Since(begun); !there && took < left-100*time.Millisecond && (!h.alone || took < left-time.Second) {
					t.Fatalf("ended after %v", took)
				}
			}
			l.mustNotReach(labEvil4, h.port)
			l.mustReach(labApp6, h.port)
		})
	}
}

// What Admitted tells is what was asked for.
func TestAdmitted(t *testing.T) {
	l, h := newFilterLab(t), leaseHosts()[0]
	h.load(l)
	if got := l.admitted(); !cmp.Equal(got, Admitted{Others: got.Others}) {
		t.Errorf("in force before anything: %+v", got)
	}
	want := []Admission{
		{"L-1", "tcp", 6380, netip.MustParsePrefix("0.0.0.0/0"), time.Hour, false},
		{"L-2", "udp", 53, netip.MustParsePrefix("10.0.0.0/8"), 24 * time.Hour, false},
		{"L-3", "tcp", 65535, netip.MustParsePrefix("::/0"), 30 * 24 * time.Hour, true},
		{"L-4", "tcp", 1, netip.MustParsePrefix("2001:db8::/33"), time.Minute, false},
	}
	for i := range 5000 { // more than go into one message, or into a socket as it comes
		want = append(want, Admission{fmt.Sprintf("L-%d", 100+i), "tcp", 1000 + i, netip.MustParsePrefix("192.0.2.7/32"), time.Hour, false})
	}
	l.admit(h, want...)
	got := l.admitted()
	for i, a := range got.Admissions {
		j := slices.IndexFunc(want, func(w Admission) bool { return w.key() == a.key() })
		if j < 0 || a.Left > want[j].Left || a.Left < want[j].Left-time.Minute {
			t.Fatalf("not asked for: %+v", a)
		}
		got.Admissions[i].Left = want[j].Left
	}
	byLease := func(a, b Admission) int { return strings.Compare(a.Lease, b.Lease) }
	slices.SortFunc(got.Admissions, byLease)
	slices.SortFunc(want, byLease)
	if diff := cmp.Diff(want, got.Admissions, prefixEqual); diff != "" {
		t.Error(diff)
	}
	cut := want[slices.IndexFunc(want, func(a Admission) bool { return a.Cut })]
	if diff := cmp.Diff([]Admission{cut.ended()}, got.Cut, prefixEqual); diff != "" {
		t.Error(diff)
	}
}

// A lease with Cut ends its connections too, by the kernel alone and when it is
// dismissed, and those of others go on.
func TestAdmitCut(t *testing.T) {
	for _, h := range leaseHosts() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			l := newFilterLab(t)
			h.load(l)
			before := l.inForce()
			ends, closed := h.admission("L-E", labEvil4+"/32", 2*time.Second), h.admission("L-6", labEvil6+"/128", time.Hour)
			stays := h.admission("L-4", labApp4+"/32", time.Hour)
			ends.Cut, closed.Cut = true, true
			l.admit(h, closed, stays)
			flow6, flow4 := l.mustReach(labEvil6, h.port), l.mustReach(labApp4, h.port)
			l.admit(h, ends)
			flow := l.dial(labEvil4, h.port, labAnswer)
			for end := time.Now().Add(4 * time.Second); time.Now().Before(end) && len(l.admitted().Admissions) == 3; {
			}
			if flow == nil || answers(flow, labSilence) {
				t.Error("the flow goes on behind the end of its lease, or there never was one")
			}
			l.dismiss(ends, closed)
			if answers(flow, labSilence) || answers(flow6, labSilence) {
				t.Error("a flow goes on that was cut")
			}
			if !hungUp(flow6) {
				t.Error("the server has not ended the connection")
			}
			if !answers(flow4, labAnswer) {
				t.Error("a flow of another lease is cut")
			}
			if got := l.admitted(); len(got.Cut) != 0 || len(got.Admissions) != 1 {
				t.Errorf("in force: %+v", got)
			}
			l.must(func() error { return l.filter.Retire(context.Background()) })
			if diff := cmp.Diff(before, l.inForce()); diff != "" {
				t.Errorf("the filter is not as it was:\n%s", diff)
			}
			if !answers(flow4, labAnswer) {
				t.Error("a flow of a lease without a cut is cut at the end of all")
			}
		})
	}
}
