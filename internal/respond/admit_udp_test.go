package respond

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// udpServer answers who asks, and counts for each address what came.
type udpServer struct{ got sync.Map }

func (s *udpServer) from(a net.Addr) *atomic.Int64 {
	n, _ := s.got.LoadOrStore(a.String(), new(atomic.Int64))
	return n.(*atomic.Int64)
}

func (l *filterLab) serveUDP(ns, address string) *udpServer {
	l.t.Helper()
	var conn net.PacketConn
	l.in(ns, func() {
		var err error
		if conn, err = net.ListenPacket("udp", address); err != nil {
			l.t.Error(err)
		}
	})
	l.t.Cleanup(func() { conn.Close() })
	s := &udpServer{}
	go func() {
		b := make([]byte, 64)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			s.from(from).Add(1)
			_, _ = conn.WriteTo(b[:n], from)
		}
	}()
	return s
}

func (l *filterLab) dialUDP(from, to string) net.Conn {
	l.t.Helper()
	var c net.Conn
	l.in(l.outside, func() {
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: netip.MustParseAddr(from).AsSlice()}}
		var err error
		if c, err = d.Dial("udp", to); err != nil {
			l.t.Error(err)
		}
	})
	l.t.Cleanup(func() { c.Close() })
	return c
}

// heard sends until the server has got something of it, or for a while.
func (s *udpServer) heard(c net.Conn, wait time.Duration) bool {
	got := s.from(c.LocalAddr())
	was := got.Load()
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := c.Write([]byte("ask")); err != nil {
			continue // an ICMP of before
		}
		if got.Load() > was {
			return true
		}
	}
	return false
}

// A flow of UDP ends with its lease when that was asked for, and one of a lease
// without goes on; on the host, and in a container at the same port.
func TestAdmitCutUDP(t *testing.T) {
	hosts := leaseHosts()
	for _, h := range hosts {
		if h.name != hosts[0].name && h.port != 8080 {
			continue
		}
		t.Run(h.name, func(t *testing.T) {
			l := newFilterLab(t)
			h.load(l)
			at := l.host
			if h.port == 8080 {
				at = l.host + "c"
				backend := h.doors[0].At.Backend
				l.sh(backend+" -t nat -A PREROUTING -i dv0 -p udp --dport 53 -j DNAT --to-destination 172.18.0.2", "")
				l.sh(backend+" -t nat -A POSTROUTING -s 172.18.0.0/24 ! -o br0 -j MASQUERADE", "")
			}
			l.mustCutUDP(h, l.serveUDP(at, "0.0.0.0:53"))
		})
	}
}

func (l *filterLab) mustCutUDP(h leaseHost, s *udpServer) {
	l.t.Helper()
	before := l.inForce()
	admission := func(lease, from string) Admission {
		return Admission{Lease: lease, Proto: "udp", Port: 53, From: netip.MustParsePrefix(from + "/32"), Left: time.Hour}
	}
	cut, stays := admission("L-1", labApp4), admission("L-2", labEvil4)
	cut.Cut = true
	l.admit(h, cut, stays)
	ends, goesOn := l.dialUDP(labApp4, labHost4+":53"), l.dialUDP(labEvil4, labHost4+":53")
	if !s.heard(ends, labAnswer) || !s.heard(goesOn, labAnswer) {
		l.t.Fatal("not let in")
	}
	l.dismiss(cut, stays)
	for _, when := range []string{"its lease", "all leases"} {
		if s.heard(ends, labSilence) {
			l.t.Errorf("the flow goes on behind the end of %s", when)
		}
		if !s.heard(goesOn, labAnswer) {
			l.t.Errorf("behind the end of %s a flow is cut that was not to be", when)
		}
		l.must(func() error { return l.filter.Retire(context.Background()) })
	}
	if diff := cmp.Diff(before, l.inForce()); diff != "" {
		l.t.Errorf("the filter is not as it was:\n%s", diff)
	}
}
