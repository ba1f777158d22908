package agent

import (
	"context"
	"errors"
	"testing"
	"time"

	"demine/internal/lease"
	"demine/internal/respond"
)

// giveCut opens a lease whose flows are to be cut, with one of them.
func giveCut(t *testing.T, l *Leases, f *heldFilter) lease.Lease {
	t.Helper()
	le := give(t, l, f)
	le.Cut = true
	if err := f.Admit(t.Context(), 1, le.Until, nil, le.Admissions(le.For)); err != nil {
		t.Fatal(err)
	}
	saveLeases(t, l, le)
	f.flows[guest] = true
	return le
}

// look is what the keeper does when it finds the packet filter changed: all that is
// open is put back.
func look(t *testing.T, l *Leases) Swept {
	t.Helper()
	d, err := l.desk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	d.keeper = &keeper{Leases: l, well: sighting{others: 1}}
	s, err := d.reconcile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A lease whose end was begun never comes in force again, whatever of it failed,
// whoever looks next, and whatever the clocks say then.
func TestEndBegun(t *testing.T) {
	for _, tt := range []struct {
		why   string
		begin func(t *testing.T, l *Leases, f *heldFilter, le lease.Lease)
	}{
		{lease.EndHand, func(t *testing.T, l *Leases, f *heldFilter, le lease.Lease) {
			if closed, _, err := l.Close(t.Context(), le.ID, false); err == nil || closed.State != lease.Open || lastEvent(t, l) != lease.DidFail {
				t.Errorf("%+v, %v", closed, err)
			}
		}},
		{lease.EndGone, func(_ *testing.T, _ *Leases, f *heldFilter, _ lease.Lease) { delete(f.held, guest) }},
		{lease.EndClock, func(t *testing.T, l *Leases, f *heldFilter, _ lease.Lease) {
			f.now.Wall = f.now.Wall.Add(time.Minute)
			look(t, l)
			f.now.Wall = f.now.Wall.Add(-time.Minute)
		}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			l, f, _ := office(t)
			le := giveCut(t, l, f)
			f.uncut = le.ID
			tt.begin(t, l, f, le)
			for _, reload := range []bool{false, true} {
				if reload {
					f.mark, f.doorways = 0, nil
				}
				s := look(t, l)
				if len(s.Trouble) != 1 || s.Trouble[0].Doing != lease.DidEnd || len(f.held) > 0 || len(f.cut) != 1 {
					t.Errorf("reload %t: %+v, %+v", reload, s, f)
				}
				var r *respond.Refusal
				if _, _, err := l.Extend(t.Context(), le.ID, time.Hour, false); !errors.As(err, &r) || r.ID != "refuse.lease.ending" {
					t.Errorf("reload %t: more time: %v", reload, err)
				}
			}
			f.uncut = ""
			if s := look(t, l); len(s.Over) != 1 || s.Over[0].Why != tt.why || f.flows[guest] || lastEvent(t, l) != lease.DidClose {
				t.Errorf("%+v, %+v", s, f)
			}
		})
	}
}

// Who closes it again gets it closed; flows that somebody wanted cut then are.
func TestCloseAgain(t *testing.T) {
	l, f, _ := office(t)
	le := give(t, l, f)
	f.flows[guest], f.uncut = true, le.ID
	for range 2 {
		if _, _, err := l.Close(t.Context(), le.ID, true); err == nil {
			t.Fatal("closed")
		}
	}
	f.uncut = ""
	closed, _, err := l.Close(t.Context(), le.ID, false)
	if err != nil || closed.State != lease.Closed || !closed.Cut || f.flows[guest] {
		t.Errorf("%+v, %+v, %v", closed, f, err)
	}
}

// deadly is a packet filter in which demine is killed when it takes something out,
// before that or after.
type deadly struct {
	*heldFilter
	after bool
}

func (f deadly) Dismiss(ctx context.Context, as []respond.Admission) error {
	if f.after {
		_ = f.heldFilter.Dismiss(ctx, as)
	}
	panic("killed")
}

// However far a demine came that was killed while it closed, the next one closes.
func TestCloseKilled(t *testing.T) {
	for _, after := range []bool{false, true} {
		l, f, _ := office(t)
		le := giveCut(t, l, f)
		l.filter = deadly{f, after}
		func() {
			defer func() { _ = recover() }()
			_, _, err := l.Close(t.Context(), le.ID, false)
			t.Errorf("not killed: %v", err)
		}()
		l.filter = f
		s := look(t, l)
		if len(s.Over) != 1 || s.Over[0].Why != lease.EndHand || len(s.Back)+len(s.Trouble)+len(f.held) > 0 || f.flows[guest] {
			t.Errorf("after %t: %+v, %+v", after, s, f)
		}
	}
}

// A lease whose end was begun in another network namespace is that one's business
// until its time is over as well.
func TestEndBegunElsewhere(t *testing.T) {
	l, here, now := office(t)
	le := giveCut(t, l, here)
	here.uncut = le.ID
	if _, _, err := l.Close(t.Context(), le.ID, false); err == nil {
		t.Fatal("closed")
	}
	enter(l, "cookie-7", newFilter(now))
	if s := look(t, l); len(s.Over) > 0 {
		t.Errorf("ended from elsewhere: %+v", s)
	}
	pass(now, time.Hour)
	if s := look(t, l); len(s.Over) != 1 || s.Over[0].Why != lease.EndHand {
		t.Errorf("nobody writes its end down: %+v", s)
	}
}

// Flows of a lease whose end was begun stay blocked, also where somebody's rule
// holds up leases.
func TestEndBegunIsNotHeld(t *testing.T) {
	l, f, _ := office(t)
	le := giveCut(t, l, f)
	f.uncut = le.ID
	if _, _, err := l.Close(t.Context(), le.ID, false); err == nil {
		t.Fatal("closed")
	}
	d, err := l.desk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	var s Swept
	if err := d.hold(t.Context(), d.letIn(), behindPolicy(), &s); err != nil || len(s.Trouble) > 0 || len(f.cut) != 1 {
		t.Errorf("%+v, %+v, %v", s, f, err)
	}
}

// A request is withdrawn whatever cannot be read of the packet filter, and is told so.
func TestWithdrawUnread(t *testing.T) {
	l, f, now := office(t)
	saveLeases(t, l, lease.Lease{ID: "L-7Q2KD", State: lease.Requested, Opened: now.Wall, By: lease.Person{Account: "alice"}})
	f.unread = errors.New("a rule that cannot be read")
	le, _, err := l.Close(t.Context(), "L-7Q2KD", false)
	if !errors.Is(err, f.unread) || le.State != lease.Withdrawn {
		t.Errorf("%+v, %v", le, err)
	}
	f.unread = nil
	if got := lastEvent(t, l); got != lease.DidRefuse {
		t.Errorf("the trail ends with %q", got)
	}
	if ls := l.InState(lease.Requested, lease.Withdrawn); len(ls) > 0 {
		t.Errorf("on the list: %+v", ls)
	}
}
