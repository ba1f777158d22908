package agent

import (
	"context"
	"errors"
	"slices"

	"demine/internal/lease"
)

// mend goes on without a list that cannot be read. Of what another place has, which
// may be an older list, only what the filter of this network namespace holds is
// believed: what somebody closed since must not be put back. All else that is open is
// without a record then, and is taken away.
func (d *desk) mend(ctx context.Context, damage error) error {
	names, err := d.st.SetLeasesAside()
	if err != nil {
		return errors.Join(damage, err)
	}
	if d.keeper == nil || len(names) > 0 { // the keeper comes by every second
		d.log.Warn("list of leases", "error", damage, "aside", names)
	}
	in, err := d.filter.Admitted(ctx)
	if err != nil {
		in.Admissions = nil
	}
	there := sourcesOf(in.Admissions)
	d.list = slices.DeleteFunc(d.list, func(le lease.Lease) bool { return le.State != lease.Open || there[le.ID] < len(le.From) })
	if err := d.save(); err != nil {
		return err
	}
	d.damaged = names
	for _, name := range names {
		if err := d.tell(lease.Event{Kind: lease.DidSpoil, Why: name}); err != nil {
			d.log.Warn("audit trail", "error", err) // closing must not wait for a disk
		}
	}
	return nil
}
