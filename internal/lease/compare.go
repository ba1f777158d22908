package lease

import (
	"maps"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/respond"
)

// What a trail that is whole in itself may lack: its last lines, or all.
const (
	GapGone   = "gone"       // there is no trail, and there were leases
	GapCut    = "cut"        // a line that the list knows of
	GapRecord = "record"     // a lease of the list of which it has no word
	GapUntil  = "until"      // one that ends at a time of which it has no word
	GapTable  = "table"      // an opening in the packet filter of which it has no word
	GapOpen   = "unrecorded" // a lease that is open by its last word, and that the list does not have
	GapLog    = "log"        // lines of it that the system log has
)

// Gap is something of which a trail should tell, and does not.
type Gap struct {
	Kind  string `json:"kind"`
	ID    string `json:"id,omitempty"`    // of the lease
	Lines int    `json:"lines,omitempty"` // of GapLog: how many
	Where string `json:"where,omitempty"` // of GapLog: the newest of them, and where it stands
}

// Logged is a line of the system log about a trail: the sum of the trail's line,
// and where it stands.
type Logged struct{ Sum, Where string }

// TrailCheck is what the verification of a trail found.
type TrailCheck struct {
	Trails []Trail    `json:"trails"`
	Gaps   []Gap      `json:"gaps,omitempty"`
	Logged int        `json:"logged"`                  // lines that the system log has of it
	InLog  bool       `json:"in_log"`                  // its last line is one of them
	Unread []fact.Gap `json:"unread,omitempty"`        // logs that could not be read whole
	Blind  bool       `json:"filter_unread,omitempty"` // the packet filter could not be read to compare with
}

// Good reports whether nothing speaks against the trail.
func (c *TrailCheck) Good() bool {
	return len(c.Gaps) == 0 && !slices.ContainsFunc(c.Trails, func(t Trail) bool { return t.Broken > 0 })
}

// Told is what a trail has told.
type Told struct {
	sums  map[string]bool // of its lines
	known map[string]bool // leases of which it has a word
	open  map[string]bool // those that are open by its last word
	over  map[string]bool // those that were closed or withdrawn, or ended
	until map[string][]time.Time
}

// NewTold is that of a trail of which nothing was read yet.
func NewTold() *Told {
	none := func() map[string]bool { return map[string]bool{} }
	return &Told{none(), none(), none(), none(), map[string][]time.Time{}}
}

// Add takes an event of a trail, as Verify tells it.
func (t *Told) Add(e Event) {
	t.sums[e.Sum] = true
	t.known[e.ID] = true
	if e.Lease != nil && !e.Lease.Until.IsZero() {
		t.until[e.ID] = append(t.until[e.ID], e.Lease.Until)
	}
	switch e.Kind {
	case DidOpen:
		if !t.over[e.ID] { // of two trails the one that is read first may have the end
			t.open[e.ID] = true
		}
	case DidClose, DidEnd, DidRefuse:
		delete(t.open, e.ID)
		t.over[e.ID] = true
	case DidSpoil:
		clear(t.open)
	}
}

// Over reports whether a lease or request is over by what trails told.
func (t *Told) Over(id string) bool { return t.over[id] }

// Records is the list of leases and requests.
type Records struct {
	Leases []Lease
	Ever   bool   // there is one, if only an empty one
	Told   string // sum of a line of the trail that was told when it was written; empty: none is known
}

// Compare says what trails do not tell of the list, of what is in force, and of
// what the system log has. What is not proved counts as told: that a trail is
// broken is said anyway. Of one that was not read whole nothing is said.
func (t *Told) Compare(trails []Trail, rec Records, in respond.Admitted, logged []Logged) TrailCheck {
	c := TrailCheck{Trails: trails, Logged: len(logged)}
	none := true
	for _, x := range trails {
		if x.Rest {
			return c
		}
		none = none && x.Last == ""
		c.InLog = c.InLog || slices.ContainsFunc(logged, func(l Logged) bool { return l.Sum == x.Last })
	}
	switch {
	case none && (rec.Ever || in.Mark != 0 || len(logged) > 0):
		c.Gaps = []Gap{{Kind: GapGone}}
	case !none:
		if rec.Told != "" && !t.sums[rec.Told] {
			c.Gaps = append(c.Gaps, Gap{Kind: GapCut})
		}
		c.Gaps = append(c.Gaps, t.listed(rec.Leases)...)
		c.Gaps = append(c.Gaps, t.inForce(in, rec.Leases)...)
	}
	c.Gaps = append(c.Gaps, t.inLog(logged)...)
	return c
}

// listed compares with the list of leases and requests.
func (t *Told) listed(ls []Lease) (out []Gap) {
	open := maps.Clone(t.open)
	for i := range ls {
		l := &ls[i]
		delete(open, l.ID)
		switch {
		case !t.known[l.ID]:
			out = append(out, Gap{Kind: GapRecord, ID: l.ID})
		case l.State == Open && !slices.ContainsFunc(t.until[l.ID], l.Until.Equal):
			out = append(out, Gap{Kind: GapUntil, ID: l.ID})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(open)) {
		out = append(out, Gap{Kind: GapOpen, ID: id})
	}
	return out
}

// inForce compares with the packet filter. What the list has too was told there.
func (t *Told) inForce(in respond.Admitted, ls []Lease) (out []Gap) {
	for _, a := range in.Admissions {
		g := Gap{Kind: GapTable, ID: a.Lease}
		listed := slices.ContainsFunc(ls, func(l Lease) bool { return l.ID == a.Lease })
		if !t.known[a.Lease] && !listed && !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

// inLog compares with the system log.
func (t *Told) inLog(logged []Logged) []Gap {
	g := Gap{Kind: GapLog}
	for _, l := range logged {
		if !t.sums[l.Sum] {
			g.Lines, g.Where = g.Lines+1, l.Where
		}
	}
	if g.Lines == 0 {
		return nil
	}
	return []Gap{g}
}
