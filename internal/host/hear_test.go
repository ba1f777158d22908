package host

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

func pair(local, peer string) Pair {
	return Pair{netip.MustParseAddrPort(local), netip.MustParseAddrPort(peer)}
}

// segment makes a packet from the network header on.
func segment(p Pair, data string, odd ...string) []byte {
	tcp := make([]byte, lenTCP, lenTCP+len(data))
	binary.BigEndian.PutUint16(tcp, p.Local.Port())
	binary.BigEndian.PutUint16(tcp[2:], p.Peer.Port())
	binary.BigEndian.PutUint32(tcp[4:], 77)
	tcp[12] = lenTCP / 4 << 4
	tcp = append(tcp, data...)
	proto := byte(protoTCP)
	if slices.Contains(odd, "options") { // of TCP
		tcp[12] = (lenTCP + 4) / 4 << 4
		tcp = slices.Insert(tcp, lenTCP, 1, 1, 1, 0)
	}
	if slices.Contains(odd, "extension") {
		tcp, proto = append([]byte{protoTCP, 0, 1, 4, 0, 0, 0, 0}, tcp...), extHopByHop
	}
	if slices.Contains(odd, "udp") {
		proto = 17
	}
	var ip []byte
	src, dst := p.Local.Addr().AsSlice(), p.Peer.Addr().AsSlice()
	if len(src) == 4 {
		ip = append([]byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, proto, 0, 0}, slices.Concat(src, dst)...)
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(tcp)))
		if slices.Contains(odd, "fragment") {
			ip[7] = 9
		}
	} else {
		ip = append([]byte{0x60, 0, 0, 0, 0, 0, proto, 64}, slices.Concat(src, dst)...)
		binary.BigEndian.PutUint16(ip[4:], uint16(len(tcp)))
	}
	return append(ip, tcp...)
}

func TestFilterAndParser(t *testing.T) {
	v4, v6 := pair("10.0.0.5:40000", "203.0.113.7:3333"), pair("[2001:db8::5]:40000", "[2001:db8::7]:3333")
	vm, err := bpf.NewVM(pairFilter([]Pair{pair("10.0.0.5:1", "10.0.0.6:2"), v4, v6}))
	if err != nil {
		t.Fatal(err)
	}
	back := func(p Pair) Pair { return Pair{p.Peer, p.Local} }
	for name, c := range map[string]struct {
		packet []byte
		passes bool // the filter
		reads  bool // the parser
	}{
		"sent":               {segment(v4, "x"), true, true},
		"received":           {segment(back(v4), "x"), true, true},
		"with options":       {segment(v4, "x", "options"), true, true},
		"nothing in it":      {segment(v4, ""), false, false},
		"only options":       {segment(v4, "", "options"), false, false},
		"another port":       {segment(pair("10.0.0.5:40001", "203.0.113.7:3333"), "x"), false, true},
		"another peer":       {segment(pair("10.0.0.5:40000", "203.0.113.8:3333"), "x"), false, true},
		"crossed":            {segment(pair("10.0.0.5:40000", "10.0.0.6:2"), "x"), false, true},
		"a later fragment":   {segment(v4, "x", "fragment"), false, false},
		"not TCP":            {segment(v4, "x", "udp"), false, false},
		"v6 sent":            {segment(v6, "x"), true, true},
		"v6 received":        {segment(back(v6), "x"), true, true},
		"v6 extension":       {segment(v6, "x", "extension"), true, true},
		"v6 nothing in it":   {segment(v6, ""), false, false},
		"v6 another port":    {segment(pair("[2001:db8::5]:40000", "[2001:db8::7]:3334"), "x"), false, true},
		"v6 not TCP":         {segment(v6, "x", "udp"), false, false},
		"neither v4 nor v6":  {append([]byte{0x30}, segment(v4, "x")[1:]...), false, false},
		"cut in the address": {segment(v4, "x")[:14], false, false},
		"empty":              {nil, false, false},
	} {
		n, err := vm.Run(c.packet)
		if err != nil || (n > 0) != c.passes {
			t.Errorf("%s: the filter gives %d, %v", name, n, err)
		}
		p, ok := parsePacket(c.packet)
		if ok != c.reads || ok && (string(p.data) != "x" || p.seq != 77) {
			t.Errorf("%s: the parser gives %v %+v", name, ok, p)
		}
	}
}

// What the kernel fills up or leaves open is no payload, nor is it lost.
func TestParserLengths(t *testing.T) {
	p := pair("10.0.0.5:40000", "203.0.113.7:3333")
	if got, ok := parsePacket(append(segment(p, "x"), 0, 0, 0)); !ok || string(got.data) != "x" {
		t.Errorf("a frame that was filled up: %q", got.data)
	}
	open := segment(p, "xy")
	open[2], open[3] = 0, 0
	if got, ok := parsePacket(open); !ok || string(got.data) != "xy" {
		t.Errorf("a length of 0: %q", got.data)
	}
}

func FuzzParsePacket(f *testing.F) {
	f.Add(segment(pair("10.0.0.5:40000", "203.0.113.7:3333"), "x", "options"))
	f.Add(segment(pair("[2001:db8::5]:1", "[2001:db8::7]:2"), "x", "extension"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, ok := parsePacket(b); ok && (len(p.data) == 0 || len(p.data) > len(b) || !p.src.IsValid() || !p.dst.IsValid()) {
			t.Errorf("%+v", p)
		}
	})
}

// A real kernel: an ear in a network namespace of its own hears what is said on
// one connection there, in both directions and from both ends, and nothing else.
func TestHearLive(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "::1"} {
		t.Run(addr, func(t *testing.T) { hearOn(t, netip.MustParseAddr(addr)) })
	}
}

func hearOn(t *testing.T, addr netip.Addr) {
	heard := make(chan Segment, 64)
	quit := make(chan error, 1)
	var mine, other *net.TCPConn
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	asThread(t, func() {
		var err error
		if mine, err = loop(t, addr); err == nil {
			other, err = loop(t, addr)
		}
		if err != nil {
			t.Error(err)
			return
		}
		p := Pair{mine.LocalAddr().(*net.TCPAddr).AddrPort(), mine.RemoteAddr().(*net.TCPAddr).AddrPort()}
		e := newEar([]Pair{p})
		if err := e.open(); err != nil {
			t.Error(err)
			return
		}
		context.AfterFunc(ctx, func() { _ = e.file.SetReadDeadline(unixEpoch) })
		go func() {
			quit <- e.listen(func(s Segment) {
				s.Data = slices.Clone(s.Data)
				heard <- s
			})
		}()
	})
	if other == nil {
		return
	}
	for _, say := range []struct {
		c    *net.TCPConn
		text string
	}{{other, "not this"}, {mine, "ping"}} {
		if _, err := say.c.Write([]byte(say.text)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(say.c, make([]byte, len(say.text))); err != nil { // the other end echoes
			t.Fatal(err)
		}
	}
	got := map[string]bool{}
	for len(got) < 2 {
		s := <-heard
		got[fmt.Sprint(s.Sent, string(s.Data))] = true
	}
	if !got["trueping"] || !got["falseping"] {
		t.Errorf("heard %v", got)
	}
	stop()
	if err := <-quit; err != nil {
		t.Error(err)
	}
}

// asThread runs f on a thread in a network namespace of its own, with a
// loopback; sockets made there stay there.
func asThread(t *testing.T, f func()) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the namespace
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = loopbackUp()
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}

// loop connects to an echo on the same thread's network. Dialing by address
// makes the socket on the calling thread.
func loop(t *testing.T, addr netip.Addr) (*net.TCPConn, error) {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			c.Close()
		}
	}()
	c, err := net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// The kernel takes the longest filter, and one who says too much is heard no
// more.
func TestEarBounds(t *testing.T) {
	var ps []Pair
	for i := range MaxPairs + 5 {
		ps = append(ps, pair(fmt.Sprintf("[2001:db8::5]:%d", 40000+i), "[2001:db8::7]:3333"))
	}
	e := newEar(ps)
	if err := e.open(); err != nil {
		t.Fatal(err)
	}
	defer e.file.Close()
	if len(e.left) != MaxPairs {
		t.Fatalf("%d connections", len(e.left))
	}
	p := packet{src: ps[0].Local, dst: ps[0].Peer, data: make([]byte, maxHeard/4-perSegment)}
	n := 0
	for range 9 {
		e.hear(p, unixEpoch, func(Segment) { n++ })
	}
	if n != 4 || len(e.left) != MaxPairs-1 {
		t.Errorf("%d segments were told, %d connections are left", n, len(e.left))
	}
}

// The namespace is the one of the process that is asked about.
func TestHearElsewhere(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	p := []Pair{pair("127.0.0.1:1", "127.0.0.1:2")}
	for _, pid := range []int{0, os.Getpid()} {
		if err := (liveKernel{}).Hear(ctx, pid, p, func(Segment) {}); err != nil {
			t.Errorf("pid %d: %v", pid, err)
		}
	}
	if err := (liveKernel{}).Hear(ctx, 1<<30, p, func(Segment) {}); !Gone(err) {
		t.Errorf("no such process: %v", err)
	}
}
