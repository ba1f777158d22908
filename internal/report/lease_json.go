package report

import (
	"io"
	"time"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/lease"
	"demine/internal/respond"
)

// LeaseView is a lease as scripts get it: times in seconds.
type LeaseView struct {
	ID            string    `json:"id,omitempty"`   // empty: it is only planned
	Host          string    `json:"host,omitempty"` // of a request: where it was made, and can be approved
	State         string    `json:"state"`          // planned, requested, withdrawn, open, ended, closed
	Proto         string    `json:"proto"`
	Port          int       `json:"port"`
	From          []string  `json:"from"`
	Who           string    `json:"who"`
	Why           string    `json:"why"`
	By            string    `json:"by"`
	Peer          string    `json:"peer,omitempty"`
	RequestedBy   string    `json:"requested_by,omitempty"`
	RequestedPeer string    `json:"requested_peer,omitempty"`
	Opened        time.Time `json:"opened,omitzero"`
	Until         time.Time `json:"until,omitzero"`
	For           int       `json:"for_s"`
	Left          int       `json:"left_s"`
	Drop          bool      `json:"drop_established"`
	Anyone        bool      `json:"anyone,omitempty"`
	Bare          bool      `json:"without_password,omitempty"` // also if the service asks for none
	Through       []string  `json:"through"`
	Service       string    `json:"service,omitempty"`
	Container     string    `json:"container,omitempty"`
	Connections   *int      `json:"connections,omitempty"`         // that it lets in now; where it was asked, and can be told
	NotInForce    bool      `json:"not_in_force,omitempty"`        // it is open, and lets nobody in; of a list, show and an extension
	Closing       bool      `json:"closing,omitempty"`             // it is over, and could not be ended whole yet; of a list or show
	HeldBy        string    `json:"held_by,omitempty"`             // the rule or policy for which it is not in force
	Passes        []string  `json:"passes,omitempty"`              // rules and policies that its opening passed; only of show
	Unused        string    `json:"connections_unknown,omitempty"` // why they are not counted; only of show
}

// NewLeaseView makes the view of a lease.
func NewLeaseView(l *lease.Lease, left time.Duration) LeaseView {
	v := LeaseView{
		ID: l.ID, State: l.State, Proto: l.Proto, Port: l.Port, From: []string{}, Who: l.Who, Why: l.Why,
		By: l.By.Account, Peer: l.By.Peer, Opened: l.Opened, Until: l.Until, For: int(l.For / time.Second),
		Left: int(left / time.Second), Drop: l.Cut, Anyone: l.Anyone, Bare: l.Bare, Through: list(l.Through), Service: l.Service, Container: l.Container,
		HeldBy: l.HeldBy,
	}
	for _, p := range l.From {
		v.From = append(v.From, p.String())
	}
	if l.RequestedBy != nil {
		v.RequestedBy, v.RequestedPeer = l.RequestedBy.Account, l.RequestedBy.Peer
	}
	return v
}

// LeaseJSON writes one lease for scripts, and what one has to know of it.
func LeaseJSON(w io.Writer, v LeaseView, doorways []respond.Doorway, notes, talk []i18n.Message) error {
	return writeJSON(w, struct {
		Schema   int               `json:"schema"`
		Lease    LeaseView         `json:"lease"`
		Doorways []respond.Doorway `json:"doorways"`
		Notes    []i18n.Message    `json:"notes"`
		Swept    []i18n.Message    `json:"swept"`
	}{fact.SchemaVersion, v, list(doorways), list(notes), list(talk)})
}
