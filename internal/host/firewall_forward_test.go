package host

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"demine/internal/fact"
	"demine/internal/relate"

	"golang.org/x/sys/unix"
)

var seed = flag.Uint64("seed", 7, "of the random rulesets that are compared with the kernel")

// leastVerdicts is how many answers about a sender and a listener the test of
// forwarding compares with what a connection does, over all backends.
const leastVerdicts = 10_000

// A container's network beside those of the lab: a bridge of the host and an
// address on it. It is a public one, so that its direct way counts too.
var (
	inside4     = netip.MustParseAddr("203.0.113.2")
	inside6     = netip.MustParseAddr("2001:db8:c::2")
	forwardPort = []int{80, 6379, 8080, 9000}
	// The host's own addresses, and every kind of port that the rules tell apart.
	knocks4 = addrs("10.77.0.1", "203.0.113.1", "203.0.113.2")
	knocks6 = addrs("fd77::1", "2001:db8:c::1", "2001:db8:c::2")
	knocked = append([]int{6500, 4444}, forwardPort...)
)

// addContainer makes the third namespace.
func (l *lab) addContainer() string {
	l.t.Helper()
	c := strings.TrimSuffix(l.host, "-h") + "-c"
	l.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", c).Run() })
	l.sh("ip netns add " + c)
	for _, s := range []string{"link add br-t address 02:00:00:00:00:11 type bridge forward_delay 0", "link set br-t up",
		"link add vt0 master br-t type veth peer name eth0 address 02:00:00:00:00:12 netns " + c, "link set vt0 up",
		"addr add 203.0.113.1/24 dev br-t", "addr add 2001:db8:c::1/64 dev br-t nodad",
		"neigh add 203.0.113.2 lladdr 02:00:00:00:00:12 dev br-t", "neigh add 2001:db8:c::2 lladdr 02:00:00:00:00:12 dev br-t"} {
		l.sh("ip -n " + l.host + " " + s)
	}
	for _, s := range []string{"link set lo up", "link set eth0 up", "addr add 203.0.113.2/24 dev eth0", "addr add 2001:db8:c::2/64 dev eth0 nodad",
		"neigh add 203.0.113.1 lladdr 02:00:00:00:00:11 dev eth0", "neigh add 2001:db8:c::1 lladdr 02:00:00:00:00:11 dev eth0",
		"route add default via 203.0.113.1", "route add default via 2001:db8:c::1"} {
		l.sh("ip -n " + c + " " + s)
	}
	l.sh("ip -n " + l.outside + " route add 203.0.113.0/24 via 10.77.0.1")
	l.sh("ip -n " + l.outside + " route add 2001:db8:c::/64 via fd77::1")
	l.in(l.host, func() {
		for _, f := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
			if err := os.WriteFile("/proc/sys/net/"+f, []byte("1"), 0); err != nil {
				l.t.Errorf("%v", err)
			}
		}
	})
	l.sh("ip -n " + l.host + " -6 route replace default via fd77::2 dev dv0") // forwarding may drop it
	return c
}

// serve answers every connection and every datagram in a namespace with the
// name of the listener.
func (l *lab) serve(ns, name string) {
	l.in(ns, func() {
		for _, p := range forwardPort {
			for _, v := range []string{"4", "6"} {
				l.serveTCP(v, name, p)
			}
			for _, a := range slices.Concat(knocks4, knocks6) { // an answer comes from the address that was asked
				if (a == inside4 || a == inside6) == (name == "c") {
					l.serveUDP(a, name, p)
				}
			}
		}
	})
}

func (l *lab) serveTCP(v, name string, port int) {
	ln, err := net.Listen("tcp"+v, fmt.Sprintf(":%d", port))
	if err != nil {
		l.t.Errorf("listen: %v", err)
		return
	}
	l.t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(c, "%s%d", name, port)
			c.Close()
		}
	}()
}

func (l *lab) serveUDP(a netip.Addr, name string, port int) {
	pc, err := net.ListenPacket("udp", netip.AddrPortFrom(a, uint16(port)).String())
	if err != nil {
		l.t.Errorf("listen: %v", err)
		return
	}
	l.t.Cleanup(func() { pc.Close() })
	go func() {
		b := make([]byte, 16)
		for {
			_, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(fmt.Appendf(nil, "%s%d", name, port), from)
		}
	}()
}

// arrived is a listener, and a sender who got an answer of it.
type arrived struct {
	proto string
	from  netip.Addr
	name  string // "h80", "c6379"
}

// knock tries every sender, destination and port over both protocols at once.
// round makes the source ports new each time: what conntrack remembers of a
// round must not answer for the next.
func (l *lab) knock(round int) map[arrived]bool {
	got := map[arrived]bool{}
	l.in(l.outside, func() {
		fds := map[int]arrived{}
		for _, from := range slices.Concat(sources4, sources6) {
			to := knocks4
			if from.Is6() {
				to = knocks6
			}
			for i, a := range to {
				for j, port := range knocked {
					for _, proto := range []string{"tcp", "udp"} {
						fd, err := knockOne(proto, netip.AddrPortFrom(from, uint16(10000+18*round+6*i+j)), netip.AddrPortFrom(a, uint16(port)))
						if err == nil {
							fds[fd] = arrived{proto: proto, from: from}
						}
					}
				}
			}
		}
		waitAnswers(fds, got)
	})
	return got
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is6() {
		return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	}
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
}

func knockOne(proto string, from, to netip.AddrPort) (int, error) {
	domain, kind := unix.AF_INET, unix.SOCK_STREAM
	if from.Addr().Is6() {
		domain = unix.AF_INET6
	}
	if proto == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err = unix.Bind(fd, sockaddr(from)); err == nil {
		if err = unix.Connect(fd, sockaddr(to)); err == unix.EINPROGRESS {
			err = nil
		}
	}
	if err == nil && proto == "udp" {
		_, err = unix.Write(fd, []byte("?"))
	}
	if err != nil {
		unix.Close(fd)
	}
	return fd, err
}

// waitAnswers reads the names of those who answer, until nobody did for 150 ms:
// the way is some ten microseconds long, and TCP repeats after a second.
func waitAnswers(fds map[int]arrived, got map[arrived]bool) {
	for len(fds) > 0 {
		var p []unix.PollFd
		for fd := range fds {
			p = append(p, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		}
		if n, err := unix.Poll(p, 150); n == 0 && err == nil {
			break
		}
		for _, x := range p {
			if x.Revents == 0 {
				continue
			}
			fd, b := int(x.Fd), make([]byte, 16)
			if n, err := unix.Read(fd, b); err == nil && n > 0 {
				a := fds[fd]
				a.name = string(b[:n])
				got[a] = true
			}
			unix.Close(fd)
			delete(fds, fd)
		}
	}
	for fd := range fds {
		unix.Close(fd)
	}
}

// network reads what decides: the filter and the network of the host, and both
// of the container.
func (l *lab) network(container string) (*relate.Net, uint64) {
	n := &relate.Net{Filter: l.read()}
	for _, ns := range []string{l.host, container} {
		l.in(ns, func() {
			w, gaps := ReadNetwork()
			if ns == l.host {
				w.Own, n.Own = true, &w
			} else {
				var g []fact.Gap
				w.Firewall, g = ReadFirewall(context.Background())
				n.Others = append(n.Others, &w)
				gaps = append(gaps, g...)
			}
			if len(gaps) > 0 {
				l.t.Errorf("gaps: %v", gaps)
			}
		})
	}
	return n, n.Others[0].NetNS
}

// compare predicts for every listener, sender and protocol, and knocks.
func (l *lab) compare(container, text string, round int, sc *tally) {
	l.t.Helper()
	n, ns := l.network(container)
	got := l.knock(round)
	certain := !strings.Contains(text, "mark") && !strings.Contains(text, "limit")
	for _, v6 := range []bool{false, true} {
		any, from := netip.IPv4Unspecified(), sources4
		if v6 {
			any, from = netip.IPv6Unspecified(), sources6
		}
		for _, proto := range []string{"tcp", "udp"} {
			for _, port := range forwardPort {
				for name, ns := range map[string]uint64{"h": 0, "c": ns} {
					r := n.Reach(relate.Door{Proto: proto, Addr: any, Port: port, V6: v6, NetNS: ns})
					sc.why(l.t, r, text)
					for _, s := range from {
						want, known := predicted(r, s, certain)
						sc.count(r.From, known)
						if at := (arrived{proto, s, fmt.Sprint(name, port)}); known && want != got[at] {
							l.t.Errorf("%s %s%d from %s: demine says %q (%s, %v, except %v, %+v), the kernel says %v\n%s",
								proto, name, port, s, r.From, r.Why, r.Sources, r.Except, r.Because, got[at], text)
						}
					}
				}
			}
		}
	}
}

// tally counts the answers, and keeps the reasons of those that are none.
type tally struct {
	verdicts, unknown int
	from              map[string]int
	reasons           map[string]int
}

func (c *tally) count(from string, known bool) {
	c.verdicts++
	if !known {
		c.unknown++
	}
	c.from[from]++
}

// unread are the only conditions that may make an answer "cannot-tell".
var unread = []string{"mark", "limit", "meta mark", "set", "nat"}

func (c *tally) why(t *testing.T, r relate.Reach, text string) {
	t.Helper()
	if r.From != "cannot-tell" {
		return
	}
	words := []string{r.Why}
	if r.Why == "unknown-match" && r.Because != nil {
		if words = r.Because.Unknown; r.Because.Mark.Mask != 0 {
			words = append(slices.Clone(words), "mark")
		}
	}
	for _, w := range words {
		c.reasons[w]++
	}
	if !slices.ContainsFunc(words, func(w string) bool { return slices.Contains(unread, w) }) {
		t.Errorf("cannot tell for %v: %+v\n%s", words, r.Because, text)
	}
}

// TestKernelForward: what is published, redirected, forwarded and filtered on
// the way, in three network namespaces and three backends, is what the kernel
// does with real connections and datagrams.
func TestKernelForward(t *testing.T) {
	l := newLab(t)
	c := l.addContainer()
	l.serve(c, "c")
	l.closeListeners()
	l.serve(l.host, "h")
	round := 0
	for start := time.Now(); len(l.knock(round)) != 2*2*len(forwardPort)*len(sources4)*2; round++ {
		if time.Since(start) > time.Minute {
			t.Fatalf("without rules: %v", l.knock(round))
		}
	}
	verdicts := 0
	for _, backend := range []string{"legacy", "nft", "native"} {
		sc := tally{from: map[string]int{}, reasons: map[string]int{}}
		g := gen{rand.New(rand.NewPCG(*seed, 3))}
		for range 28 {
			round++
			l.compare(c, l.load(g, c, backend), round, &sc)
		}
		l.unload(c)
		verdicts += sc.verdicts - sc.unknown
		t.Logf("%s: %d verdicts, %d of them cannot-tell; %v; reasons %v", backend, sc.verdicts, sc.unknown, sc.from, sc.reasons)
	}
	if verdicts < leastVerdicts {
		t.Errorf("%d verdicts were compared, want at least %d", verdicts, leastVerdicts)
	}
}

// load puts random rules into the host, and sometimes into the container.
func (l *lab) load(g gen, container, backend string) (text string) {
	if backend == "native" {
		text = g.nftForward()
		l.inHost("nft -f -", "flush ruleset\n"+text)
		return text
	}
	for _, v6 := range []bool{false, true} {
		tool, rules := "iptables-"+backend+"-restore", g.iptablesForward(v6)
		if v6 {
			tool = "ip6tables-" + backend + "-restore"
		}
		l.inHost(tool, rules)
		inside := empty
		if g.IntN(3) == 0 {
			// What follows a first packet, and answers, are let through: they are not the question.
			inside = strings.NewReplacer("dv0", "eth0", "CT --notrack", "DROP", ":U2 - [0:0]\n",
				":U2 - [0:0]\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n").Replace(g.iptables(v6))
		}
		l.feed("ip netns exec "+container+" "+tool, inside)
		text += rules + "# in the container:\n" + inside
	}
	return text
}

func (l *lab) unload(container string) {
	for _, ns := range []string{l.host, container} {
		for _, f := range []string{"iptables", "ip6tables"} {
			l.feed("ip netns exec "+ns+" "+f+"-legacy-restore", emptyForward)
		}
		l.feed("ip netns exec "+ns+" nft flush ruleset", "")
	}
}

const emptyForward = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n" +
	"*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*mangle\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"

// closeListeners ends those of the lab that only tell whether, not who.
func (l *lab) closeListeners() {
	for _, c := range l.listeners {
		c.Close()
	}
}
