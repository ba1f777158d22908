package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/respond"
)

const (
	leasesInForce = 1000
	leasePort     = 6380
	leaseBit      = 0x100

	// leasePause is longer than the kernel takes to free what a transaction took out
	// (a grace period of RCU), for which the next one would wait.
	leasePause = 50 * time.Millisecond
)

// usualFilter is that of a server on which a port is closed to all.
const usualFilter = `table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		ct state established,related accept
		ct state invalid drop
		tcp dport { 22, 80, 443 } accept
		ip saddr 198.51.100.0/24 tcp dport 3306 accept
	}
}
`

// leaseHost is a host with a filter and an outside, in network namespaces.
type leaseHost struct {
	b    *testing.B
	name string
}

func newLeaseHost(b *testing.B, name, filter string) leaseHost {
	h := leaseHost{b, fmt.Sprintf("demine-bench-%d-%s", os.Getpid(), name)}
	out := h.name + "-o"
	b.Cleanup(func() {
		_ = exec.Command("ip", "netns", "del", h.name).Run()
		_ = exec.Command("ip", "netns", "del", out).Run()
	})
	for _, c := range []string{"netns add " + h.name, "netns add " + out, "-n " + h.name + " link add dv0 type veth peer name dv1 netns " + out,
		"-n " + h.name + " link set lo up", "-n " + h.name + " link set dv0 up", "-n " + h.name + " addr add 10.77.0.1/24 dev dv0",
		"-n " + out + " link set dv1 up", "-n " + out + " addr add 10.77.0.2/24 dev dv1"} {
		h.run("", "ip", strings.Fields(c)...)
	}
	h.run(filter, "ip", "netns", "exec", h.name, "nft", "-f", "-")
	h.waitUp()
	return h
}

// waitUp waits until the kernel has noticed that both ends are up.
func (h leaseHost) waitUp() {
	for range 500 {
		out, err := exec.Command("ip", "-n", h.name, "link", "show", "dv0").Output()
		if err == nil && strings.Contains(string(out), "state UP") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.b.Fatalf("the link of %s does not come up", h.name)
}

func (h leaseHost) run(stdin, name string, args ...string) {
	h.b.Helper()
	c := exec.Command(name, args...)
	c.Stdin = strings.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		h.b.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// in runs f on a thread in a namespace, which ends with it.
func (h leaseHost) in(ns string, f func() error) {
	h.b.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		fd, err := unix.Open("/run/netns/"+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = errors.Join(unix.Setns(fd, unix.CLONE_NEWNET), unix.Close(fd))
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		h.b.Fatal(err)
	}
}

func (h leaseHost) admit(as ...respond.Admission) (took time.Duration) {
	door := respond.Doorway{At: respond.RuleAt{Backend: "nft", Family: "inet", Table: "filter", Chain: "input", N: 6}}
	h.in(h.name, func() error {
		begun := time.Now() // to join the namespace is no part of it
		defer func() { took = time.Since(begun) }()
		return respond.LiveFilter().Admit(context.Background(), leaseBit, time.Now().Add(time.Hour), []respond.Doorway{door}, as)
	})
	return took
}

func (h leaseHost) dismiss(a respond.Admission) (took time.Duration) {
	h.in(h.name, func() error {
		begun := time.Now()
		defer func() { took = time.Since(begun) }()
		return respond.LiveFilter().Dismiss(context.Background(), []respond.Admission{a})
	})
	return took
}

// leasesOf are n of them: everywhere a source of its own, of 32 bits or, mixed,
// of all lengths from 8 to 32.
func leasesOf(n int, mixed bool) (out []respond.Admission) {
	for i := range n {
		bits := 32
		if mixed {
			bits = 8 + i%25
		}
		from := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(11 + i%100), byte(i >> 8), byte(i), 7}), bits).Masked()
		out = append(out, respond.Admission{Lease: fmt.Sprintf("L-%d", i), Proto: "tcp", Port: leasePort + i/100, From: from, Left: time.Hour})
	}
	return out
}

// BenchmarkLease opens one lease more, and closes it, while so many are in force: the
// packet filter's part alone.
func BenchmarkLease(b *testing.B) {
	for _, n := range []int{0, leasesInForce} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := newLeaseHost(b, fmt.Sprint(n), usualFilter)
			h.admit(leasesOf(n, false)...)
			one := respond.Admission{Lease: "L-one", Proto: "tcp", Port: 22, From: netip.MustParsePrefix("203.0.113.7/32"), Left: time.Hour}
			var open, closing time.Duration
			for b.Loop() {
				time.Sleep(leasePause)
				open += h.admit(one)
				time.Sleep(leasePause)
				closing += h.dismiss(one)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(open.Microseconds())/float64(b.N), "µs/open")
			b.ReportMetric(float64(closing.Microseconds())/float64(b.N), "µs/close")
		})
	}
}
