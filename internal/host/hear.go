package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// MaxPairs is how many connections Hear listens to at once: the kernel before
// 6.8 gives a filter 20 KiB (net.core.optmem_max).
const MaxPairs = 64

// Bounds of what is heard: a message of Stratum is shorter than snapLen, and a
// connection on which maxHeard is said while it is listened to, a thousand
// messages or so, carries something else. Each segment counts as perSegment
// more: a database's are small and many.
const (
	snapLen    = 2 << 10
	maxHeard   = 512 << 10
	perSegment = 256
	hearBuf    = 1 << 20 // of the socket, in bytes
)

// unixEpoch is a deadline that is over.
var unixEpoch = time.Unix(1, 0)

// ErrLost says that not every segment was heard.
var ErrLost = errors.New("segments were lost")

func (liveKernel) Hear(ctx context.Context, pid int, pairs []Pair, tell func(Segment)) error {
	// Where the family is a module, a socket of it makes the kernel run modprobe.
	if _, err := os.Stat("/proc/self/net/packet"); err != nil {
		return fmt.Errorf("packet socket: %w", ErrUnavailable)
	}
	e := newEar(pairs)
	var err error
	if pid == 0 {
		err = e.open()
	} else {
		err = inNetNS(pid, e.open)
	}
	if err != nil {
		return fmt.Errorf("packet socket: %w", err)
	}
	defer e.file.Close()
	defer context.AfterFunc(ctx, func() { _ = e.file.SetReadDeadline(unixEpoch) })()
	return e.listen(tell)
}

// ear is a packet socket (packet(7)) of the network namespace in which it was
// opened, and the connections that it listens to.
type ear struct {
	left map[Pair]int // bytes that are still told of each
	file *os.File
}

func newEar(pairs []Pair) *ear {
	e := &ear{left: map[Pair]int{}}
	for _, p := range pairs[:min(MaxPairs, len(pairs))] {
		e.left[plainPair(p)] = maxHeard
	}
	return e
}

// open opens the socket. It hears nothing until it is bound (protocol 0): the
// filter is there before the first packet is.
func (e *ear) open() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return ErrUnavailable
	}
	if err != nil {
		return err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, hearBuf)
	if err = e.attach(fd); err == nil {
		// Only "all protocols" shows what this host sends.
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL)})
	}
	if err != nil {
		unix.Close(fd)
		return err
	}
	e.file = os.NewFile(uintptr(fd), "packet socket")
	return nil
}

// attach puts a filter for the connections that are left, in place of the one
// before.
func (e *ear) attach(fd int) error {
	var pairs []Pair
	for p := range e.left {
		pairs = append(pairs, p)
	}
	raw, err := bpf.Assemble(pairFilter(pairs))
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog)
}

func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

func (e *ear) listen(tell func(Segment)) error {
	buf := make([]byte, snapLen)
	for {
		n, err := e.file.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return e.lost()
		}
		if err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		if p, ok := parsePacket(buf[:n]); ok {
			e.hear(p, time.Now(), tell)
		}
	}
}

// hear tells a segment. Where both ends are on this host it is of two
// connections.
func (e *ear) hear(p packet, at time.Time, tell func(Segment)) {
	for _, s := range []Segment{
		{Pair: Pair{p.src, p.dst}, Sent: true, Seq: p.seq, Data: p.data, At: at},
		{Pair: Pair{p.dst, p.src}, Seq: p.seq, Data: p.data, At: at},
	} {
		left, ok := e.left[s.Pair]
		if !ok {
			continue
		}
		tell(s)
		left -= len(p.data) + perSegment
		if e.left[s.Pair] = left; left <= 0 {
			e.drop(s.Pair)
		}
	}
}

// drop stops listening to a connection, so that the kernel copies it no more.
// What was lost until then was lost in its flood, of which it is the end.
func (e *ear) drop(p Pair) {
	delete(e.left, p)
	e.control(func(fd int) {
		_ = e.attach(fd)
		_, _ = unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS) // begins to count anew
	})
}

// lost asks how many packets did not fit into the buffer (PACKET_STATISTICS).
func (e *ear) lost() error {
	var drops uint32
	e.control(func(fd int) {
		if s, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			drops = s.Drops
		}
	})
	if drops > 0 {
		return fmt.Errorf("%d: %w", drops, ErrLost)
	}
	return nil
}

func (e *ear) control(f func(fd int)) {
	if c, err := e.file.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { f(int(fd)) })
	}
}
