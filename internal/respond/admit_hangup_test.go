package respond

import (
	"errors"
	"io"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"demine/internal/host"
)

// Where some network namespace cannot be looked into, all else is cut, and what may
// go on there is found again the next time.
func TestCutUnseen(t *testing.T) {
	t.Parallel()
	l := newFilterLab(t)
	l.publish("iptables-nft")
	box := l.host + "c"
	l.sh("iptables-nft -t nat -F PREROUTING", "")
	l.sh("iptables-nft -t nat -A PREROUTING -i dv0 -p tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:8080", "")
	l.sh("iptables-nft -t nat -A PREROUTING -i dv0 -p udp --dport 53 -j DNAT --to-destination 172.18.0.2", "")
	l.sh("iptables-nft -t nat -A POSTROUTING -s 172.18.0.0/24 ! -o br0 -j MASQUERADE", "")
	l.sh("iptables-nft -D DOCKER-USER -i dv0 -j DROP", "")
	l.in(box, func() { l.push("0.0.0.0:8080") })
	udp := l.serveUDP(box, "0.0.0.0:53")
	flow, here := l.dial(labEvil4, 8080, labAnswer), l.dial(labEvil4, 6380, labAnswer)
	if flow == nil || here == nil {
		t.Fatal("no connection")
	}
	if !udp.heard(l.dialUDP(labEvil4, labHost4+":53"), labAnswer) {
		t.Fatal("no flow of UDP")
	}
	l.sh("iptables-nft -I DOCKER-USER 2 -i dv0 -j DROP", "") // nothing comes after
	from := netip.MustParsePrefix(labEvil4 + "/32")
	cut := []Admission{{Proto: "tcp", Port: 8080, From: from}, {Proto: "tcp", Port: 6380, From: from}, {Proto: "udp", Port: 53, From: from}}
	unseen := errors.New("cannot be entered")
	end := func(elsewhere func(func() error) error) (left []connection, err error) {
		l.in(l.host, func() {
			var local map[netip.Addr]bool
			var gone []connection
			if local, err = localAddrs(); err == nil {
				gone, err = connectionsOf(cut, nil, local)
			}
			if err != nil {
				t.Error(err)
			}
			err = endConnections(gone, local, elsewhere)
			left, _ = connectionsOf(cut, nil, local)
		})
		return left, err
	}
	left, err := end(func(func() error) error { return unseen })
	if !errors.Is(err, unseen) || len(left) != 1 || left[0].orig.dst.Port() != 8080 || left[0].orig.proto != unix.IPPROTO_TCP {
		t.Errorf("%+v, %v", left, err)
	}
	if !hungUp(here) {
		t.Error("a connection to this host goes on")
	}
	if _, err := io.ReadFull(flow, make([]byte, 4000)); err != nil {
		t.Errorf("the server's socket is gone: %v", err)
	}
	if _, err = end(func(f func() error) error { return errors.Join(host.InOtherNetNS(f), unseen) }); !errors.Is(err, unseen) || !hungUp(flow) {
		t.Errorf("the flow goes on: %v", err)
	}
	if left, err = end(host.InOtherNetNS); err != nil || len(left) > 0 {
		t.Errorf("%+v, %v", left, err)
	}
}
