package respond

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Of linux/sock_diag.h and linux/inet_diag.h. A struct inet_diag_req_v2 is eight
// bytes and an inet_diag_sockid; a struct inet_diag_msg begins with four and one.
const (
	sockDiagByFamily, sockDestroy = 20, 21
	diagRequestHead               = 8
	diagAnswerHead                = 4
	sockID                        = 48
	connectedStates               = 1<<1 | 1<<4 | 1<<5 | 1<<8 // established, fin-wait-1 and -2, close-wait: none that listens
)

// destroySockets ends the TCP sockets of this network namespace that send these
// answers, each by its cookie: a search by addresses would fall back on the socket
// that listens. Kernels without SOCK_DESTROY (CONFIG_INET_DIAG_DESTROY) leave them.
func destroySockets(wanted map[tuple]bool) error {
	if len(wanted) == 0 {
		return nil
	}
	var found []socket
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		all := diagRequest(sockDiagByFamily, netlink.Dump, family, make([]byte, sockID))
		err := dump(unix.NETLINK_SOCK_DIAG, all, func(b []byte) {
			if len(b) < diagAnswerHead+sockID {
				return
			}
			if wanted[socketTuple(b)] {
				found = append(found, socket{b[0], bytes.Clone(b[diagAnswerHead : diagAnswerHead+sockID])})
			}
		})
		if errors.Is(err, unix.ENOENT) { // a kernel without inet_diag
			return nil
		}
		if err != nil {
			return fmt.Errorf("sockets: %w", err)
		}
	}
	return destroy(found)
}

// socket is one of TCP, as the kernel names it.
type socket struct {
	family byte
	id     []byte
}

func destroy(found []socket) error {
	if len(found) == 0 {
		return nil
	}
	c, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return fmt.Errorf("sockets: %w", err)
	}
	defer c.Close()
	for _, s := range found {
		if err := c.SetDeadline(time.Now().Add(nfAnswer)); err != nil {
			return err
		}
		_, err := c.Execute(diagRequest(sockDestroy, netlink.Acknowledge, s.family, s.id))
		switch {
		case noDestroy(err):
			return nil
		case err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESTALE):
			return fmt.Errorf("end a socket: %w", err)
		}
	}
	return nil
}

// noDestroy: the kernel has no such request (before 4.5), or not of this protocol.
func noDestroy(err error) bool { return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) }

func (liveFilter) MayCut(as []Admission) error {
	cuts := func(a Admission) bool { return a.Cut }
	ofTCP := func(a Admission) bool { return a.Cut && a.Proto == "tcp" }
	if !slices.ContainsFunc(as, cuts) {
		return nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := conntrackAnswers()
	if err == nil && slices.ContainsFunc(as, ofTCP) {
		err = destroyAnswers()
	}
	if err != nil {
		return Refuse("refuse.lease.cut", "error", err.Error())
	}
	return nil
}

// destroyAnswers asks for the end of a socket that cannot be: its cookie is the
// last but one of all, and the kernel counts them from 1.
func destroyAnswers() error {
	c, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(nfAnswer)); err != nil {
		return err
	}
	id := make([]byte, sockID)
	binary.NativeEndian.PutUint64(id[sockID-8:], 1<<64-2)
	_, err = c.Execute(diagRequest(sockDestroy, netlink.Acknowledge, unix.AF_INET, id))
	if noDestroy(err) {
		return err
	}
	return nil
}

func diagRequest(typ netlink.HeaderType, flags netlink.HeaderFlags, family byte, id []byte) netlink.Message {
	b := []byte{family, unix.IPPROTO_TCP, 0, 0}
	b = binary.NativeEndian.AppendUint32(b, connectedStates)
	return netlink.Message{Header: netlink.Header{Type: typ, Flags: netlink.Request | flags}, Data: append(b, id...)}
}

// socketTuple is from the socket's own address to the other one's.
func socketTuple(b []byte) tuple {
	id, size := b[diagAnswerHead:], 4
	if b[0] == unix.AF_INET6 {
		size = 16
	}
	src, _ := netip.AddrFromSlice(id[4 : 4+size])
	dst, _ := netip.AddrFromSlice(id[20 : 20+size])
	return tuple{unix.IPPROTO_TCP, netip.AddrPortFrom(src.Unmap(), binary.BigEndian.Uint16(id)),
		netip.AddrPortFrom(dst.Unmap(), binary.BigEndian.Uint16(id[2:]))}
}
