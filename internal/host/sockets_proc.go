package host

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"

	"demine/internal/fact"
)

// hasDiag reports whether the kernel can answer sock_diag without loading a
// module: Red Hat's kernels have inet_diag and its parts as modules, and the
// kernel runs the host's modprobe to load one.
var hasDiag = sync.OnceValue(func() bool {
	for _, m := range []string{"inet_diag", "tcp_diag", "udp_diag"} {
		if there, err := hasModule(m); err != nil || !there {
			return false
		}
	}
	return true
})

// procSockets reads the same from the calling thread's /proc/net, which every
// kernel has: slower, and it does not tell which IPv6 listeners leave IPv4 out.
func procSockets(ns uint64) ([]fact.Socket, error) {
	var out []fact.Socket
	for _, proto := range []string{"tcp", "tcp6", "udp", "udp6"} {
		f, err := os.Open(threadFile("net/" + proto))
		if errors.Is(err, os.ErrNotExist) && strings.HasSuffix(proto, "6") {
			continue // no IPv6
		}
		if err != nil {
			return out, err
		}
		out, err = parseProcSockets(f, proto, ns, out)
		f.Close()
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// parseProcSockets reads lines of get_tcp4_sock of the kernel's
// net/ipv4/tcp_ipv4.c and its siblings: number, local, peer, state, queues,
// timer, retransmits, uid, timeout, inode.
func parseProcSockets(r io.Reader, proto string, ns uint64, out []fact.Socket) ([]fact.Socket, error) {
	v4 := map[int]bool{} // ports that an IPv4 socket of its own serves
	for _, s := range out {
		if s.Proto+"6" == proto && s.Listening() && s.Local.IsUnspecified() {
			v4[s.Port] = true
		}
	}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 10 {
			continue
		}
		local, ok := procAddr(f[1])
		peer, ok2 := procAddr(f[2])
		st, err := strconv.ParseUint(f[3], 16, 8)
		if !ok || !ok2 || err != nil || st == 6 { // the heading; TIME_WAIT, which nobody owns
			continue
		}
		s := fact.Socket{Proto: proto, NetNS: ns, Local: local.Addr(), Port: int(local.Port()), PeerPort: int(peer.Port())}
		if s.PeerPort != 0 {
			s.Peer = peer.Addr()
		}
		if int(st) < len(tcpStates) {
			s.State = tcpStates[st]
		}
		if proto[0] == 'u' && s.State == "CLOSE" {
			s.State = "UNCONN"
		}
		s.V6Only = s.Listening() && s.Local.IsUnspecified() && v4[s.Port]
		s.UID, _ = strconv.Atoi(f[7])
		s.Inode, _ = strconv.ParseUint(f[9], 10, 64)
		s.Ref = fact.SocketRef(ns, s.Inode, proto)
		out = append(out, s)
	}
	return out, lines.Err()
}

// procAddr reads "0100007F:18EB": words of the address in the machine's order.
func procAddr(s string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a, uint16(n)), ok
}
