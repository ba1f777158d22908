package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// sock_diag(7): one dump a family and protocol. Layouts are
// linux/inet_diag.h's inet_diag_req_v2 (56 bytes) and inet_diag_msg (72 bytes).
const (
	sockDiagByFamily = 20
	diagReqLen       = 56
	diagMsgLen       = 72
	attrSkV6Only     = 11 // INET_DIAG_SKV6ONLY
)

const (
	tcpListen = 10
	anyState  = 0xfff &^ (1 << 6) // but TIME_WAIT, which nobody owns
)

// tcpStates are named as in linux/tcp_states.h.
var tcpStates = [...]string{
	1: "ESTABLISHED", 2: "SYN_SENT", 3: "SYN_RECV", 4: "FIN_WAIT1", 5: "FIN_WAIT2", 6: "TIME_WAIT",
	7: "CLOSE", 8: "CLOSE_WAIT", 9: "LAST_ACK", 10: "LISTEN", 11: "CLOSING", 12: "NEW_SYN_RECV",
}

func (liveKernel) Sockets(ctx context.Context, pid int) ([]fact.Socket, error) {
	return sockets(ctx, pid, false)
}

func (liveKernel) Listeners(ctx context.Context, pid int) ([]fact.Socket, error) {
	all, err := sockets(ctx, pid, true)
	return slices.DeleteFunc(all, func(s fact.Socket) bool { return !s.Listening() }), err
}

func sockets(ctx context.Context, pid int, listening bool) ([]fact.Socket, error) {
	if pid == 0 {
		runtime.LockOSThread() // /proc/net is the thread's
		defer runtime.UnlockOSThread()
		return threadSockets(ctx, listening)
	}
	var out []fact.Socket
	err := inNetNS(pid, func() (err error) {
		out, err = threadSockets(ctx, listening)
		return err
	})
	return out, err
}

// inNetNS runs f on a thread that has joined the network namespace of a
// process. The thread ends with the call: a thread that could not be brought
// back must not be reused.
func inNetNS(pid int, f func() error) (err error) {
	onThread(func() {
		if err = joinNetNS(pid); err == nil {
			err = f()
		}
	})
	return err
}

// joinNetNS brings the calling thread into the network namespace of a process.
func joinNetNS(pid int) error {
	dir, name := from(fmt.Sprintf("/proc/%d/ns/net", pid))
	ns, err := openAt(dir, name, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("join network namespace of %d: %w", pid, err)
	}
	return nil
}

// threadSockets lists those of the calling thread's namespace: all, or if listening
// at least those that listen.
func threadSockets(ctx context.Context, listening bool) ([]fact.Socket, error) {
	if hasDiag() {
		return diagSockets(ctx, listening)
	}
	return procSockets(threadNetNS())
}

func diagSockets(ctx context.Context, listening bool) ([]fact.Socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("sock_diag: %w", err)
	}
	defer unix.Close(fd)
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5})
	tcp := uint32(anyState)
	if listening {
		tcp = 1 << tcpListen // with any other state the kernel walks over all connections (inet_diag_dump_icsk)
	}
	ns := threadNetNS()
	var out []fact.Socket
	for _, q := range []struct {
		family, proto uint8
		states        uint32
		name          string
	}{
		{unix.AF_INET, unix.IPPROTO_TCP, tcp, "tcp"}, {unix.AF_INET6, unix.IPPROTO_TCP, tcp, "tcp6"},
		{unix.AF_INET, unix.IPPROTO_UDP, anyState, "udp"}, {unix.AF_INET6, unix.IPPROTO_UDP, anyState, "udp6"},
	} {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		out, err = dumpSockets(fd, q.family, q.proto, q.states, q.name, ns, out)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EAFNOSUPPORT) {
			continue // no IPv6, or the diag module of this protocol is not there
		}
		if err != nil {
			return out, fmt.Errorf("sock_diag %s: %w", q.name, err)
		}
	}
	return out, nil
}

func dumpSockets(fd int, family, proto uint8, states uint32, name string, ns uint64, out []fact.Socket) ([]fact.Socket, error) {
	req := make([]byte, unix.SizeofNlMsghdr+diagReqLen)
	h := (*unix.NlMsghdr)(unsafe.Pointer(&req[0]))
	h.Len, h.Type, h.Flags = uint32(len(req)), sockDiagByFamily, unix.NLM_F_REQUEST|unix.NLM_F_DUMP
	req[16], req[17] = family, proto
	binary.NativeEndian.PutUint32(req[20:], states)
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return out, err
	}
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return out, err
		}
		var done bool
		if out, done, err = parseDiag(buf[:n], name, ns, out); done || err != nil {
			return out, err
		}
	}
}

// parseDiag reads one datagram of netlink messages.
func parseDiag(b []byte, proto string, ns uint64, out []fact.Socket) ([]fact.Socket, bool, error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		kind := binary.NativeEndian.Uint16(b[4:])
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return out, true, errors.New("cut-off netlink message")
		}
		body := b[unix.SizeofNlMsghdr:size]
		switch {
		case kind == unix.NLMSG_DONE:
			return out, true, nil
		case kind == unix.NLMSG_ERROR && len(body) >= 4:
			if e := int32(binary.NativeEndian.Uint32(body)); e != 0 {
				return out, true, unix.Errno(-e)
			}
		case kind == sockDiagByFamily && len(body) >= diagMsgLen:
			out = append(out, diagSocket(body, proto, ns))
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return out, false, nil
}

func diagSocket(b []byte, proto string, ns uint64) fact.Socket {
	s := fact.Socket{
		Proto: proto, NetNS: ns,
		Port:     int(binary.BigEndian.Uint16(b[4:])),
		PeerPort: int(binary.BigEndian.Uint16(b[6:])),
		UID:      int(binary.NativeEndian.Uint32(b[64:])),
		Inode:    uint64(binary.NativeEndian.Uint32(b[68:])),
	}
	s.Local, s.Peer = diagAddr(b[0], b[8:24]), diagAddr(b[0], b[24:40])
	if st := int(b[1]); st < len(tcpStates) {
		s.State = tcpStates[st]
	}
	if proto[0] == 'u' {
		if s.State == "CLOSE" { // udp has no states: 7 is "not connected"
			s.State = "UNCONN"
		}
	}
	if s.PeerPort == 0 {
		s.Peer = netip.Addr{}
	}
	for a := b[diagMsgLen:]; len(a) >= 4; {
		n := int(binary.NativeEndian.Uint16(a))
		if n < 4 || n > len(a) {
			break
		}
		if binary.NativeEndian.Uint16(a[2:]) == attrSkV6Only && n > 4 {
			s.V6Only = a[4] != 0
		}
		a = a[min(len(a), (n+3)&^3):]
	}
	s.Ref = fact.SocketRef(ns, s.Inode, proto)
	return s
}

func diagAddr(family uint8, b []byte) netip.Addr {
	if family == unix.AF_INET {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16([16]byte(b[:16]))
}
