package agent

import (
	"slices"

	"demine/internal/lease"
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

// anybodys reports whether it is over without anybody doing anything for it: its
// namespace may be gone.
func (d *desk) anybodys(le *lease.Lease) bool {
	if le.State == lease.Requested {
		return d.tooOld(le)
	}
	return le.Boot != d.now.ID || le.Left(d.now.Boot) == 0
}
