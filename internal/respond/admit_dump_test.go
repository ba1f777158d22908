package respond

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// What was read while something changed is read again.
func TestReadSettled(t *testing.T) {
	l, h := newFilterLab(t), leaseHosts()[0]
	h.load(l)
	var as []Admission
	for i := range 5000 { // more than the kernel tells before anything of it is read
		as = append(as, Admission{fmt.Sprintf("L-%d", i), "tcp", 1 + i, netip.MustParsePrefix("192.0.2.7/32"), time.Hour, false})
	}
	l.admit(h, as...)
	rounds, told := 0, map[int]bool{}
	read := func() error {
		clear(told)
		rounds++
		return eachElement("ip_32", func(e attributes) {
			if a, ok := admissionOf(form{bits: 32}, e); ok {
				told[a.Port] = true
			}
			if rounds == 1 && len(told) == 100 { // they go, and as many behind them are passed over
				l.dismiss(slices.DeleteFunc(slices.Clone(as), func(a Admission) bool { return !told[a.Port] })...)
			}
		})
	}
	l.must(func() error {
		n, err := openNFTables()
		if err != nil {
			return err
		}
		defer n.close()
		return n.settled(read)
	})
	if rounds != 2 || len(told) != len(as)-100 {
		t.Errorf("%d told in %d rounds", len(told), rounds)
	}
	busy := func() error {
		l.admit(h, h.admission("L-X", labApp4+"/32", time.Hour))
		return nil
	}
	if err := l.do(func() error {
		n, err := openNFTables()
		if err != nil {
			return err
		}
		defer n.close()
		return n.settled(busy)
	}); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("all the time: %v", err)
	}
}

// The mark of an interrupted dump counts wherever it stands.
func TestPartsInterrupted(t *testing.T) {
	message := func(typ, flags uint16) []byte {
		b := make([]byte, unix.SizeofNlMsghdr+4)
		binary.NativeEndian.PutUint32(b, uint32(len(b)))
		binary.NativeEndian.PutUint16(b[4:], typ)
		binary.NativeEndian.PutUint16(b[6:], flags)
		return b
	}
	const kind = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWSETELEM
	for _, c := range []struct {
		name string
		b    []byte
		got  int
		done bool
		err  error
	}{
		{"whole", append(message(kind, unix.NLM_F_MULTI), message(unix.NLMSG_DONE, unix.NLM_F_MULTI)...), 1, true, nil},
		{"first", message(kind, unix.NLM_F_MULTI|unix.NLM_F_DUMP_INTR), 0, true, unix.EAGAIN},
		{"last", append(message(kind, unix.NLM_F_MULTI), message(unix.NLMSG_DONE, unix.NLM_F_DUMP_INTR)...), 1, true, unix.EAGAIN},
		{"cut off", message(kind, unix.NLM_F_MULTI)[:18], 0, false, unix.EBADMSG},
	} {
		got := 0
		done, err := parts(c.b, func([]byte) { got++ })
		if got != c.got || done != c.done || !errors.Is(err, c.err) {
			t.Errorf("%s: %d, %v, %v", c.name, got, done, err)
		}
	}
	if uint16(netlink.DumpInterrupted) != unix.NLM_F_DUMP_INTR {
		t.Error("another bit")
	}
}
