package respond

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// nfTables is a netlink socket to nf_tables, of the network namespace of the
// thread that opened it.
type nfTables struct{ conn *netlink.Conn }

func openNFTables() (*nfTables, error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("netfilter socket: %w", err)
	}
	_ = c.SetWriteBuffer(nfRequest)
	return &nfTables{c}, nil
}

// close does not wait: whoever closes a socket of netfilter waits until all that
// transactions have taken out is freed (nft_rcv_nl_event), a grace period of RCU.
func (n *nfTables) close() {
	go func() { _ = n.conn.Close() }()
}

// nfRequest is how much goes into one batch, which the kernel takes at once or not
// at all: some fifty thousand elements.
const nfRequest = 8 << 20

// nfAnswer is how long the kernel may take. It answers at once, but a request
// that it ignores must not hang a response.
const nfAnswer = 5 * time.Second

// familyNumbers are NFPROTO_INET, NFPROTO_IPV4 and NFPROTO_IPV6.
var familyNumbers = map[string]byte{"inet": 1, "ip": 2, "ip6": 10}

// nfMessage is a request about one object of a family.
func nfMessage(typ int, family string, flags netlink.HeaderFlags, attrs []byte) netlink.Message {
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | typ), Flags: netlink.Request | flags},
		Data:   append([]byte{familyNumbers[family], 0, 0, 0}, attrs...),
	}
}

// ask gives the answers to a question. EAGAIN: what was asked for changed
// meanwhile, and these are not all.
func (n *nfTables) ask(m netlink.Message) ([]netlink.Message, error) {
	if err := n.conn.SetDeadline(time.Now().Add(nfAnswer)); err != nil {
		return nil, err
	}
	ms, err := n.conn.Execute(m)
	if slices.ContainsFunc(ms, func(m netlink.Message) bool { return m.Header.Flags&netlink.DumpInterrupted != 0 }) {
		return nil, errors.Join(err, unix.EAGAIN)
	}
	return ms, err
}

// generation is the number of the ruleset as it is now; 0 where the kernel has
// no such number.
func (n *nfTables) generation() (uint32, error) {
	ms, err := n.ask(nfMessage(unix.NFT_MSG_GETGEN, "", 0, nil))
	if errors.Is(err, unix.EINVAL) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, m := range ms {
		if v := attrsOf(m).get(unix.NFTA_GEN_ID); len(v) == 4 {
			return binary.BigEndian.Uint32(v), nil
		}
	}
	return 0, nil
}

// settled reads until nothing has changed meanwhile. The kernel goes on with a
// dump by counting what it has told: an element that goes lets another one be
// passed over, and of elements it does not say that a dump was interrupted.
func (n *nfTables) settled(read func() error) error {
	for range 10 {
		before, err := n.generation()
		if err != nil {
			return err
		}
		err = read()
		after, lost := n.generation()
		if lost != nil || before == after && !errors.Is(err, unix.EAGAIN) {
			return errors.Join(err, lost)
		}
	}
	return errChanging(unix.EAGAIN)
}

func errChanging(err error) error {
	return fmt.Errorf("the packet filter changes all the time: %w", err)
}

// commit does all of a batch or nothing. ERESTART: the ruleset is not of that
// generation any more.
func (n *nfTables) commit(generation uint32, batch []netlink.Message) error {
	if err := n.conn.SetDeadline(time.Now().Add(nfAnswer)); err != nil {
		return err
	}
	begin := []byte{0, 0, 0, unix.NFNL_SUBSYS_NFTABLES}
	if generation != 0 {
		begin = append(begin, attr(nfnlBatchGenID, be32(generation))...)
	}
	all := []netlink.Message{{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_BEGIN, Flags: netlink.Request}, Data: begin}}
	for _, m := range batch {
		m.Header.Flags |= netlink.Acknowledge
		all = append(all, m)
	}
	all = append(all, netlink.Message{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_END, Flags: netlink.Request}, Data: begin[:4]})
	if _, err := n.conn.SendMessages(all); err != nil {
		return err
	}
	for got := 0; got < len(batch); {
		ms, err := n.conn.Receive()
		if err != nil {
			return err
		}
		got += len(ms)
	}
	return nil
}

// nfnlBatchGenID is NFNL_BATCH_GENID of linux/netfilter/nfnetlink.h.
const nfnlBatchGenID = 1

// editNFTables commits what f makes of the ruleset, again if the ruleset
// changed meanwhile.
func editNFTables(f func(*nfTables) ([]netlink.Message, error)) error {
	var err error
	for range 10 {
		if err = tryNFTables(f); !errors.Is(err, unix.ERESTART) && !errors.Is(err, unix.EAGAIN) {
			return err
		}
	}
	return errChanging(err)
}

func tryNFTables(f func(*nfTables) ([]netlink.Message, error)) error {
	n, err := openNFTables()
	if err != nil {
		return err
	}
	defer n.close()
	generation, err := n.generation()
	if err != nil {
		return err
	}
	batch, err := f(n)
	if err != nil || len(batch) == 0 {
		return err
	}
	return n.commit(generation, batch)
}
