package agent

import (
	"context"
	"errors"
	"slices"

	"demine/internal/lease"
	"demine/internal/respond"
)

// mend goes on without a list that cannot be read. What another place has may be an
// older list, and what somebody closed since must not be put back: what the trail
// knows to be over is taken off it, and what should be open in the filter of this
// network namespace and is not is ended. All that only the damaged list explained has
// no record then, and is taken away. Nothing is touched before the filter was read.
func (d *desk) mend(ctx context.Context, damage error) error {
	if err := d.forgetOver(); err != nil {
		d.log.Warn("audit trail", "error", err) // closing must not wait for a disk
	}
	gone, err := d.unheld(ctx)
	if err != nil {
		return errors.Join(damage, err)
	}
	names, err := d.st.SetLeasesAside()
	if err != nil {
		return errors.Join(damage, err)
	}
	d.log.Warn("list of leases", "error", damage, "kept", names)
	d.damaged = names
	if err := errors.Join(d.beginEnd(gone, lease.EndList), d.save()); err != nil {
		return err
	}
	for _, name := range names {
		if err := d.tell(lease.Event{Kind: lease.DidSpoil, Why: name}); err != nil {
			d.log.Warn("audit trail", "error", err)
		}
	}
	return nil
}

// forgetOver takes off the list what the trail tells to be over, proved or not: what
// is closed by mistake can be opened again.
func (d *desk) forgetOver() error {
	told := lease.NewTold()
	_, err := d.st.Trails(told.Add)
	over := func(le lease.Lease) bool { return told.Over(le.ID) }
	d.list, d.apart = slices.DeleteFunc(d.list, over), slices.DeleteFunc(d.apart, over)
	return err
}

// unheld are the leases that should be in force, and of which the filter does not
// hold all. What is lost or held up is not there either, and stays so.
func (d *desk) unheld(ctx context.Context) ([]lease.Lease, error) {
	in, err := d.filter.Admitted(ctx)
	if err == nil {
		return d.missed(ctx, in, d.partial)
	}
	if errors.Is(err, respond.ErrUnavailable) { // it holds none
		return d.which(d.partial(in)), nil
	}
	return nil, err
}
