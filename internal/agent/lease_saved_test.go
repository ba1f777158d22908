package agent

import (
	"testing"
	"time"

	"demine/internal/host/fixture"
	"demine/internal/lease"
	"demine/internal/store"
)

// The keeper writes down once that a file would bring leases back, within a
// minute, and the list names it.
func TestSavedLeases(t *testing.T) {
	l, f, now := office(t)
	give(t, l, f)
	st, err := store.Open(l.settings.State, l.options())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	k := keeper{Leases: l, st: st, told: map[string]telling{}, say: KeeperWords{}}
	tell := func(host, want string) {
		t.Helper()
		if l.h, err = fixture.Parse([]byte("-- kernel/identity --\nname=shop uid=0 self=1\n" + host)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := k.tend(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := lastEvent(t, l); got != want {
			t.Errorf("the trail ends with %q, want %q", got, want)
		}
	}
	const saved = "-- /etc/nftables.conf --\ntable inet demine_lease {\n chain prerouting {\n  type filter hook prerouting priority -110; policy accept;\n }\n}\n"
	tell("", "")
	pass(now, savedPause-time.Second)
	tell(saved, "") // not yet looked at again
	pass(now, time.Second)
	tell(saved, lease.DidFind)
	pass(now, 2*savedPause)
	before := events(t, l)
	tell(saved, lease.DidFind)
	if after := events(t, l); after != before {
		t.Errorf("told %d times", after-before+1)
	}
	out, err := l.List(t.Context())
	if err != nil || len(out.Saved) != 1 || out.Saved[0].Path != "/etc/nftables.conf" {
		t.Errorf("%+v, %v", out.Saved, err)
	}
}

func events(t *testing.T, l *Leases) (n int) {
	t.Helper()
	if _, err := l.Trail(t.Context(), func(lease.Event) { n++ }); err != nil {
		t.Fatal(err)
	}
	return n
}

// More time for a lease that was approved takes another account than the one
// that asked for it.
func TestExtendApproved(t *testing.T) {
	l, f, _ := office(t)
	le := give(t, l, f)
	d, err := l.desk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	me := d.operator(t.Context())
	d.close()
	for account, want := range map[string]bool{me.Account: false, me.Account + "x": true} {
		le.RequestedBy = &lease.Person{Account: account}
		saveLeases(t, l, le)
		if _, _, err := l.Extend(t.Context(), le.ID, time.Minute, false); (err == nil) != want {
			t.Errorf("%s asked for it, %s extends it: %v", account, me.Account, err)
		}
	}
}
