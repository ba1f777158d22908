package respond

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	dumpBuffer = 64 << 10 // one datagram of a dump is at most 32 KiB
	maxDump    = 1 << 30  // some four million connections
)

// dump asks a question with many answers and calls f with the body of each,
// which is f's only until it returns. It keeps none: a busy host has a million
// connections. EAGAIN: what was asked for changed meanwhile, and f did not get all.
func dump(protocol int, req netlink.Message, f func(body []byte)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	defer func() { go unix.Close(fd) }() // see nfTables.close
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(nfAnswer.Seconds())})
	req.Header.Sequence, req.Header.Length = 1, uint32(unix.SizeofNlMsghdr+len(req.Data))
	b, err := req.MarshalBinary()
	if err != nil {
		return err
	}
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, dumpBuffer)
	for total := 0; total < maxDump; {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if a, ok := from.(*unix.SockaddrNetlink); !ok || a.Pid != 0 {
			continue // not the kernel
		}
		total += n
		if done, err := parts(buf[:n], f); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("more than %d bytes", maxDump)
}

// parts calls f with the messages of one datagram, until the last of all or the
// first that says that the dump was interrupted (nl_dump_check_consistent).
func parts(b []byte, f func(body []byte)) (done bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		n, typ, flags := int(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:])
		if n < unix.SizeofNlMsghdr || n > len(b) {
			return false, unix.EBADMSG
		}
		if flags&unix.NLM_F_DUMP_INTR != 0 {
			return true, unix.EAGAIN
		}
		body := b[unix.SizeofNlMsghdr:n]
		b = b[min((n+3)&^3, len(b)):]
		if typ != unix.NLMSG_DONE && typ != unix.NLMSG_ERROR {
			f(body)
			continue
		}
		if len(body) >= 4 && int32(binary.NativeEndian.Uint32(body)) < 0 {
			return true, unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
		}
		return true, nil
	}
	return false, nil
}
