package host

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// ErrMany says that there were more interfaces or routes than are kept.
var ErrMany = errors.New("more than is kept")

func (liveKernel) Network(ctx context.Context, pid int) (fact.Network, []fact.Gap) {
	if pid == 0 {
		runtime.LockOSThread() // netlink and /proc/sys/net are the thread's
		defer runtime.UnlockOSThread()
		return ReadNetwork()
	}
	var n fact.Network
	var gaps []fact.Gap
	err := inNetNS(pid, func() error {
		n, gaps = ReadNetwork()
		var g []fact.Gap
		n.Firewall, g = ReadFirewall(ctx)
		n.Unread, gaps = len(g) > 0, append(gaps, g...)
		return nil
	})
	if err != nil {
		if Gone(err) { // the process ended, and perhaps its namespace
			return n, nil
		}
		return n, []fact.Gap{sysGap("filter", err)}
	}
	n.PID = pid
	return n, gaps
}

// ReadNetwork reads the interfaces, addresses and routes of the network
// namespace of the calling thread, which the caller has locked.
func ReadNetwork() (fact.Network, []fact.Gap) {
	n := fact.Network{NetNS: threadNetNS(), Forwards4: forwards("ipv4/ip_forward"), Forwards6: forwards("ipv6/conf/all/forwarding"), IPVS: balances()}
	n.Ref = fact.NetworkRef(n.NetNS)
	s, err := newRouteSocket()
	if err != nil {
		return n, []fact.Gap{sysGap("interfaces", err)}
	}
	defer unix.Close(s.fd)
	var gaps []fact.Gap
	for _, q := range []struct {
		what string
		typ  uint16
		add  func(*fact.Network, []byte) error
	}{{"interfaces", unix.RTM_GETLINK, addLink}, {"addresses", unix.RTM_GETADDR, addAddress}, {"routes", unix.RTM_GETROUTE, addRoute}} {
		if err := s.dump(q.typ, func(b []byte) error { return q.add(&n, b) }); err != nil {
			gaps = append(gaps, networkGap(q.what, err))
		}
	}
	if err := s.routingMarks(&n); err != nil {
		gaps = append(gaps, networkGap("routing rules", err))
	}
	return n, gaps
}

func networkGap(what string, err error) fact.Gap {
	if errors.Is(err, ErrMany) {
		return fact.Gap{Code: "too-many", What: what}
	}
	return sysGap(what, err)
}

// forwards reads a switch of /proc/sys/net, which shows those of the namespace
// of the thread that reads.
func forwards(name string) bool {
	b, err := os.ReadFile("/proc/sys/net/" + name)
	s := strings.TrimSpace(string(b))
	return err == nil && s != "" && s != "0"
}

// balances reports whether the namespace of the calling thread has virtual
// services of IPVS (ipvsadm(8)).
func balances() bool {
	f, err := os.Open(threadFile("net/ip_vs"))
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, 4<<10)
	n, _ := io.ReadFull(f, b)
	return virtual(b[:n])
}

// virtual reports whether a list of ip_vs has a service: behind three lines of
// head, each begins with a protocol or FWM (ip_vs_info_seq_show of ip_vs_ctl.c).
func virtual(b []byte) bool {
	for line := range bytes.SplitSeq(b, []byte{'\n'}) {
		for _, kind := range []string{"TCP ", "UDP ", "SCTP ", "FWM "} {
			if bytes.HasPrefix(line, []byte(kind)) {
				return true
			}
		}
	}
	return false
}

// Bounds of what is kept: nodes of large clusters have hundreds of interfaces,
// routers the routes of the whole internet.
const (
	maxInterfaces = 4096
	maxAddresses  = 16384
	maxRoutes     = 4096
	maxRouteDump  = 64 << 20 // bytes that are read of one kind
)

// routeSocket asks rtnetlink(7) in the namespace in which it was made.
type routeSocket struct {
	fd  int
	seq uint32
	buf []byte
}

func newRouteSocket() (*routeSocket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("route socket: %w", err)
	}
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}) // as for the packet filter
	return &routeSocket{fd: fd, buf: make([]byte, 64<<10)}, nil
}

// dump asks for everything of a type and hands on each message's body. It reads
// on after an error of add, which it returns at the end.
func (s *routeSocket) dump(typ uint16, add func([]byte) error) error {
	s.seq++
	req := binary.NativeEndian.AppendUint32(nil, nlmHeader+4)
	req = binary.NativeEndian.AppendUint16(req, typ)
	req = binary.NativeEndian.AppendUint16(req, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	req = binary.NativeEndian.AppendUint32(req, s.seq)
	req = append(req, make([]byte, 8)...) // our port, and struct rtgenmsg: all families
	if err := unix.Sendto(s.fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	var kept error
	for total := 0; total < maxRouteDump; {
		n, _, err := unix.Recvfrom(s.fd, s.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		total += n
		done, err := eachMessage(s.buf[:n], s.seq, func(b []byte) {
			if err := add(b); kept == nil {
				kept = err
			}
		})
		if done || err != nil {
			return errors.Join(err, kept)
		}
	}
	return ErrMany
}

// eachMessage hands on the bodies of one datagram that answer a question, and
// reports whether it ends the dump.
func eachMessage(b []byte, seq uint32, f func([]byte)) (done bool, err error) {
	for len(b) >= nlmHeader {
		n, typ := int(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint16(b[4:])
		if n < nlmHeader || n > len(b) {
			return true, errors.New("cut-off netlink message")
		}
		body, mine := b[nlmHeader:n], binary.NativeEndian.Uint32(b[8:]) == seq
		b = b[min((n+3)&^3, len(b)):]
		switch {
		case !mine:
		case typ == unix.NLMSG_DONE, typ == unix.NLMSG_ERROR:
			return true, netlinkErrno(body)
		default:
			f(body)
		}
	}
	return false, nil
}

// attributes calls f for each attribute behind a fixed part of size bytes.
func attributes(b []byte, size int, f func(typ uint16, v []byte)) {
	if len(b) < size {
		return
	}
	for b = b[size:]; len(b) >= 4; {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return
		}
		f(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[4:n])
		b = b[min((n+3)&^3, len(b)):]
	}
}

func number(v []byte) int {
	if len(v) < 4 {
		return 0
	}
	return int(binary.NativeEndian.Uint32(v))
}

func cText(v []byte) string {
	s, _, _ := strings.Cut(string(v), "\x00")
	return fact.Text([]byte(s))
}

// addLink reads struct ifinfomsg and the attributes IFLA_* of linux/if_link.h.
func addLink(n *fact.Network, b []byte) error {
	const size = 16
	if len(b) < size {
		return nil
	}
	if len(n.Interfaces) >= maxInterfaces {
		return ErrMany
	}
	flags := binary.NativeEndian.Uint32(b[8:])
	i := fact.Interface{Index: number(b[4:]), Up: flags&unix.IFF_UP != 0, Loop: flags&unix.IFF_LOOPBACK != 0}
	attributes(b, size, func(typ uint16, v []byte) {
		switch typ {
		case unix.IFLA_IFNAME:
			i.Name = cText(v)
		case unix.IFLA_LINK:
			i.Peer = number(v)
		case unix.IFLA_MASTER:
			i.Master = number(v)
		case unix.IFLA_LINKINFO:
			attributes(v, 0, func(typ uint16, v []byte) {
				if typ == unix.IFLA_INFO_KIND {
					i.Kind = cText(v)
				}
			})
		}
	})
	n.Interfaces = append(n.Interfaces, i)
	return nil
}

// addAddress reads struct ifaddrmsg. Of a point-to-point link IFA_LOCAL is this
// end.
func addAddress(n *fact.Network, b []byte) error {
	const size = 8
	if len(b) < size {
		return nil
	}
	var address, local netip.Addr
	attributes(b, size, func(typ uint16, v []byte) {
		switch typ {
		case unix.IFA_ADDRESS:
			address, _ = netip.AddrFromSlice(v)
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(v)
		}
	})
	if !local.IsValid() {
		local = address
	}
	count := 0
	for i := range n.Interfaces {
		count += len(n.Interfaces[i].Addrs)
	}
	if count >= maxAddresses {
		return ErrMany
	}
	for i := range n.Interfaces {
		if n.Interfaces[i].Index == number(b[4:]) && local.IsValid() {
			n.Interfaces[i].Addrs = append(n.Interfaces[i].Addrs, netip.PrefixFrom(local, int(b[1])))
		}
	}
	return nil
}

// addRoute reads struct rtmsg: unicast routes of the main table, and the
// defaults of others but the kernel's own; of several ways (ECMP) each.
func addRoute(n *fact.Network, b []byte) error {
	const size = 12
	if len(b) < size || b[7] != unix.RTN_UNICAST {
		return nil
	}
	to := netip.IPv4Unspecified()
	if b[0] == unix.AF_INET6 {
		to = netip.IPv6Unspecified()
	}
	r, table := fact.Route{}, int(b[4])
	var ways []fact.Route
	attributes(b, size, func(typ uint16, v []byte) {
		switch typ {
		case unix.RTA_DST:
			to, _ = netip.AddrFromSlice(v)
		case unix.RTA_OIF:
			r.Dev = number(v)
		case unix.RTA_GATEWAY:
			r.Via, _ = netip.AddrFromSlice(v)
		case unix.RTA_TABLE:
			table = number(v)
		case unix.RTA_MULTIPATH:
			ways = nextHops(v)
		}
	})
	if r.Dst = netip.PrefixFrom(to, int(b[1])); !r.Dst.IsValid() || table == unix.RT_TABLE_LOCAL || table != unix.RT_TABLE_MAIN && b[1] != 0 {
		return nil
	}
	if table != unix.RT_TABLE_MAIN {
		r.Table = table
	}
	if len(ways) == 0 {
		ways = []fact.Route{r}
	}
	for _, w := range ways {
		if w.Dev == 0 {
			continue
		}
		if len(n.Routes) >= maxRoutes {
			return ErrMany
		}
		w.Dst, w.Table = r.Dst, r.Table
		n.Routes = append(n.Routes, w)
	}
	return nil
}

// nextHops reads each struct rtnexthop and its attributes.
func nextHops(b []byte) (out []fact.Route) {
	const size = 8
	for len(b) >= size {
		n := int(binary.NativeEndian.Uint16(b))
		if n < size || n > len(b) {
			return out
		}
		w := fact.Route{Dev: number(b[4:])}
		attributes(b[:n], size, func(typ uint16, v []byte) {
			if typ == unix.RTA_GATEWAY {
				w.Via, _ = netip.AddrFromSlice(v)
			}
		})
		out = append(out, w)
		b = b[min((n+3)&^3, len(b)):]
	}
	return out
}
