package agent

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"demine/internal/lease"
	"demine/internal/relate"
	"demine/internal/respond"
	"demine/internal/store"
)

// LeaseList is what is open and requested, as records and packet filter agree.
type LeaseList struct {
	Leases []lease.Lease
	Clock  lease.Clock
	Swept  Swept
	Kept   bool           // a keeper runs
	Used   map[string]int // connections now, by lease; nil: that cannot be told, see Unused
	Unused error
	Saved  []relate.LeaseFile // that would let them in after a boot
}

// List gives the leases and requests, oldest first, after records and packet
// filter were brought together.
func (l *Leases) List(ctx context.Context) (LeaseList, error) {
	var out LeaseList
	d, err := l.desk(ctx)
	if err != nil {
		return out, err
	}
	defer d.close()
	out.Kept = d.kept()
	d.moved = !out.Kept
	out.Swept, err = d.reconcile(ctx)
	out.Leases, out.Clock, out.Swept.Damaged = d.list, d.now, d.st.LeasesAside() // the keeper is mostly the first to see it

	d.release() // what follows may take a while
	out.Saved = l.savedLeases(ctx)
	var as []respond.Admission
	for _, le := range d.opened() {
		as = append(as, le.Admissions(0)...)
	}
	if len(as) > 0 {
		out.Used, out.Unused = l.filter.Used(ctx, as)
	}
	return out, err
}

// Using counts the connections that a lease has let in, also when it is over.
func (l *Leases) Using(ctx context.Context, le *lease.Lease) (int, error) {
	used, err := l.filter.Used(ctx, le.Admissions(0))
	return used[le.ID], err
}

// change is Extend or Close of one lease: it reconciles first, so that one that
// is over is not found. Close goes on where that was not possible, whatever of the
// packet filter cannot be read.
func (l *Leases) change(ctx context.Context, id string, closing bool,
	do func(*desk, lease.Lease, lease.Person) (lease.Lease, error)) (lease.Lease, Swept, error) {
	d, err := l.desk(ctx)
	if err != nil {
		return lease.Lease{}, Swept{}, err
	}
	defer d.close()
	d.moved = !closing && !d.kept()
	s, err := d.reconcile(ctx)
	if err != nil && !closing {
		return lease.Lease{}, s, err
	}
	le, none := d.find(id)
	if i := slices.IndexFunc(s.Over, func(o Over) bool { return closing && o.Lease.ID == id && o.Why == lease.EndHand }); i >= 0 {
		s.Volatile = d.volatile()
		return s.Over[i].Lease, s, err // what was begun before has come to its end
	}
	if none != nil {
		return lease.Lease{}, s, cmp.Or(err, none)
	}
	out, failed := do(d, *le, d.operator(ctx))
	s.Volatile = d.volatile()
	return out, s, errors.Join(err, failed)
}

// Extend gives a lease more time, from its present end on. One that is not in
// force gets it as well, for when it comes back: see Swept.Shut.
func (l *Leases) Extend(ctx context.Context, id string, by time.Duration, long bool) (lease.Lease, Swept, error) {
	return l.change(ctx, id, false, func(d *desk, le lease.Lease, who lease.Person) (lease.Lease, error) {
		if le.State != lease.Open {
			return le, respond.Refuse("refuse.lease.not-open", "id", id)
		}
		if le.Over(d.now) != "" {
			return le, respond.Refuse("refuse.lease.ending", "id", id)
		}
		if le.RequestedBy != nil && le.RequestedBy.Account == who.Account {
			return le, respond.Refuse("refuse.lease.extend-own", "account", who.Account, "command", extendCommand(id, by, long))
		}
		longer, err := le.Extend(by, long, d.now)
		if err != nil {
			return le, err
		}
		longer.Warned = false
		if err := d.tell(lease.Event{Kind: lease.Intend, Doing: lease.DidExtend, Lease: &longer, By: &who}); err != nil {
			return le, err
		}
		if err := d.prolong(ctx, &longer); err != nil {
			return le, d.failed(lease.DidExtend, &le, err)
		}
		return longer, d.tell(lease.Event{Kind: lease.DidExtend, Lease: &longer, By: &who})
	})
}

// extendCommand is for whoever may give that time.
func extendCommand(id string, by time.Duration, long bool) string {
	line := "demine lease extend " + id + " " + lease.Typed(by)
	if long {
		line += " --long"
	}
	return line
}

// prolong writes the new end down before the kernel gets it: an element that
// ends later than its record would be taken for nobody's.
func (d *desk) prolong(ctx context.Context, longer *lease.Lease) error {
	in, err := d.inForce(ctx)
	if err != nil {
		return err
	}
	at, err := d.find(longer.ID)
	if err != nil {
		return err
	}
	was := *at
	longer.Lost = longer.Lost || in.Mark == 0
	*at = *longer
	if err := d.save(); err != nil || longer.Lost { // it is not in force: see putBack
		return err
	}
	if err = d.tick(); err == nil {
		err = d.filter.Admit(ctx, in.Mark, lease.Latest(d.list), nil, longer.Admissions(longer.Left(d.now.Boot)))
	}
	if err != nil {
		*at = was
		return errors.Join(err, d.save())
	}
	return nil
}

// Close ends a lease, or withdraws a request. With cut, connections that it let
// in end too. One that is Closed or Withdrawn is so, whatever error is given with it.
func (l *Leases) Close(ctx context.Context, id string, cut bool) (lease.Lease, Swept, error) {
	return l.change(ctx, id, true, func(d *desk, le lease.Lease, by lease.Person) (lease.Lease, error) {
		if le.State == lease.Requested {
			d.drop(id)
			if err := d.save(); err != nil {
				return le, err
			}
			le.State = lease.Withdrawn
			return le, d.tell(lease.Event{Kind: lease.DidRefuse, Lease: &le, By: &by})
		}
		if le.Cut = le.Cut || cut; cut {
			if err := d.filter.MayCut(le.Admissions(0)); err != nil {
				return le, err
			}
		}
		if err := d.tell(lease.Event{Kind: lease.Intend, Doing: lease.DidClose, ID: le.ID, By: &by}); err != nil {
			d.log.Warn("audit trail", "error", err) // closing must not wait for a disk
		}
		begun := d.beginEnd([]lease.Lease{le}, lease.EndHand) // what cannot be written is closed all the same
		var s Swept
		err := d.end(ctx, le, lease.EndHand, &by, &s)
		if len(s.Over) == 0 {
			return le, d.failed(lease.DidClose, &le, errors.Join(begun, err))
		}
		err = errors.Join(err, d.save())
		if d.closed() {
			err = errors.Join(err, d.filter.Retire(ctx))
		}
		return s.Over[0].Lease, err
	})
}

// Request keeps what somebody wants opened until another account approves it.
// What could not be opened now is refused at once.
func (l *Leases) Request(ctx context.Context, q LeaseAsk) (LeaseAnswer, error) {
	d, err := l.desk(ctx)
	if err != nil {
		return LeaseAnswer{}, err
	}
	defer d.close()
	ask, s, err := d.checked(ctx, q, d.around(ctx))
	if err != nil {
		return LeaseAnswer{}, err
	}
	if err := d.waits(&ask, s.by); err != nil {
		return LeaseAnswer{}, err
	}
	in, err := d.filter.Admitted(ctx)
	if err != nil {
		return LeaseAnswer{}, unavailable(err)
	}
	p, err := lease.Make(ask, s.x, in, d.list)
	if err != nil {
		return LeaseAnswer{}, err
	}
	id, err := d.name()
	if err != nil {
		return LeaseAnswer{}, err
	}
	le := lease.Lease{ID: id, Ask: ask, State: lease.Requested, By: s.by, NetNS: d.space, Opened: d.now.Wall.Round(0), Service: p.Service, Container: p.Container}
	if err := d.filter.MayCut(le.Admissions(0)); err != nil {
		return LeaseAnswer{}, err
	}
	d.list = append(d.list, le)
	err = errors.Join(d.save(), d.tell(lease.Event{Kind: lease.DidAsk, Lease: &le, By: &s.by}))
	return LeaseAnswer{Plan: p, Lease: &le, Swept: Swept{Volatile: d.volatile()}}, err
}

// waits refuses what a request of the same account asks for already.
func (d *desk) waits(a *lease.Ask, by lease.Person) error {
	for i := range d.list {
		if le := &d.list[i]; le.State == lease.Requested && !d.tooOld(le) && le.By.Account == by.Account && le.Same(a) {
			return respond.Refuse("refuse.lease.waits", "id", le.ID, "account", by.Account)
		}
	}
	return nil
}

// Approve opens what was requested, if agreed (nil: whatever it is) has no error
// for it. Whoever asked for it cannot.
func (l *Leases) Approve(ctx context.Context, id string, agreed func(*lease.Lease) error, dry, noProbe bool) (LeaseAnswer, error) {
	d, err := l.desk(ctx)
	if err != nil {
		return LeaseAnswer{}, err
	}
	defer d.close()
	le, err := d.request(id)
	if err != nil {
		return LeaseAnswer{}, err
	}
	request := *le
	if err := approvable(&request, d.operator(ctx)); err != nil {
		return LeaseAnswer{}, err
	}
	if agreed != nil {
		if err := agreed(&request); err != nil {
			return LeaseAnswer{}, err
		}
	}
	return d.openFor(ctx, LeaseAsk{Ask: request.Ask, DryRun: dry, NoProbe: noProbe}, &request, d.around(ctx))
}

// request gives the request of a name, if it is not too old.
func (d *desk) request(id string) (*lease.Lease, error) {
	before := len(d.list)
	err := d.forgetRequests()
	if len(d.list) != before {
		err = errors.Join(err, d.save())
	}
	if err != nil {
		return nil, err
	}
	le, err := d.find(id)
	switch {
	case err != nil:
		return nil, ErrNoLease
	case le.State == lease.Requested:
		return le, nil
	case le.Over(d.now) == "":
		return nil, respond.Refuse("refuse.lease.approved", "id", id, "until", le.Until)
	}
	return nil, ErrNoLease
}

// approvable: two accounts, and two logins that both are root's alone are one.
func approvable(r *lease.Lease, by lease.Person) error {
	if r.By.Account == by.Account {
		return respond.Refuse("refuse.lease.same-account", "account", by.Account)
	}
	return nil
}

// OpenRules are the rules that let others in, by a look at nothing but what runs and
// the packet filter; none if there is no time for that: for completion, nothing else.
func (l *Leases) OpenRules(ctx context.Context) []relate.OpenRule {
	s := l.around(ctx)()
	if ctx.Err() != nil {
		return nil
	}
	return relate.New(s).OpenRules()
}

// InState are the leases and requests that the records have in one of these
// states, as far as they can be read: for completion, nothing else.
func (l *Leases) InState(states ...string) []lease.Lease {
	st, err := store.Read(l.settings.State, l.options())
	if err != nil {
		return nil
	}
	defer st.Close()
	all, err := st.Leases()
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(le lease.Lease) bool { return !slices.Contains(states, le.State) })
}
