package agent

import (
	"context"
	"slices"
	"time"

	"demine/internal/lease"
	"demine/internal/observe"
	"demine/internal/relate"
)

// savedPause is how often the keeper looks whether somebody saved leases.
const savedPause = time.Minute

// savedLeases are the files that are loaded at boot and hold leases.
func (l *Leases) savedLeases(ctx context.Context) []relate.LeaseFile {
	return relate.SavedLeases(l.observe(ctx, nil, observe.Scope{}, "savedfirewall").Firewall)
}

// tellSaved writes down once that a file holds leases: after a boot nothing of
// demine may run that would take them away.
func (k *keeper) tellSaved(ctx context.Context, d *desk) error {
	if k.looked > 0 && d.now.Boot < k.looked+savedPause {
		return nil
	}
	k.looked = d.now.Boot
	known := k.saved
	k.saved = k.savedLeases(ctx)
	for _, f := range k.saved {
		if slices.Contains(known, f) {
			continue
		}
		d.log.Warn("leases are saved in a file that is loaded at boot", "file", f.Path)
		if err := d.tell(lease.Event{Kind: lease.DidFind, Why: f.Path.String()}); err != nil {
			return err
		}
	}
	return nil
}
