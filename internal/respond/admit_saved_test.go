package respond

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// savedDoorway is a doorway as both kinds of iptables-save write it.
const savedDoorway = `-A INPUT -m mark --mark 0x100/0x100 -m comment --comment "demine lease" -j ACCEPT` + "\n"

// A filter that somebody saved while there were leases loads again, by each tool
// that saves it, and lets nobody in behind their end, though every element of the
// table begins to count anew.
func TestAdmitSaved(t *testing.T) {
	const left = 3 * time.Second
	for _, h := range leaseHosts()[:3] {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			l, fresh := newFilterLab(t), newFilterLab(t)
			h.load(l)
			end := time.Now().Add(left)
			ends := h.admission("L-4", labApp4+"/32", left)
			ends.Cut = true
			as := []Admission{ends, h.admission("L-6", labApp6+"/64", left)}
			l.must(func() error { return l.filter.Admit(context.Background(), testBit, end, h.doors, as) })
			nft, saved := l.sh("nft list ruleset", ""), map[string]string{}
			if !strings.Contains(nft, "expires ") || !strings.Contains(nft, "meta time > ") {
				t.Fatalf("the listing has no leases:\n%s", nft)
			}
			if h.name != "nft" {
				for _, family := range []string{"ip", "ip6"} {
					saved[family] = l.sh(tool(h.name, family, "-save"), "")
					if !strings.Contains(saved[family], savedDoorway) {
						t.Errorf("%s saves no doorway:\n%s", h.name, saved[family])
					}
				}
			}
			time.Sleep(time.Until(wholeSecond(end).Add(time.Millisecond)))
			fresh.sh("nft -f -", nft)
			fresh.sh("nft flush chain inet demine_lease cut", "") // so that it is not this that keeps them out
			for family, text := range saved {
				fresh.sh(tool(h.name, family, "-restore"), text)
			}
			for _, c := range labClients {
				fresh.mustNotReach(c, h.port)
			}
			for _, c := range []string{labApp4, labApp6} {
				fresh.mustReach(c, 22)
			}
			if got := fresh.admitted(); len(got.Admissions) != 2 || got.Mark != testBit || len(got.Doorways) != len(h.doors) {
				t.Errorf("what was loaded is not seen: %+v", got)
			}
			fresh.must(func() error { return fresh.filter.Retire(context.Background()) })
			if got := fresh.admitted(); !cmp.Equal(got, Admitted{Others: got.Others}) {
				t.Errorf("what was loaded is not taken away: %+v", got)
			}
		})
	}
}

// What a crash between two transactions of Admit or Retire leaves lets nobody in.
func TestAdmitCrash(t *testing.T) {
	for _, h := range leaseHosts()[2:] {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			l := newFilterLab(t)
			h.load(l)
			before := l.inForce()
			closed := func(after string) {
				t.Helper()
				for _, c := range labClients {
					l.mustNotReach(c, h.port)
				}
				if t.Failed() {
					t.Fatalf("open after %s", after)
				}
			}
			for i := range h.doors {
				l.must(func() error { _, err := openXT(testBit, h.doors[:i+1]); return err })
				closed("a doorway of iptables-legacy")
			}
			a := h.admission("L-4", labApp4+"/32", time.Hour)
			l.admit(h, a)
			l.mustReach(labApp4, h.port)
			l.dismiss(a)
			closed("the first step of Retire")
			l.must(func() error { return closeXT(doorwaysIn(l.rules())) })
			closed("the second")
			l.must(func() error { return l.filter.Retire(context.Background()) })
			if diff := cmp.Diff(before, l.inForce()); diff != "" {
				t.Errorf("the filter is not as it was:\n%s", diff)
			}
		})
	}
}

// When a part of it fails nothing is left, and what was in force stays.
func TestAdmitAllOrNothing(t *testing.T) {
	ctx := context.Background()
	for _, h := range leaseHosts() {
		t.Run(h.name, func(t *testing.T) {
			l := newFilterLab(t)
			h.load(l)
			before := l.inForce()
			missing := h
			missing.doors = append(slices.Clone(h.doors), nftDoor("gone"))
			as := []Admission{h.admission("L-4", labApp4+"/32", time.Hour)}
			err := l.do(func() error { return l.filter.Admit(ctx, testBit, time.Now().Add(time.Hour), missing.doors, as) })
			fails := func(err error) bool {
				return errors.Is(err, ErrDrifted) || h.alone && refusedAs(err) == "refuse.lease.kernel" // no transaction for it
			}
			if !fails(err) {
				t.Errorf("a doorway in a chain that is not there: %v", err)
			}
			if diff := cmp.Diff(before, l.inForce()); diff != "" {
				t.Errorf("something is left:\n%s", diff)
			}
			old := h.admission("L-6", labApp6+"/64", time.Hour)
			l.admit(h, old)
			in := l.admitted()
			for i := range h.doors { // before the one that is there
				missing.doors[i].At.N = 1
			}
			err = l.do(func() error { return l.filter.Admit(ctx, testBit, time.Now().Add(time.Hour), missing.doors, as) })
			if now := l.admitted(); !fails(err) || !cmp.Equal(in.Doorways, now.Doorways) || len(now.Admissions) != 1 {
				t.Errorf("%v: in force were %+v, are %+v", err, in, now)
			}
			l.mustReach(labApp6, h.port)
		})
	}
}

func nftDoor(table string) Doorway {
	return Doorway{RuleAt{Backend: "nft", Family: "inet", Table: table, Chain: "input", N: 1}}
}

// A table that a program owns takes no doorway.
func TestAdmitOwned(t *testing.T) {
	l := newFilterLab(t)
	h := leaseHosts()[0]
	done := make(chan struct{})
	var wait sync.WaitGroup
	t.Cleanup(func() { close(done); wait.Wait() })
	ready := make(chan error, 1)
	wait.Go(func() {
		l.in(l.host, func() {
			n, err := openNFTables()
			if err != nil {
				ready <- err
				return
			}
			defer n.close()
			b := nftBatch{family: "inet", table: "filter"}
			b.add(unix.NFT_MSG_NEWTABLE, netlink.Create, textAttr(unix.NFTA_TABLE_NAME, b.table),
				attr(unix.NFTA_TABLE_FLAGS, be32(tableOwned)))
			b.baseChain("input", unix.NF_INET_LOCAL_IN, 0)
			b.rule("input", "", append(dport("tcp", h.port), verdict(0, ""))...)
			ready <- n.commit(0, b.out)
			<-done
		})
	})
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	l.mustNotReach(labApp4, h.port)
	h.doors = []Doorway{nftDoor("filter")}
	as := []Admission{h.admission("L-4", labApp4+"/32", time.Hour)}
	err := l.do(func() error {
		return l.filter.Admit(context.Background(), testBit, time.Now().Add(time.Hour), h.doors, as)
	})
	var r *Refusal
	want := `firewall-cmd --add-rich-rule='rule family="ipv4" source address="10.77.0.2/32" port port="6380" protocol="tcp" accept' --timeout=1h`
	if !errors.As(err, &r) || r.ID != "refuse.lease.owned" || r.Args["command"] != want {
		t.Errorf("an owned table: %v", err)
	}
	if got := l.admitted(); !cmp.Equal(got, Admitted{Others: got.Others}) {
		t.Errorf("something is left: %+v", got)
	}
}

// tableOwned is NFT_TABLE_F_OWNER.
const tableOwned = 2

// What is asked for without an end, or for more than one bit, is not done.
func TestAdmitInvalid(t *testing.T) {
	l, h := newFilterLab(t), leaseHosts()[0]
	h.load(l)
	good, until := h.admission("L-4", labApp4+"/32", time.Hour), time.Now().Add(time.Hour)
	for name, change := range map[string]func(mark *uint32, until *time.Time, a *Admission){
		"no end":       func(_ *uint32, _ *time.Time, a *Admission) { a.Left = 0 },
		"ended":        func(_ *uint32, _ *time.Time, a *Admission) { a.Left = -time.Second },
		"under a tick": func(_ *uint32, _ *time.Time, a *Admission) { a.Left = time.Millisecond },
		"no last end":  func(_ *uint32, u *time.Time, _ *Admission) { *u = time.Time{} },
		"two bits":     func(m *uint32, _ *time.Time, _ *Admission) { *m = 3 },
		"no bit":       func(m *uint32, _ *time.Time, _ *Admission) { *m = 0 },
		"protocol":     func(_ *uint32, _ *time.Time, a *Admission) { a.Proto = "icmp" },
		"port":         func(_ *uint32, _ *time.Time, a *Admission) { a.Port = 0 },
	} {
		m, u, a := uint32(testBit), until, good
		change(&m, &u, &a)
		if err := l.do(func() error { return l.filter.Admit(context.Background(), m, u, nil, []Admission{a}) }); err == nil {
			t.Errorf("%s: done", name)
		}
	}
	l.admit(h, good)
	err := l.do(func() error {
		return l.filter.Admit(context.Background(), testBit<<1, until, nil, []Admission{good})
	})
	if refusedAs(err) != "refuse.lease.other-mark" {
		t.Errorf("another mark: %v", err)
	}
}

// While a lease is made longer, again and again, no packet of it is dropped.
func TestAdmitExtend(t *testing.T) {
	l, h := newFilterLab(t), leaseHosts()[0]
	h.load(l)
	a := h.admission("L-4", labApp4+"/32", time.Hour)
	l.admit(h, a)
	stop := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if c := l.dial(labApp4, h.port, labAnswer); c != nil {
					_ = c.(*net.TCPConn).SetLinger(0)
					c.Close()
				}
			}
		}
	})
	for i := range 100 {
		a.Left = time.Hour + time.Duration(i)*time.Minute
		l.admit(h, a)
	}
	close(stop)
	wait.Wait()
	if n := l.packets("for nobody"); n != 0 {
		t.Errorf("%d packets were dropped", n)
	}
	l.mustNotReach(labEvil4, h.port)
	if n := l.packets("for nobody"); n == 0 {
		t.Error("the rule that counts does not count")
	}
}

// packets are those that the rule with a comment has counted.
func (l *filterLab) packets(comment string) uint64 {
	l.t.Helper()
	for _, rs := range l.rules() {
		for _, c := range rs.Chains {
			if i := slices.IndexFunc(c.Rules, func(r fact.Rule) bool { return r.Comment == comment }); i >= 0 {
				return c.Rules[i].Packets
			}
		}
	}
	l.t.Fatalf("no rule %q", comment)
	return 0
}

// Two that open leases at the same time lose none, and make one doorway.
func TestAdmitTogether(t *testing.T) {
	const each = 9 // a change is tried ten times, and the other has no more to be overtaken by
	for _, h := range leaseHosts()[:3] {
		t.Run(h.name, func(t *testing.T) {
			l := newFilterLab(t)
			h.load(l)
			var wait sync.WaitGroup
			for k := range 2 {
				wait.Go(func() {
					for i := range each {
						a := h.admission(fmt.Sprintf("L-%d-%d", k, i), labApp4+"/32", time.Hour)
						a.Port += 100*k + i
						err := l.do(func() error {
							return l.filter.Admit(context.Background(), testBit, time.Now().Add(time.Hour), h.doors, []Admission{a})
						})
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			wait.Wait()
			if got := l.admitted(); len(got.Admissions) != 2*each || len(got.Doorways) != len(h.doors) {
				t.Errorf("in force: %+v", got)
			}
		})
	}
}
