package host

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

func TestParseProcSockets(t *testing.T) {
	const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:18EC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1359541 1 0000000000000000 100 0 0 10 0
   1: 0100007F:0CEA 0200000A:D431 01 00000000:00000000 00:00000000 00000000   115        0 77 1 0000000000000000
   2: 0100007F:0CEA 0200000A:D432 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000
`
	const tcp6 = `   0: 00000000000000000000000000000000:18EC 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 5 1 0
   1: B80D0120000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 6 1 0
`
	out, err := parseProcSockets(strings.NewReader(tcp), "tcp", 9, nil)
	if err == nil {
		out, err = parseProcSockets(strings.NewReader(tcp6), "tcp6", 9, out)
	}
	if err != nil || len(out) != 4 {
		t.Fatalf("%v %+v", err, out)
	}
	any4, redis := netip.IPv4Unspecified(), out[0]
	if redis.State != "LISTEN" || redis.Local != any4 || redis.Port != 6380 || redis.Inode != 1359541 || redis.Peer.IsValid() || redis.NetNS != 9 {
		t.Errorf("%+v", redis)
	}
	if c := out[1]; c.State != "ESTABLISHED" || c.Peer.String() != "10.0.0.2" || c.PeerPort != 0xd431 || c.UID != 115 {
		t.Errorf("%+v", c)
	}
	if !out[2].V6Only || out[3].V6Only || out[3].Local.String() != "2001:db8::1" || out[3].Port != 22 {
		t.Errorf("%+v", out[2:])
	}
}

// Both ways tell the same of a listener and of a connection.
func TestProcSocketsAgreeWithDiag(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	mine := func(all []fact.Socket, err error) fact.Socket {
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(s fact.Socket) bool { return s.Port == port && s.Listening() })
		if i < 0 {
			t.Fatalf("port %d is not listed", port)
		}
		return all[i]
	}
	ns := threadNetNS()
	if a, b := mine(procSockets(ns)), mine(diagSockets(context.Background(), false)); a != b {
		t.Errorf("/proc/net: %+v\nsock_diag: %+v", a, b)
	}
}

// Listeners are those of all sockets that listen, and no connection.
func TestListeners(t *testing.T) {
	runtime.LockOSThread() // asked for by its number: the first one of the process may be in another test's namespace
	defer runtime.UnlockOSThread()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mine := func(all []fact.Socket, err error) (states []string) {
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			if s.Port == l.Addr().(*net.TCPAddr).Port || s.Port == u.LocalAddr().(*net.UDPAddr).Port {
				states = append(states, s.Proto+" "+s.State)
			}
		}
		slices.Sort(states)
		return states
	}
	listen, all := []string{"tcp LISTEN", "udp6 UNCONN"}, []string{"tcp ESTABLISHED", "tcp LISTEN", "udp6 UNCONN"}
	for _, pid := range []int{0, unix.Gettid()} {
		if got := mine(liveKernel{}.Listeners(t.Context(), pid)); !slices.Equal(got, listen) {
			t.Errorf("listeners of %d: %q", pid, got)
		}
		if got := mine(liveKernel{}.Sockets(t.Context(), pid)); !slices.Equal(got, all) {
			t.Errorf("sockets of %d: %q", pid, got)
		}
	}
}
