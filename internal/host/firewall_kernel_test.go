package host

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"demine/internal/fact"
	"demine/internal/format/iptablessave"
	"demine/internal/format/nftconf"
	"demine/internal/relate"

	"golang.org/x/sys/unix"
)

// These tests are differential: random rulesets are loaded into a real kernel
// by the real tools, in network namespaces of their own, and what demine
// predicts is compared with what a TCP connect from another namespace does.

var (
	kernelPorts = []int{22, 80, 6380, 9000}
	sources4    = addrs("10.77.0.2", "10.77.0.3", "192.168.9.9", "8.8.8.8")
	sources6    = addrs("fd77::2", "fd77::3", "2001:db8:9::9", "2a00::8")
	target4     = netip.MustParseAddr("10.77.0.1")
	target6     = netip.MustParseAddr("fd77::1")
)

func addrs(s ...string) (out []netip.Addr) {
	for _, x := range s {
		out = append(out, netip.MustParseAddr(x))
	}
	return out
}

// lab is a host with a packet filter and a network outside of it.
type lab struct {
	t             *testing.T
	host, outside string // names of namespaces
	listeners     []net.Listener
}

func newLab(t *testing.T) *lab {
	t.Helper()
	id := fmt.Sprintf("demine-fw-%d-%d", os.Getpid(), rand.IntN(1<<20))
	l := &lab{t: t, host: id + "-h", outside: id + "-o"}
	t.Cleanup(func() {
		_ = exec.Command("ip", "netns", "del", l.host).Run()
		_ = exec.Command("ip", "netns", "del", l.outside).Run()
	})
	l.sh("ip netns add " + l.host)
	l.sh("ip netns add " + l.outside)
	l.sh("ip -n " + l.host + " link add dv0 address 02:00:00:00:00:01 type veth peer name dv1 address 02:00:00:00:00:02 netns " + l.outside)
	for _, c := range []string{"link set lo up", "link set dv0 up", "addr add 10.77.0.1/24 dev dv0", "addr add fd77::1/64 dev dv0 nodad",
		"neigh add 10.77.0.2 lladdr 02:00:00:00:00:02 dev dv0", "neigh add fd77::2 lladdr 02:00:00:00:00:02 dev dv0",
		"neigh add 10.77.0.3 lladdr 02:00:00:00:00:02 dev dv0", "neigh add fd77::3 lladdr 02:00:00:00:00:02 dev dv0",
		"route add default via 10.77.0.2", "route add default via fd77::2"} {
		l.sh("ip -n " + l.host + " " + c)
	}
	cmds := []string{"link set lo up", "link set dv1 up", "neigh add 10.77.0.1 lladdr 02:00:00:00:00:01 dev dv1", "neigh add fd77::1 lladdr 02:00:00:00:00:01 dev dv1"}
	for _, a := range sources4 {
		cmds = append(cmds, fmt.Sprintf("addr add %s/24 dev dv1", a))
	}
	for _, a := range sources6 {
		cmds = append(cmds, fmt.Sprintf("addr add %s/64 dev dv1 nodad", a))
	}
	for _, c := range cmds {
		l.sh("ip -n " + l.outside + " " + c)
	}
	l.listen()
	l.mustConnect()
	return l
}

// mustConnect proves the lab itself: without rules everything connects, as
// soon as the link is up.
func (l *lab) mustConnect() {
	l.t.Helper()
	var shut []try
	for range 20 {
		shut = nil
		for t, ok := range l.connect() {
			if !ok {
				shut = append(shut, t)
			}
		}
		if len(shut) == 0 {
			return
		}
	}
	l.t.Fatalf("no rules, but these do not connect: %v", shut)
}

func (l *lab) sh(command string) string { return l.feed(command, "") }

// feed runs a command with a text as its input.
func (l *lab) feed(command, text string) string {
	l.t.Helper()
	f := strings.Fields(command)
	c := exec.Command(f[0], f[1:]...)
	c.Stdin = strings.NewReader(text)
	out, err := c.CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s: %v\n%s\n%s", command, err, out, text)
	}
	return string(out)
}

func (l *lab) inHost(command, text string) string {
	l.t.Helper()
	return l.feed("ip netns exec "+l.host+" "+command, text)
}

// in runs f on a thread in a namespace; the thread ends with it.
func (l *lab) in(ns string, f func()) {
	l.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread must not be used again
		fd, err := unix.Open("/run/netns/"+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			unix.Close(fd)
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		l.t.Fatalf("namespace %s: %v", ns, err)
	}
}

func (l *lab) listen() {
	l.in(l.host, func() {
		for _, p := range kernelPorts {
			for _, n := range []string{"tcp4", "tcp6"} {
				ln, err := net.Listen(n, fmt.Sprintf(":%d", p))
				if err != nil {
					l.t.Errorf("listen: %v", err)
					return
				}
				l.listeners = append(l.listeners, ln)
				l.t.Cleanup(func() { ln.Close() })
				go func() {
					for {
						c, err := ln.Accept()
						if err != nil {
							return
						}
						c.Close()
					}
				}()
			}
		}
	})
}

type try struct {
	from netip.Addr
	port int
}

// connect tries every source and port at once and gives those that worked.
func (l *lab) connect() map[try]bool {
	got := map[try]bool{}
	l.in(l.outside, func() {
		fds := map[int]try{}
		for _, from := range slices.Concat(sources4, sources6) {
			for _, port := range kernelPorts {
				fd, err := dialFrom(from, port)
				if err == nil {
					fds[fd] = try{from, port}
				}
			}
		}
		waitConnected(fds, got)
	})
	return got
}

func dialFrom(from netip.Addr, port int) (int, error) {
	domain, local, to := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Addr: [4]byte(from.AsSlice())}), unix.Sockaddr(&unix.SockaddrInet4{Port: port, Addr: target4.As4()})
	if from.Is6() {
		domain, local, to = unix.AF_INET6, &unix.SockaddrInet6{Addr: from.As16()}, &unix.SockaddrInet6{Port: port, Addr: target6.As16()}
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, local); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bind %s: %w", from, err)
	}
	if err := unix.Connect(fd, to); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// waitConnected polls until all are decided, or 150 ms: the way is some ten
// microseconds long and the first repetition comes after a second.
func waitConnected(fds map[int]try, got map[try]bool) {
	for end := time.Now().Add(150 * time.Millisecond); len(fds) > 0; {
		left := time.Until(end).Milliseconds()
		if left <= 0 {
			break
		}
		var p []unix.PollFd
		for fd := range fds {
			p = append(p, unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT})
		}
		_, _ = unix.Poll(p, int(left))
		for _, x := range p {
			if x.Revents == 0 {
				continue
			}
			_, err := unix.Getpeername(int(x.Fd)) // SO_ERROR also tells of a reject of the later ACK
			got[fds[int(x.Fd)]] = err == nil
			unix.Close(int(x.Fd))
			delete(fds, int(x.Fd))
		}
	}
	for fd, t := range fds {
		got[t] = false
		unix.Close(fd)
	}
}

func (l *lab) read() []fact.Ruleset {
	var sets []fact.Ruleset
	l.in(l.host, func() {
		var gaps []fact.Gap
		sets, gaps = ReadFirewall(context.Background())
		if len(gaps) > 0 {
			l.t.Errorf("gaps: %v", gaps)
		}
	})
	return sets
}

// score counts the answers, to see that they are not all "cannot-tell".
type score struct{ said, open, shut, some, unsure int }

// check compares prediction and kernel for every port and source.
func (l *lab) check(text string, sc *score) {
	l.t.Helper()
	sets, got := l.read(), l.connect()
	for _, v6 := range []bool{false, true} {
		local, from := target4, sources4
		if v6 {
			local, from = target6, sources6
		}
		for _, port := range kernelPorts {
			for _, at := range []netip.Addr{local, netip.IPv6Unspecified()} {
				r := relate.ReachOf(sets, "tcp", at, port, v6)
				sc.count(r.From)
				for _, s := range from {
					want, known := predicted(r, s, at == local && !strings.Contains(text, "mark"))
					if known && want != got[try{s, port}] {
						l.t.Errorf("port %d from %s: demine says %q (%s, %v, %+v), the kernel says %v\n%s", port, s, r.From, r.Why, r.Sources, r.Because, got[try{s, port}], text)
					}
				}
			}
		}
	}
}

// predicted is whether r says that s gets through. certain is that nothing in the
// rules is uncertain: then the exceptions are certain too.
func predicted(r relate.Reach, s netip.Addr, certain bool) (open, known bool) {
	in := func(p []netip.Prefix) bool {
		return slices.ContainsFunc(p, func(p netip.Prefix) bool { return p.Contains(s) })
	}
	switch r.From {
	case "anywhere":
		return !in(r.Except), !in(r.Except) || certain
	case "nobody":
		return false, true
	case "some":
		return in(r.Sources), r.Why != "interface"
	}
	return false, false
}

func (s *score) count(from string) {
	s.said++
	switch from {
	case "anywhere":
		s.open++
	case "nobody":
		s.shut++
	case "some":
		s.some++
	default:
		s.unsure++
	}
}

func (s score) log(t *testing.T, what string, least float64) {
	t.Helper()
	t.Logf("%s: %d answers: %d anywhere, %d some, %d nobody, %d cannot-tell", what, s.said, s.open, s.some, s.shut, s.unsure)
	if s.open == 0 || s.shut == 0 || s.some == 0 || float64(s.said-s.unsure)/float64(s.said) < least {
		t.Errorf("%s: too few definite answers: %+v", what, s)
	}
}

const empty = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\nCOMMIT\n"

func TestKernelIPTables(t *testing.T) {
	l := newLab(t)
	for _, backend := range []string{"legacy", "nft"} {
		var sc score
		g := gen{rand.New(rand.NewPCG(7, 7))}
		for range 28 {
			v4, v6 := g.iptables(false), g.iptables(true)
			l.inHost("iptables-"+backend+"-restore", v4)
			l.inHost("ip6tables-"+backend+"-restore", v6)
			l.check(v4+v6, &sc)
			l.sameAsSaved("iptables-"+backend, "ip")
			l.sameAsSaved("ip6tables-"+backend, "ip6")
		}
		sc.log(t, "iptables-"+backend, 0.6)
		l.inHost("iptables-"+backend+"-restore", empty)
		l.inHost("ip6tables-"+backend+"-restore", empty)
		l.inHost("nft flush ruleset", "")
	}
}

func TestKernelNFT(t *testing.T) {
	l := newLab(t)
	var sc score
	g := gen{rand.New(rand.NewPCG(11, 6))}
	for i := range 40 {
		text := g.nft()
		l.inHost("nft -f -", "flush ruleset\n"+text)
		if i%4 == 3 { // two backends at once
			v4 := g.iptables(false)
			l.inHost("iptables-legacy-restore", v4)
			text += v4
		}
		l.check(text, &sc)
		l.sameAsConf()
		if i%4 == 3 {
			l.inHost("iptables-legacy-restore", empty)
		}
	}
	sc.log(t, "nft", 0.6)
}

// sameAsSaved compares the text of iptables-save, parsed, with the kernel's own
// answer.
func (l *lab) sameAsSaved(tool, family string) {
	l.t.Helper()
	text := l.inHost(tool+"-save -c", "")
	saved := iptablessave.Parse([]byte(text), family, "/etc/iptables/rules")
	for _, want := range l.read() {
		if want.Family != family || !strings.HasSuffix(want.Backend, tool[len(tool)-3:]) && !strings.HasSuffix(tool, want.Backend) {
			continue
		}
		i := slices.IndexFunc(saved, func(r fact.Ruleset) bool { return r.Table == want.Table })
		if i < 0 {
			l.t.Errorf("table %s is not in:\n%s", want.Table, text)
			continue
		}
		l.same(saved[i], want, text)
	}
}

// sameAsConf compares the text of nft list ruleset, parsed, with the kernel.
func (l *lab) sameAsConf() {
	l.t.Helper()
	text := l.inHost("nft -s list ruleset", "")
	conf := nftconf.Parse([]byte(text), "/etc/nftables.conf")
	for _, want := range l.read() {
		if want.Backend != "nft" {
			continue
		}
		i := slices.IndexFunc(conf, func(r fact.Ruleset) bool { return r.Table == want.Table && r.Family == want.Family })
		if i < 0 {
			l.t.Errorf("table %s is not in:\n%s", want.Table, text)
			continue
		}
		l.same(conf[i], want, text)
	}
}

func (l *lab) same(saved, want fact.Ruleset, text string) {
	l.t.Helper()
	for _, w := range want.Chains {
		i := slices.IndexFunc(saved.Chains, func(c fact.Chain) bool { return c.Name == w.Name })
		if i < 0 {
			l.t.Errorf("chain %s is not in:\n%s", w.Name, text)
			continue
		}
		if got := saved.Chains[i]; !reflect.DeepEqual(bare(got), bare(w)) {
			l.t.Errorf("%s %s\n file   %+v\n kernel %+v\n%s", want.Backend, w.Name, bare(got), bare(w), text)
		}
	}
}

// bare is a chain without what only one of file and kernel can know. The order
// of doubts is not the same either.
func bare(c fact.Chain) fact.Chain {
	c.Rules = slices.Clone(c.Rules)
	for i := range c.Rules {
		r := &c.Rules[i]
		if slices.Equal(r.DPort, []fact.PortRange{{From: 1, To: 0}}) { // matches nothing: why is not compared
			*r = fact.Rule{N: r.N, Verdict: r.Verdict}
		}
		r.Handle, r.Origin, r.Counter, r.Packets, r.Bytes = 0, fact.Origin{}, false, 0, 0
		r.Unknown = slices.Sorted(slices.Values(r.Unknown))
		r.Text = strings.NewReplacer("meta nfproto ipv4 ", "", "meta nfproto ipv6 ", "").Replace(r.Text) // nft shows it also where another word says it
		if strings.Contains(r.Text, "{") {                                                               // nft lists a set in its own order
			r.Text = ""
		}
	}
	return c
}
