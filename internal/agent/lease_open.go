package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/lease"
	"demine/internal/relate"
	"demine/internal/respond"
)

// LeaseAsk is what somebody asks for, as it was typed.
type LeaseAsk struct {
	lease.Ask
	Me      bool // from where the operator is connected, too
	NoProbe bool // ask no server on the host anything
	DryRun  bool // plan only

	without *relate.OpenRule // of a plan: as if this rule were gone
}

// LeaseAnswer is what became of it.
type LeaseAnswer struct {
	Plan  lease.Plan   `json:"plan"`
	Lease *lease.Lease `json:"lease,omitempty"` // nil: only planned
	Swept Swept        `json:"swept"`
}

// Open opens a port for a time: it plans, lets in, reads the packet filter again
// and proves that exactly that came true. If not, it is taken back and the error
// says why, a *respond.Refusal in most cases.
func (l *Leases) Open(ctx context.Context, q LeaseAsk) (LeaseAnswer, error) {
	d, err := l.locked(ctx)
	if err != nil {
		return LeaseAnswer{}, err
	}
	defer d.close()
	if !q.Me { // a slip of the pen is told before anything is looked at
		if _, err := lease.Check(q.Ask); err != nil {
			return LeaseAnswer{}, err
		}
	}
	around := d.around(ctx)
	if err := d.read(ctx); err != nil {
		return LeaseAnswer{}, err
	}
	return d.openFor(ctx, q, nil, around)
}

// openFor opens what was asked for; request is the one that is approved by it,
// or nil. around was begun under the lock.
func (d *desk) openFor(ctx context.Context, q LeaseAsk, request *lease.Lease, around func() *fact.Snapshot) (LeaseAnswer, error) {
	var out LeaseAnswer
	var err error
	if out.Swept, err = d.reconcile(ctx); err != nil {
		return out, err
	}
	if d.in == nil { // it changed the filter
		around = d.around(ctx)
	}
	ask, s, err := d.checked(ctx, q, around)
	if err != nil {
		return out, err
	}
	in, err := d.inForce(ctx)
	if err != nil {
		return out, unavailable(err)
	}
	if out.Plan, err = lease.Make(ask, s.x, in, d.list); err != nil {
		return out, err
	}
	if q.DryRun {
		le := lease.Begin("", ask, d.now)
		return out, d.filter.MayCut(le.Admissions(0))
	}
	others, err := d.neighbours(ctx, &out.Plan, &out.Swept)
	if err != nil {
		return out, err
	}
	id, err := d.name()
	if err != nil {
		return out, err
	}
	if d.now, err = d.clock(); err != nil { // a look may take a while
		return out, err
	}
	le := lease.Begin(id, ask, d.now)
	le.By, le.NetNS = s.by, d.space
	le.Service, le.Container, le.Passes = out.Plan.Service, out.Plan.Container, out.Plan.Passes
	if request != nil {
		le.ID, le.RequestedBy = request.ID, &request.By
		d.drop(request.ID)
	}
	if err := d.tell(lease.Event{Kind: lease.Intend, Doing: lease.DidOpen, Lease: &le, By: &s.by}); err != nil {
		return out, err
	}
	if err = d.admit(ctx, &out.Plan, le, s.snap, others); err != nil {
		return out, d.failed(lease.DidOpen, &le, err)
	}
	le.Through = out.Plan.Through(in)
	return d.record(ctx, out, le, s)
}

// checked looks, and checks what was asked for.
func (d *desk) checked(ctx context.Context, q LeaseAsk, around func() *fact.Snapshot) (lease.Ask, sight, error) {
	s := d.seeAmong(ctx, around, map[port]bool{{q.Proto, q.Port}: true}, q.NoProbe)
	if q.without != nil {
		s = s.withoutRule(q.without)
	}
	if q.Me {
		p, ok := s.peer()
		if !ok {
			return q.Ask, s, respond.Refuse("refuse.lease.me")
		}
		q.From = append(slices.Clone(q.From), p)
	}
	ask, err := lease.Check(q.Ask)
	return ask, s, err
}

// record writes down what is open now; what cannot be written is closed again.
func (d *desk) record(ctx context.Context, out LeaseAnswer, le lease.Lease, s sight) (LeaseAnswer, error) {
	d.list = append(d.list, le)
	err := d.save()
	if err == nil {
		err = d.tell(lease.Event{Kind: lease.DidOpen, Lease: &le, By: &s.by})
	}
	if err != nil {
		d.drop(le.ID)
		return out, errors.Join(err, d.takeBack(ctx, []lease.Lease{le}), d.save())
	}
	out.Lease, out.Swept.Volatile = &le, d.volatile()
	if d.kept() {
		return out, nil
	}
	if err := d.startup(ctx); err != nil { // it ends all the same: the kernel sees to that
		d.log.Warn("start the keeper of leases", "error", err)
	}
	return out, nil
}

// admit lets in what a plan says, for the lease that it is made for, and proves
// it, of that port and of those that other leases are about. After an error
// nothing of it is left. before is what the plan was made of.
func (d *desk) admit(ctx context.Context, p *lease.Plan, le lease.Lease, before *fact.Snapshot, others neighbours) error {
	now, err := d.clock()
	if err != nil {
		return err
	}
	until := lease.Latest(d.list)
	if le.Until.After(until) {
		until = le.Until
	}
	err = d.filter.Admit(ctx, p.Mark, until, p.Doorways, le.Admissions(le.Left(now.Boot)))
	if err == nil {
		after := d.filterAgain(ctx, before)
		err = errors.Join(p.Prove(before, after), others.untouched(after, le))
	}
	if err != nil {
		return errors.Join(unavailable(err), d.takeBack(ctx, []lease.Lease{le}))
	}
	return nil
}

// takeBack ends what was let in by leases, and retires the table when no other
// one is open. It is done also when the operator has interrupted.
func (d *desk) takeBack(ctx context.Context, ls []lease.Lease) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var as []respond.Admission
	for i := range ls {
		as = append(as, ls[i].Admissions(0)...)
	}
	err := d.filter.Dismiss(ctx, as)
	theirs := func(o lease.Lease) bool {
		return slices.ContainsFunc(ls, func(l lease.Lease) bool { return l.ID == o.ID })
	}
	if len(slices.DeleteFunc(d.opened(), theirs)) == 0 {
		err = errors.Join(err, d.filter.Retire(ctx))
	}
	if err != nil && !errors.Is(err, respond.ErrNothing) && !errors.Is(err, respond.ErrUnavailable) {
		return fmt.Errorf("take the lease back: %w", err)
	}
	return nil
}

// failed tells that what was intended did not come true.
func (d *desk) failed(doing string, le *lease.Lease, err error) error {
	return errors.Join(err, d.tell(failure(doing, le.ID, err)))
}

func failure(doing, id string, err error) lease.Event {
	e := lease.Event{Kind: lease.DidFail, Doing: doing, ID: id, Why: err.Error()}
	var r *respond.Refusal
	if errors.As(err, &r) {
		e.Why, e.Said = r.ID, r.Message
	}
	return e
}

// unavailable says in both languages that the kernel cannot do it.
func unavailable(err error) error {
	if errors.Is(err, respond.ErrUnavailable) {
		return respond.Refuse("refuse.lease.unavailable", "error", err.Error())
	}
	return err
}
