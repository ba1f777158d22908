package respond

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"demine/internal/host"
)

// Of linux/netfilter/nfnetlink_conntrack.h.
const (
	ctGet, ctDelete                 = 1, 2
	ctaOrig, ctaReply               = 1, 2
	ctaID, ctaZone                  = 12, 18
	ctaIP, ctaProto                 = 1, 2
	ctaV4Src, ctaV4Dst              = 1, 2
	ctaV6Src, ctaV6Dst              = 3, 4
	ctaProtoNum, ctaSport, ctaDport = 1, 2, 3
)

// connection is an entry of conntrack: who asked for what, and who answers.
type connection struct {
	orig, reply tuple
	up          bool   // both ends have spoken; of TCP, and neither has ended it
	id          []byte // attributes by which it is deleted
}

type tuple struct {
	proto    byte
	src, dst netip.AddrPort
}

// cutOff ends the connections of these admissions, but for those that another
// one lets in.
func cutOff(cut, left []Admission) error {
	local, err := localAddrs()
	if err != nil {
		return err
	}
	gone, err := connectionsOf(cut, left, local)
	return errors.Join(err, endConnections(gone, local, host.InOtherNetNS))
}

// connectionsOf are those that only the first admissions let in; with an error
// those of the families that could be read.
func connectionsOf(cut, left []Admission, local map[netip.Addr]bool) (gone []connection, err error) {
	for _, v6 := range []bool{false, true} {
		of := slices.DeleteFunc(slices.Clone(cut), func(a Admission) bool { return a.form().v6 != v6 })
		if len(of) == 0 {
			continue
		}
		err = errors.Join(err, connections(v6, func(c connection) {
			if local[c.orig.dst.Addr()] && c.belongs(of) && !c.belongs(left) {
				gone = append(gone, c)
			}
		}))
	}
	return gone, err
}

// endConnections ends the server's socket, on this host or in a container of it, so
// that it sends no more packets that would begin the connection's entry anew, and
// then the entry. One whose socket may still be there keeps its entry: what the
// server begins anew runs the other way, and nobody would find it again to cut it.
func endConnections(gone []connection, local map[netip.Addr]bool, elsewhere func(func() error) error) error {
	there, err := hangUp(gone, local, elsewhere)
	gone = slices.DeleteFunc(gone, func(c connection) bool { return there[c.reply] })
	return errors.Join(err, forget(gone))
}

// belongs reports whether one of the admissions lets the connection in.
func (c connection) belongs(as []Admission) bool {
	return slices.ContainsFunc(as, func(a Admission) bool {
		return a.protoNumber() == c.orig.proto && a.Port == int(c.orig.dst.Port()) && a.From.Contains(c.orig.src.Addr())
	})
}

func (a Admission) protoNumber() byte {
	if a.Proto == "udp" {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

func localAddrs() (map[netip.Addr]bool, error) {
	all, err := net.InterfaceAddrs()
	out := map[netip.Addr]bool{}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out[p.Addr().Unmap()] = true
		}
	}
	return out, err
}

// connections calls f with each entry of a family.
func connections(v6 bool, f func(connection)) error {
	family := byte(unix.AF_INET)
	if v6 {
		family = unix.AF_INET6
	}
	err := dump(unix.NETLINK_NETFILTER, ctMessage(ctGet, netlink.Dump, []byte{family, 0, 0, 0}), func(body []byte) {
		if len(body) < 4 {
			return
		}
		a := cutAttrs(body[4:])
		c := connection{orig: tupleOf(a.get(ctaOrig)), reply: tupleOf(a.get(ctaReply))}
		c.up = c.established(a)
		c.id = append(body[:4:4], slices.Concat(nest(ctaOrig, a.get(ctaOrig)), a.only(ctaID, ctaZone))...)
		f(c)
	})
	if err != nil {
		return fmt.Errorf("conntrack: %w", err)
	}
	return nil
}

func tupleOf(b []byte) (t tuple) {
	a := cutAttrs(b)
	ip, proto := cutAttrs(a.get(ctaIP)), cutAttrs(a.get(ctaProto))
	src, _ := netip.AddrFromSlice(append(ip.get(ctaV4Src), ip.get(ctaV6Src)...))
	dst, _ := netip.AddrFromSlice(append(ip.get(ctaV4Dst), ip.get(ctaV6Dst)...))
	if n := proto.get(ctaProtoNum); len(n) == 1 {
		t.proto = n[0]
	}
	if p := proto.get(ctaSport); len(p) == 2 {
		t.src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(p))
	}
	if p := proto.get(ctaDport); len(p) == 2 {
		t.dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(p))
	}
	return t
}

func ctMessage(typ netlink.HeaderType, flags netlink.HeaderFlags, data []byte) netlink.Message {
	return netlink.Message{Header: netlink.Header{Type: unix.NFNL_SUBSYS_CTNETLINK<<8 | typ, Flags: netlink.Request | flags}, Data: data}
}

// forget deletes entries; one that is gone by itself is as good.
func forget(gone []connection) error {
	if len(gone) == 0 {
		return nil
	}
	n, err := openNFTables()
	if err != nil {
		return err
	}
	defer n.close()
	for _, c := range gone {
		_, err := n.ask(ctMessage(ctDelete, netlink.Acknowledge, c.id))
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("conntrack: %w", err)
		}
	}
	return nil
}

// conntrackAnswers asks for an entry that cannot be, from port 0 of no address to
// the same.
func conntrackAnswers() error {
	n, err := openNFTables()
	if err != nil {
		return err
	}
	defer n.close()
	ip := nest(ctaIP, append(attr(ctaV4Src, make([]byte, 4)), attr(ctaV4Dst, make([]byte, 4))...))
	proto := nest(ctaProto, slices.Concat(attr(ctaProtoNum, []byte{unix.IPPROTO_TCP}), attr(ctaSport, []byte{0, 0}), attr(ctaDport, []byte{0, 0})))
	_, err = n.ask(ctMessage(ctGet, netlink.Acknowledge, append([]byte{unix.AF_INET, 0, 0, 0}, nest(ctaOrig, append(ip, proto...))...)))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
