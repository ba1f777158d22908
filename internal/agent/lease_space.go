package agent

import (
	"slices"

	"demine/internal/lease"
	"demine/internal/respond"
)

// parted are the leases of other network namespaces and those of this one: what
// lets in for the others is not in the filter that is seen here.
func (d *desk) parted() (others, own []lease.Lease) {
	theirs := func(le lease.Lease) bool { return le.NetNS != d.space && !d.anybodys(&le) }
	if !slices.ContainsFunc(d.list, theirs) {
		return nil, d.list
	}
	for _, le := range d.list {
		if theirs(le) {
			others = append(others, le)
		} else {
			own = append(own, le)
		}
	}
	return others, own
}

// claim takes leases whose record names no network namespace, as older demines wrote
// them, for those of this one if its filter holds them. If none does they end unseen.
func (d *desk) claim(in respond.Admitted) {
	there := sourcesOf(in.Admissions)
	d.apart = slices.DeleteFunc(d.apart, func(le lease.Lease) bool {
		own := le.NetNS == "" && there[le.ID] > 0
		if own {
			le.NetNS, d.changed = d.space, true
			d.list = append(d.list, le)
		}
		return own
	})
}

// anybodys reports whether it is over without anybody doing anything for it: its
// namespace may be gone.
func (d *desk) anybodys(le *lease.Lease) bool {
	if le.State == lease.Requested {
		return d.tooOld(le)
	}
	return le.Boot != d.now.ID || le.Left(d.now.Boot) == 0
}
