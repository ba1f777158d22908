package respond

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// filterLab is a host with a packet filter of its own and clients outside of
// it, in network namespaces.
type filterLab struct {
	t             testing.TB
	host, outside string
	filter        Filter
}

// The host's addresses, and clients: an application server and two strangers.
var (
	labHost4, labHost6 = "10.77.0.1", "fd77::1"
	labApp4, labApp6   = "10.77.0.2", "fd77::2"
	labEvil4, labEvil6 = "203.0.113.9", "2001:db8:9::9"
	labClients         = []string{labApp4, labApp6, labEvil4, labEvil6}
	labPorts           = []int{22, 6380, 6381}
	labHostOf          = map[bool]string{false: labHost4, true: labHost6}
	labLoopback        = map[bool]string{false: "127.0.0.1", true: "::1"}
	labAnswer          = 10 * time.Second
	labSilence         = 150 * time.Millisecond // the way is some ten microseconds long
)

func newFilterLab(t testing.TB) *filterLab {
	t.Helper()
	id := fmt.Sprintf("demine-rf-%d-%d", os.Getpid(), rand.IntN(1<<20))
	l := &filterLab{t, id + "-h", id + "-o", LiveFilter()}
	t.Cleanup(func() {
		_ = exec.Command("ip", "netns", "del", l.host).Run()
		_ = exec.Command("ip", "netns", "del", l.outside).Run()
	})
	l.run("ip netns add "+l.host, "")
	l.run("ip netns add "+l.outside, "")
	l.run("ip -n "+l.host+" link add dv0 address 02:00:00:00:00:01 type veth peer name dv1 address 02:00:00:00:00:02 netns "+l.outside, "")
	for _, c := range []string{"link set lo up", "link set dv0 up", "addr add " + labHost4 + "/24 dev dv0", "addr add " + labHost6 + "/64 dev dv0 nodad",
		"route add default dev dv0", "-6 route add default dev dv0"} {
		l.run("ip -n "+l.host+" "+c, "")
	}
	cmds := []string{"link set lo up", "link set dv1 up", "neigh add " + labHost4 + " lladdr 02:00:00:00:00:01 dev dv1", "neigh add " + labHost6 + " lladdr 02:00:00:00:00:01 dev dv1"}
	for _, a := range labClients {
		l.run("ip -n "+l.host+" neigh add "+a+" lladdr 02:00:00:00:00:02 dev dv0", "")
		bits, nodad := "/32", ""
		if strings.Contains(a, ":") {
			bits, nodad = "/128", " nodad"
		}
		cmds = append(cmds, "addr add "+a+bits+" dev dv1"+nodad)
	}
	for _, c := range append(cmds, "route add default dev dv1", "-6 route add default dev dv1") {
		l.run("ip -n "+l.outside+" "+c, "")
	}
	l.listen()
	for _, a := range labClients {
		l.mustReach(a, 6380)
	}
	return l
}

func (l *filterLab) run(command, stdin string) string {
	l.t.Helper()
	f := strings.Fields(command)
	c := exec.Command(f[0], f[1:]...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s: %v\n%s\n%s", command, err, out, stdin)
	}
	return string(out)
}

// sh runs a program in the host.
func (l *filterLab) sh(command, stdin string) string {
	l.t.Helper()
	return l.run("ip netns exec "+l.host+" "+command, stdin)
}

// in runs f on a thread in a namespace; the thread ends with it.
func (l *filterLab) in(ns string, f func()) {
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

// do runs a change in the host.
func (l *filterLab) do(f func() error) error {
	l.t.Helper()
	var err error
	l.in(l.host, func() { err = f() })
	return err
}

func (l *filterLab) must(f func() error) {
	l.t.Helper()
	if err := l.do(f); err != nil {
		l.t.Fatal(err)
	}
}

// listen echoes on every port, from every address of the host.
func (l *filterLab) listen() {
	l.in(l.host, func() {
		for _, p := range labPorts {
			l.serve(fmt.Sprintf("[::]:%d", p))
		}
	})
}

// serve echoes on an address of the namespace that it is called in.
func (l *filterLab) serve(address string) {
	ln, err := net.Listen("tcp", address)
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
			go echo(c)
		}
	}()
}

func echo(c net.Conn) {
	defer c.Close()
	b := make([]byte, 64)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

// dial connects from a client's address, or nil.
func (l *filterLab) dial(from string, port int, wait time.Duration) net.Conn {
	ns, to := l.outside, labHostOf[strings.Contains(from, ":")]
	if from == labLoopback[false] || from == labLoopback[true] {
		ns, to = l.host, from
	}
	var c net.Conn
	l.in(ns, func() {
		d := net.Dialer{Timeout: wait, LocalAddr: &net.TCPAddr{IP: netip.MustParseAddr(from).AsSlice()}}
		c, _ = d.Dial("tcp", net.JoinHostPort(to, fmt.Sprint(port)))
	})
	if c != nil {
		l.t.Cleanup(func() { c.Close() })
	}
	return c
}

// answers sends something on an open connection and waits for it to come back.
func answers(c net.Conn, wait time.Duration) bool {
	_ = c.SetDeadline(time.Now().Add(wait))
	if _, err := c.Write([]byte("x")); err != nil {
		return false
	}
	n, _ := c.Read(make([]byte, 8))
	return n > 0
}

func (l *filterLab) mustReach(from string, port int) net.Conn {
	l.t.Helper()
	c := l.dial(from, port, labAnswer)
	if c == nil || !answers(c, labAnswer) {
		l.t.Fatalf("%s does not reach port %d\n%s", from, port, l.sh("nft list ruleset", ""))
	}
	return c
}

func (l *filterLab) mustNotReach(from string, port int) {
	l.t.Helper()
	if c := l.dial(from, port, labSilence); c != nil {
		l.t.Fatalf("%s reaches port %d\n%s", from, port, l.sh("nft list ruleset", ""))
	}
}
