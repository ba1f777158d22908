package agent

import (
	"errors"
	"testing"
	"time"

	"demine/internal/lease"
)

// enter puts demine into another network namespace, which has another packet filter.
func enter(l *Leases, name string, f *heldFilter) {
	l.netNS, l.filter = func() (string, error) { return name, nil }, f
}

// What is leased in another network namespace is nobody's business here, until its
// end, which nobody there may be left to tell.
func TestOtherNetNS(t *testing.T) {
	l, here, now := office(t)
	le, there := give(t, l, here), newFilter(now)
	enter(l, "cookie-7", there)
	out, err := l.List(t.Context())
	if err != nil || len(out.Leases)+len(out.Swept.Over)+len(out.Swept.Trouble) > 0 || len(there.held) > 0 {
		t.Fatalf("%+v, %+v, %v", out, there, err)
	}
	if _, _, err := l.Close(t.Context(), le.ID, false); !errors.Is(err, ErrNoLease) {
		t.Errorf("closed from elsewhere: %v", err)
	}
	saveLeases(t, l) // of this one there are none
	enter(l, "cookie-1", here)
	if out, err = l.List(t.Context()); err != nil || len(out.Leases) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	pass(now, time.Hour)
	enter(l, "cookie-7", there)
	if out, err = l.List(t.Context()); err != nil || len(out.Swept.Over) != 1 || lastEvent(t, l) != lease.DidEnd {
		t.Errorf("%+v, %v", out, err)
	}
}

// The flows of a lease of another network namespace are cut there, also when its end
// was written down here first. What has the same addresses here goes on.
func TestCutInItsNetNS(t *testing.T) {
	l, here, now := office(t)
	le, stays := give(t, l, here), lease.Begin("L-8W3MF", lease.Ask{Proto: "tcp", Port: 6381, For: 2 * time.Hour}, *now)
	le.Cut, stays.From, stays.Through = true, append(stays.From, stranger), le.Through
	for _, le := range []lease.Lease{le, stays} {
		if err := here.Admit(t.Context(), 1, le.Until, nil, le.Admissions(le.For)); err != nil {
			t.Fatal(err)
		}
	}
	saveLeases(t, l, le, stays)
	here.flows[guest] = true
	there := newFilter(now)
	there.flows[guest] = true
	pass(now, time.Hour)
	enter(l, "cookie-7", there)
	if out, err := l.List(t.Context()); err != nil || len(out.Swept.Over) != 1 || !there.flows[guest] {
		t.Errorf("%+v, flow goes on: %t, %v", out, there.flows[guest], err)
	}
	enter(l, "cookie-1", here)
	out, err := l.List(t.Context())
	if err != nil || len(out.Leases) != 1 || len(out.Swept.Trouble) > 0 || here.flows[guest] || len(here.cut) > 0 {
		t.Errorf("%+v, %+v, %v", out, here, err)
	}
}

// A promise to cut that a lease explains is kept for its end.
func TestCutWaits(t *testing.T) {
	l, f, _ := office(t)
	le := give(t, l, f)
	le.Cut = true
	if err := f.Admit(t.Context(), 1, le.Until, nil, le.Admissions(le.For)); err != nil {
		t.Fatal(err)
	}
	saveLeases(t, l, le)
	f.flows[guest] = true
	if out, err := l.List(t.Context()); err != nil || len(out.Leases) != 1 || !f.flows[guest] || len(f.cut) != 1 {
		t.Errorf("%+v, %+v, %v", out, f, err)
	}
}

// A trail is about the leases of every network namespace.
func TestTrailOfNetNS(t *testing.T) {
	l, here, now := office(t)
	tellTrail(t, l, lease.DidOpen, give(t, l, here))
	for ns, f := range map[string]*heldFilter{"cookie-1": here, "cookie-7": newFilter(now)} {
		enter(l, ns, f)
		if c, err := l.Trail(t.Context(), func(lease.Event) {}); err != nil || !c.Good() {
			t.Errorf("in %s: %+v, %v", ns, c, err)
		}
	}
}
