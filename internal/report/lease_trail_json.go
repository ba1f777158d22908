package report

import (
	"io"
	"time"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/lease"
)

// EventView is an event of the audit trail as scripts get it; of its lease what
// they get of every lease.
type EventView struct {
	N        int          `json:"n"`
	At       time.Time    `json:"at"`
	Kind     string       `json:"kind"`
	Doing    string       `json:"doing,omitempty"`
	ID       string       `json:"id,omitempty"`
	Lease    *LeaseView   `json:"lease,omitempty"` // as it was then, with what was left to it then
	By       string       `json:"by,omitempty"`    // the account; empty: demine itself
	Peer     string       `json:"peer,omitempty"`
	Why      string       `json:"why,omitempty"`
	Said     i18n.Message `json:"said,omitzero"`
	Torn     int          `json:"torn,omitempty"`
	Sum      string       `json:"sum"` // of its line, as the system log has it
	Prev     string       `json:"prev"`
	Unproved bool         `json:"unproved,omitempty"`
}

func newEventView(e *lease.Event) EventView {
	v := EventView{N: e.N, At: e.At, Kind: e.Kind, Doing: e.Doing, ID: e.ID, Why: e.Why, Said: e.Said, Torn: e.Torn,
		Sum: e.Sum, Prev: e.Prev, Unproved: e.Unproved}
	if l := e.Lease; l != nil {
		left := time.Duration(0)
		if l.State == lease.Open {
			left = max(0, l.Until.Sub(e.At))
		}
		le := NewLeaseView(l, left)
		v.Lease = &le
	}
	if e.By != nil {
		v.By, v.Peer = e.By.Account, e.By.Peer
	}
	return v
}

// LeaseTrailJSON writes the events of the audit trail and what the verification
// found.
func LeaseTrailJSON(w io.Writer, events []lease.Event, check *lease.TrailCheck) error {
	c, views := *check, []EventView{}
	c.Trails = list(c.Trails)
	for i := range events {
		views = append(views, newEventView(&events[i]))
	}
	return writeJSON(w, struct {
		Schema int         `json:"schema"`
		Events []EventView `json:"events"`
		lease.TrailCheck
	}{fact.SchemaVersion, views, c})
}
