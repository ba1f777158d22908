package respond

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"
)

// stay keeps a process in a namespace, as every container has one.
func (l *filterLab) stay(ns string) {
	l.t.Helper()
	c := exec.Command("sleep", "infinity")
	var err error
	l.in(ns, func() { err = c.Start() })
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
}

// mirror is a namespace with addresses that are others' elsewhere, older than what
// comes after it.
func (l *filterLab) mirror(addrs ...string) (ns string) {
	ns = l.host + "m"
	l.run("ip netns add "+ns, "")
	l.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	l.run("ip -n "+ns+" link set lo up", "")
	for _, a := range addrs {
		l.run("ip -n "+ns+" addr add "+a+"/32 dev lo", "")
	}
	l.stay(ns)
	return ns
}

// pair connects two addresses of a namespace.
func (l *filterLab) pair(ns string, from, to netip.AddrPort) {
	var err error
	l.in(ns, func() {
		var ln net.Listener
		if ln, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(to)); err != nil {
			return
		}
		l.t.Cleanup(func() { ln.Close() })
		var c net.Conn
		if c, err = net.DialTCP("tcp", net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to)); err == nil {
			l.t.Cleanup(func() { c.Close() })
		}
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// push sends to whoever connects, all the time, and waits for no word of theirs.
func (l *filterLab) push(address string) {
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
			go func() {
				defer c.Close()
				for {
					if _, err := c.Write([]byte("tick")); err != nil {
						return
					}
					time.Sleep(time.Millisecond)
				}
			}()
		}
	}()
}

// A container's server that goes on sending does not begin a flow anew that was
// cut, be its port published as the same one, so that nothing tells the flow that
// it would begin from the one that was cut; be there a proxy beside it; or another
// connection of the same addresses in a namespace that somebody made.
func TestAdmitCutPushed(t *testing.T) {
	for _, c := range []struct {
		name    string
		to, own int // the port that the host sends on to, and the server's own
	}{{"same port", 8080, 8080}, {"another port", 80, 80}, {"proxy", 8080, 15006}} {
		for _, h := range leaseHosts() {
			if h.port != 8080 {
				continue
			}
			t.Run(c.name+" "+h.name, func(t *testing.T) {
				t.Parallel()
				l := newFilterLab(t)
				decoy := l.mirror(labEvil4, "172.18.0.2")
				h.load(l)
				box := l.host + "c"
				backend := h.doors[0].At.Backend
				l.sh(backend+" -t nat -F PREROUTING", "")
				l.sh(fmt.Sprint(backend, " -t nat -A PREROUTING -p tcp --dport 8080 -i dv0 -j DNAT --to-destination 172.18.0.2:", c.to), "")
				l.sh(backend+" -t nat -A POSTROUTING -s 172.18.0.0/24 ! -o br0 -j MASQUERADE", "")
				if c.to != c.own {
					l.run(fmt.Sprint("ip netns exec ", box, " iptables-nft -t nat -A PREROUTING -p tcp --dport ", c.to, " -j REDIRECT --to-ports ", c.own), "")
				}
				if c.own != 80 {
					l.in(box, func() { l.push(fmt.Sprintf("0.0.0.0:%d", c.own)) })
				}
				a := h.admission("L-E", labEvil4+"/32", time.Hour)
				a.Cut = true
				l.admit(h, a)
				flow := l.dial(labEvil4, h.port, labAnswer)
				if flow == nil {
					t.Fatal("not let in")
				}
				if c.own == 80 {
					go chatter(flow)
				}
				_ = flow.SetReadDeadline(time.Now().Add(labAnswer))
				if _, err := io.ReadFull(flow, make([]byte, 400)); err != nil {
					t.Fatalf("nothing comes: %v", err)
				}
				if c.own == c.to {
					l.pair(decoy, netip.AddrPortFrom(netip.MustParseAddr("172.18.0.2"), uint16(c.own)), flow.LocalAddr().(*net.TCPAddr).AddrPort())
				}
				l.dismiss(a)
				if !hungUp(flow) {
					t.Error("the flow goes on behind the end of its lease")
				}
				l.must(func() error { return l.filter.Retire(context.Background()) })
			})
		}
	}
}

// hungUp waits for the other end to end a connection, whatever it says before.
func hungUp(c net.Conn) bool {
	_ = c.SetDeadline(time.Now().Add(labAnswer))
	_, err := io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// chatter talks as long as it can.
func chatter(c net.Conn) {
	for {
		if _, err := c.Write([]byte("x")); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
