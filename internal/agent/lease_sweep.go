package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"demine/internal/lease"
	"demine/internal/respond"
)

// Swept is what was found to be other than the records say, and what was done
// about it.
type Swept struct {
	Over    []Over              `json:"over,omitempty"`    // leases that have ended
	Gone    []respond.Admission `json:"gone,omitempty"`    // openings that no lease explains: taken away
	Back    []string            `json:"back,omitempty"`    // leases that were put back after a reload
	Trouble []Trouble           `json:"trouble,omitempty"` // those that could not be, or could not be ended
}

// Over is a lease that is over, and why: a code of package lease.
type Over struct {
	Lease lease.Lease `json:"lease"`
	Why   string      `json:"why"`
}

// Trouble is why a lease is not in force, or still is.
type Trouble struct {
	ID    string `json:"id"`
	Doing string `json:"doing"` // the kind of event that did not come about
	Err   error  `json:"-"`
}

// Shut reports whether a lease that should be open lets nobody in for certain: it
// is lost, or could not be put back.
func (s *Swept) Shut(le *lease.Lease) bool {
	return le.State == lease.Open && (le.Lost || slices.ContainsFunc(s.Trouble, func(t Trouble) bool {
		return t.ID == le.ID && t.Doing == lease.DidPut
	}))
}

// reconcile brings records and packet filter together, always towards closed:
// what is over is recorded, what no lease of this boot explains is taken away,
// and what a reload threw out is put back only if it can be proved anew.
func (d *desk) reconcile(ctx context.Context) (Swept, error) {
	var s Swept
	in, err := d.filter.Admitted(ctx)
	if errors.Is(err, respond.ErrUnavailable) && d.closed() {
		return s, nil
	}
	if err != nil {
		return s, unavailable(err)
	}
	d.recall(in)
	before := len(d.list)
	steps := []func(context.Context, respond.Admitted, *Swept) error{d.endOver, d.takeStrays, d.endGone, d.leaveMark, d.putBack}
	for _, step := range steps {
		if err = step(ctx, in, &s); err != nil {
			break
		}
	}
	d.remember(in, len(s.Trouble) == 0 && err == nil)
	err = errors.Join(err, d.forgetRequests())
	if len(d.list) != before || d.changed { // what was done is done, also before an error
		err = errors.Join(err, d.save())
	}
	retired := d.closed() && (in.Mark != 0 || len(in.Doorways) > 0)
	if retired {
		err = errors.Join(err, d.filter.Retire(ctx))
	}
	if d.in = &in; retired || in.Taken != "" || len(s.Over)+len(s.Gone)+len(s.Back)+len(s.Trouble) > 0 {
		d.in = nil
	}
	return s, err
}

// inForce is what the filter holds, as reconcile read it unless it changed that.
func (d *desk) inForce(ctx context.Context) (respond.Admitted, error) {
	if d.in != nil {
		return *d.in, nil
	}
	return d.filter.Admitted(ctx)
}

// recall tells from what the keeper saw before whether there is more to do than
// what a look at the table of leases tells. What was in vain just now is tried
// again a while later, or once the filter is another one: what ends, ends in the
// kernel.
func (d *desk) recall(in respond.Admitted) {
	k := d.keeper
	if k == nil {
		return
	}
	d.moved = k.well.other(in, d.now.Boot)
	d.later = k.pause > keepPause && d.now.Boot < k.failed.at+k.pause && !k.failed.other(in, d.now.Boot)
}

func (d *desk) remember(in respond.Admitted, well bool) {
	switch k := d.keeper; {
	case k == nil || d.later:
	case !well:
		k.failed = sighting{in.Doorways, in.Others, d.now.Boot}
	case d.moved:
		k.well = sighting{in.Doorways, in.Others, d.now.Boot}
	}
}

// endOver ends what is over by the clocks.
func (d *desk) endOver(ctx context.Context, in respond.Admitted, s *Swept) error {
	var errs []error
	for _, le := range d.which(func(l *lease.Lease) bool { return l.Over(d.now) != "" }) {
		errs = append(errs, d.tryEnd(ctx, le, le.Over(d.now), s))
	}
	return errors.Join(errs...)
}

// tryEnd ends a lease. One that cannot be ended stays on the list and is tried
// again: the others, and what somebody wants done about it, must not wait for it.
func (d *desk) tryEnd(ctx context.Context, le lease.Lease, why string, s *Swept) error {
	err := d.end(ctx, le, why, nil, s)
	if err == nil {
		return nil
	}
	if _, gone := d.find(le.ID); gone != nil { // it has ended, and only the trail does not say so
		return err
	}
	s.Trouble = append(s.Trouble, Trouble{le.ID, lease.DidEnd, err})
	return nil
}

// end takes a lease out of the filter and off the list. What the reboot has
// ended is in no filter any more, or stands there without a lease.
func (d *desk) end(ctx context.Context, le lease.Lease, why string, by *lease.Person, s *Swept) error {
	if why != lease.EndBoot {
		if err := d.filter.Dismiss(ctx, le.Admissions(0)); err != nil {
			return fmt.Errorf("end lease %s: %w", le.ID, err)
		}
	}
	kind := lease.DidClose
	le.State = lease.Closed
	if why == lease.EndTime || why == lease.EndBoot {
		kind, le.State = lease.DidEnd, lease.Ended
	}
	d.drop(le.ID)
	s.Over = append(s.Over, Over{le, why})
	return d.tell(lease.Event{Kind: kind, Lease: &le, By: by, Why: why})
}

// takeStrays takes away what no lease explains: it was loaded from a saved
// ruleset, or left by a demine that was cut off before it could prove it.
func (d *desk) takeStrays(ctx context.Context, in respond.Admitted, s *Swept) error {
	open := byName(d.list)
	ended := func(id string) bool {
		return slices.ContainsFunc(s.Over, func(o Over) bool { return o.Lease.ID == id && o.Why != lease.EndBoot })
	}
	var long []respond.Admission
	for _, a := range in.Admissions {
		switch le := open[a.Lease]; {
		case ended(a.Lease):
		case le == nil || le.State != lease.Open || !letsIn(le, a):
			s.Gone = append(s.Gone, a)
		case a.Left > le.Left(d.now.Boot)+endSlack:
			long = append(long, a)
		}
	}
	s.Gone = append(s.Gone, d.shorten(ctx, in, open, long)...)
	if len(s.Gone) == 0 {
		return nil
	}
	if err := d.filter.Dismiss(ctx, s.Gone); err != nil {
		return fmt.Errorf("openings without a lease: %w", err)
	}
	for _, a := range s.Gone {
		if err := d.tell(lease.Event{Kind: lease.DidSweep, ID: a.Lease, Why: strayText(a)}); err != nil {
			return err
		}
	}
	return nil
}

func strayText(a respond.Admission) string {
	return fmt.Sprintf("%d/%s from %s", a.Port, a.Proto, a.From)
}

// endSlack is how much later than its lease an element may end: its time began
// when the kernel got it.
const endSlack = 5 * time.Second

// letsIn reports whether a lease is the reason for an element, whenever that ends.
func letsIn(le *lease.Lease, a respond.Admission) bool {
	return le.Proto == a.Proto && le.Port == a.Port && slices.Contains(le.From, a.From)
}

// shorten gives elements that would end later than their lease the time that the
// lease has left: the kernel's timers stand still in a suspend, leases do not. It
// gives those that cannot have it, which have to go.
func (d *desk) shorten(ctx context.Context, in respond.Admitted, open map[string]*lease.Lease,
	long []respond.Admission) []respond.Admission {
	if len(long) == 0 {
		return nil
	}
	if err := d.tick(); err != nil {
		return long
	}
	var as, gone []respond.Admission
	for _, a := range long {
		le := open[a.Lease]
		if a.Left = le.Left(d.now.Boot); a.Left < leastLeft {
			gone = append(gone, a)
			continue
		}
		a.Cut = le.Cut
		as = append(as, a)
	}
	if len(as) == 0 {
		return gone
	}
	if err := d.filter.Admit(ctx, in.Mark, lease.Latest(d.list), nil, as); err != nil {
		d.log.Warn("shorten leases in the packet filter", "error", err)
		return long
	}
	return gone
}

func byName(ls []lease.Lease) map[string]*lease.Lease {
	out := make(map[string]*lease.Lease, len(ls))
	for i := range ls {
		out[ls[i].ID] = &ls[i]
	}
	return out
}

// endGone closes leases whose elements were taken out by hand, while the table
// stands and others of it may still be there. What could not be put back is not
// there either, and nobody took it out: see putBack.
func (d *desk) endGone(ctx context.Context, in respond.Admitted, s *Swept) error {
	if in.Mark == 0 {
		return nil
	}
	there := sourcesOf(in.Admissions)
	var errs []error
	gone := d.which(func(le *lease.Lease) bool {
		tried := le.Lost || le.Over(d.now) != ""
		return !tried && there[le.ID] < len(le.From) && le.Left(d.now.Boot) > endSlack
	})
	for _, le := range gone {
		errs = append(errs, d.tryEnd(ctx, le, lease.EndGone, s))
	}
	return errors.Join(errs...)
}

// longestRequest is how long a request waits for its approval.
const longestRequest = 24 * time.Hour

func (d *desk) tooOld(le *lease.Lease) bool { return d.now.Wall.Sub(le.Opened).Abs() > longestRequest }

// forgetRequests takes those that are older off the list. The caller saves it.
func (d *desk) forgetRequests() error {
	var old []lease.Lease
	for i := range d.list {
		if le := &d.list[i]; le.State == lease.Requested && d.tooOld(le) {
			old = append(old, *le)
		}
	}
	var errs []error
	for i := range old {
		d.drop(old[i].ID)
		errs = append(errs, d.tell(lease.Event{Kind: lease.DidRefuse, Lease: &old[i], Why: lease.EndTime}))
	}
	return errors.Join(errs...)
}
