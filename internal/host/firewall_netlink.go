package host

import (
	"encoding/binary"
	"errors"
	"fmt"

	"demine/internal/format/nftrules"

	"golang.org/x/sys/unix"
)

// errChanged says that a dump was interrupted by a change (NLM_F_DUMP_INTR, or
// another number of the ruleset).
var errChanged = errors.New("changed while it was read")

const (
	nfnlSubsysNFTables = 10      // linux/netfilter/nfnetlink.h
	netlinkBuffer      = 1 << 20 // one datagram of a dump is at most 32 KiB; ENOBUFS needs more of them waiting
	nlmHeader          = 16
	maxDump            = 256 << 20
)

// netfilter is a netlink socket of the calling thread's network namespace. It
// is used on the calling thread only.
type netfilter struct {
	fd  int
	seq uint32
	buf []byte
}

func newNetfilter() (*netfilter, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("netfilter socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("netfilter socket: %w", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, netlinkBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, netlinkBuffer) // the default does for a dump, which waits for its reader
	}
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}) // a kernel that never answers must not hang a scan
	return &netfilter{fd: fd, buf: make([]byte, 64<<10)}, nil
}

// close does not wait: whoever closes a socket of netfilter waits until all that
// transactions have taken out is freed (nft_rcv_nl_event), a grace period of RCU.
func (s *netfilter) close() {
	go unix.Close(s.fd)
}

// dump asks for all objects of a type and adds each answer to d.
func (s *netfilter) dump(typ, family byte, attrs []byte, d *nftrules.Dump) error {
	if err := s.request(typ, unix.NLM_F_DUMP, family, attrs); err != nil {
		return err
	}
	var kept error
	for total := 0; ; {
		n, err := s.receive()
		if err != nil {
			return err
		}
		total += n
		done, err := s.messages(s.buf[:n], d)
		switch {
		case errors.Is(err, nftrules.ErrTooMuch) || total > maxDump:
			kept = errTooLarge // read on, so that the socket is ready for the next question
			if total > maxDump {
				return kept
			}
		case err != nil:
			return err
		}
		if done {
			return kept
		}
	}
}

func (s *netfilter) request(typ byte, flags uint16, family byte, attrs []byte) error {
	s.seq++
	req := binary.NativeEndian.AppendUint32(nil, uint32(nlmHeader+4+len(attrs)))
	req = binary.NativeEndian.AppendUint16(req, nfnlSubsysNFTables<<8|uint16(typ))
	req = binary.NativeEndian.AppendUint16(req, unix.NLM_F_REQUEST|flags)
	req = binary.NativeEndian.AppendUint32(req, s.seq)
	req = binary.NativeEndian.AppendUint32(req, 0)
	req = append(append(req, family, 0, 0, 0), attrs...)
	return unix.Sendto(s.fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// generation is the number of the ruleset as it is now; 0 where the kernel has no
// such number.
func (s *netfilter) generation() (uint32, error) {
	if err := s.request(unix.NFT_MSG_GETGEN, 0, 0, nil); err != nil {
		return 0, err
	}
	n, err := s.receive()
	if err != nil {
		return 0, err
	}
	b := s.buf[:n]
	if n < nlmHeader+4 {
		return 0, nftrules.ErrMalformed
	}
	if binary.NativeEndian.Uint16(b[4:]) == unix.NLMSG_ERROR {
		if err := netlinkErrno(b[nlmHeader:]); !errors.Is(err, unix.EINVAL) {
			return 0, err
		}
		return 0, nil
	}
	id := uint32(0)
	attributes(b[nlmHeader:], 4, func(typ uint16, v []byte) {
		if typ == unix.NFTA_GEN_ID && len(v) == 4 {
			id = binary.BigEndian.Uint32(v)
		}
	})
	return id, nil
}

// receive reads one datagram of the kernel into the buffer.
func (s *netfilter) receive() (int, error) {
	for {
		n, from, err := unix.Recvfrom(s.fd, s.buf, unix.MSG_TRUNC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if a, ok := from.(*unix.SockaddrNetlink); !ok || a.Pid != 0 {
			continue // not the kernel
		}
		if n > len(s.buf) {
			return 0, errTooLarge
		}
		return n, nil
	}
}

// messages reads the messages of one datagram.
func (s *netfilter) messages(b []byte, d *nftrules.Dump) (done bool, err error) {
	for len(b) >= nlmHeader {
		n, typ, flags := int(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:])
		if n < nlmHeader || n > len(b) {
			return false, nftrules.ErrMalformed
		}
		body, seq := b[nlmHeader:n], binary.NativeEndian.Uint32(b[8:])
		b = b[min((n+3)&^3, len(b)):]
		if seq != s.seq {
			continue
		}
		if flags&unix.NLM_F_DUMP_INTR != 0 {
			return false, errChanged
		}
		switch {
		case typ == unix.NLMSG_DONE:
			return true, netlinkErrno(body)
		case typ == unix.NLMSG_ERROR:
			return true, netlinkErrno(body)
		case typ>>8 == nfnlSubsysNFTables:
			if e := d.Add(byte(typ), body); e != nil {
				err = e
			}
		}
	}
	return false, err
}

func netlinkErrno(body []byte) error {
	if len(body) < 4 {
		return nil
	}
	if e := int32(binary.NativeEndian.Uint32(body)); e < 0 {
		return unix.Errno(-e)
	}
	return nil
}

// attr is one netlink attribute, padded.
func attr(typ uint16, v string) string {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(v)))
	b = append(binary.NativeEndian.AppendUint16(b, typ), v...)
	return string(append(b, make([]byte, -len(b)&3)...))
}
