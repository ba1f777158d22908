package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"demine/internal/i18n"
	"demine/internal/lease"
	"demine/internal/respond"
)

// Swept is what was found to be other than the records say, and what was done
// about it.
type Swept struct {
	Over    []Over              `json:"over,omitempty"`    // leases that have ended
	Gone    []respond.Admission `json:"gone,omitempty"`    // openings that no lease explains: taken away
	Back    []string            `json:"back,omitempty"`    // leases that were missing in the filter, or blocked there, and were put back
	Trouble []Trouble           `json:"trouble,omitempty"` // those that could not be, or could not be ended
	Damaged []string            `json:"damaged,omitempty"` // lists of leases that could not be read, by their new names

	Volatile i18n.Message `json:"volatile,omitzero"` // why what was written down is gone after the next boot; empty: it stays
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
// and what a reload threw out is put back only if it can be proved anew. What is
// over ends also where the rest of the packet filter cannot be read.
func (d *desk) reconcile(ctx context.Context) (Swept, error) {
	s, before := Swept{Damaged: d.damaged}, len(d.list)
	err := d.endOver(ctx, &s)
	in, unread := d.filter.Admitted(ctx)
	switch {
	case unread == nil:
		d.recall(in)
		if err == nil {
			err = d.compare(ctx, in, &s)
		}
		d.remember(in, len(s.Trouble) == 0 && err == nil)
	case !errors.Is(unread, respond.ErrUnavailable) || !d.closed():
		err = errors.Join(err, unavailable(unread))
	}
	err = errors.Join(err, d.forgetRequests())
	if len(d.list) != before || d.changed { // what was done is done, also before an error
		err = errors.Join(err, d.save())
	}
	retired := d.closed() && (in.Mark != 0 || len(in.Doorways) > 0)
	if retired {
		err = errors.Join(err, d.filter.Retire(ctx))
	}
	changed := retired || in.Taken != "" || len(s.Over)+len(s.Gone)+len(s.Back)+len(s.Trouble) > 0
	if unread == nil && !changed {
		d.in = &in
	}
	return s, err
}

// compare takes the steps for which one has to know what is in force.
func (d *desk) compare(ctx context.Context, in respond.Admitted, s *Swept) error {
	for _, step := range []func(context.Context, respond.Admitted, *Swept) error{
		d.takeStrays, d.cutStrays, d.endGone, d.leaveMark, d.putBack,
	} {
		if err := step(ctx, in, s); err != nil {
			return err
		}
	}
	return nil
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

// endOver ends what is over by its record or the clocks.
func (d *desk) endOver(ctx context.Context, s *Swept) error {
	clockSet := d.which(func(l *lease.Lease) bool { return l.Over(d.now) == lease.EndClock })
	errs := []error{d.beginEnd(clockSet, lease.EndClock)}
	for _, le := range d.which(func(l *lease.Lease) bool { return l.Over(d.now) != "" }) {
		errs = append(errs, d.tryEnd(ctx, le, le.Over(d.now), s))
	}
	return errors.Join(errs...)
}

// beginEnd writes down that leases end before their time, before anything of them
// is taken out: one of which that fails halfway, or whose demine is killed there,
// must not come in force again, whoever looks next and whatever the clocks say then.
func (d *desk) beginEnd(ls []lease.Lease, why string) error {
	begun := false
	for i := range ls {
		at, err := d.find(ls[i].ID)
		if err != nil || at.Ending != "" && at.Cut == ls[i].Cut {
			continue
		}
		at.Ending, at.Cut, begun = cmp.Or(at.Ending, why), ls[i].Cut, true
	}
	if !begun {
		return nil
	}
	return d.save()
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
// ended is in no filter any more, or stands there without a lease. One of another
// network namespace is in another filter: here the same source may be in contact
// with the same port for another reason.
func (d *desk) end(ctx context.Context, le lease.Lease, why string, by *lease.Person, s *Swept) error {
	if why != lease.EndBoot && le.NetNS == d.space {
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

// endGone closes leases whose elements were taken out by hand, while the table
// stands and others of it may still be there.
func (d *desk) endGone(ctx context.Context, in respond.Admitted, s *Swept) error {
	gone, err := d.missed(ctx, in, d.missing)
	errs := []error{err, d.beginEnd(gone, lease.EndGone)}
	for _, le := range gone {
		errs = append(errs, d.tryEnd(ctx, le, lease.EndGone, s))
	}
	return errors.Join(errs...)
}

// missed are the leases that two looks have missed, of which in is the first. One is
// not believed: what a lease ends for is written in its trail for good.
func (d *desk) missed(ctx context.Context, in respond.Admitted,
	missing func(respond.Admitted) func(*lease.Lease) bool) ([]lease.Lease, error) {
	gone := d.which(missing(in))
	if len(gone) == 0 {
		return nil, nil
	}
	again, err := d.filter.Admitted(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	still := missing(again)
	return slices.DeleteFunc(gone, func(le lease.Lease) bool { return !still(&le) }), nil
}

// missing tells leases of which an element is not there, although the table is.
func (d *desk) missing(in respond.Admitted) func(*lease.Lease) bool {
	partial := d.partial(in)
	return func(le *lease.Lease) bool {
		return in.Mark != 0 && partial(le) && le.Left(d.now.Boot) > endSlack
	}
}

// partial tells leases of which an element is not there. What could not be put back
// is not there either, and nobody took it out: see putBack.
func (d *desk) partial(in respond.Admitted) func(*lease.Lease) bool {
	there := sourcesOf(in.Admissions)
	return func(le *lease.Lease) bool {
		return !le.Lost && le.Over(d.now) == "" && there[le.ID] < len(le.From)
	}
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
		old[i].State = lease.Withdrawn
		errs = append(errs, d.tell(lease.Event{Kind: lease.DidRefuse, Lease: &old[i], Why: lease.EndTime}))
	}
	return errors.Join(errs...)
}
