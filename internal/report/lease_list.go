package report

import (
	"errors"
	"fmt"
	"io"
	"time"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/lease"
	"demine/internal/relate"
	"demine/internal/respond"
)

// LeaseList is what is open and requested.
type LeaseList struct {
	Leases []lease.Lease
	Clock  lease.Clock
	Shut   map[string]bool // open ones that let nobody in, by name
	Kept   bool            // a keeper runs
	Used   map[string]int  // connections now, by lease; nil: that cannot be told
	Unused error           // why
	Saved  []relate.LeaseFile
	Swept  []i18n.Message // what was found to be other than the records say
}

// Leases writes what is open and requested, as a table.
func Leases(w io.Writer, l *LeaseList, o Options) error {
	p := newChangePrinter(o)
	if len(l.Leases) == 0 {
		p.hang("", p.say("lease.none"), 0)
	} else {
		p.leaseTable(l)
	}
	if l.open() && !l.Kept {
		p.blank()
		p.hang("", p.say("lease.no-keeper"), 0)
	}
	if l.Unused != nil {
		p.blank()
		p.hang("", p.say("lease.unused", "why", unusedWhy(l.Unused)), 0)
	}
	for _, f := range l.Saved {
		p.blank()
		p.hangPainted(p.fold("● "), yellow, p.say("lease.saved", "file", f.Path), 0)
		p.command(takeOut(f))
	}
	return p.flush(w)
}

func (l *LeaseList) open() bool {
	for i := range l.Leases {
		if l.Leases[i].State == lease.Open {
			return true
		}
	}
	return false
}

func (p *printer) leaseTable(l *LeaseList) {
	head := []string{}
	for _, c := range []string{"id", "port", "left", "used", "from", "who", "why"} {
		head = append(head, p.say("lease.col."+c))
	}
	rows := [][]string{head}
	for i := range l.Leases {
		le := &l.Leases[i]
		left, used := p.say("lease.col.waits"), ""
		if le.State == lease.Open {
			left, used = p.leaseLeft(le, l), "?"
			if l.Used != nil {
				used = fmt.Sprint(l.Used[le.ID])
			}
		}
		rows = append(rows, []string{le.ID, fmt.Sprintf("%d/%s", le.Port, le.Proto), left, used,
			p.say("lease.from", "l", sources(le.From)), p.host(le.Who), p.host(le.Why)})
	}
	p.table(0, leaseLimits(rows, p.max), rows)
}

// leaseLimits are those of the columns: sources, owner and reason share what the
// others leave of the line, and are cut only where it is not enough for them.
func leaseLimits(rows [][]string, line int) []int {
	const from, who, why = 4, 5, 6
	need := needed(rows)
	room := line - 2*(len(need)-1)
	for _, n := range need[:from] {
		room -= n
	}
	room = max(room, 24) // where the line is too short for anything
	need[who] = min(need[who], max(room/3, room-need[from]-need[why]))
	need[from] = min(need[from], max(min(room/2, room-need[who]-8), room-need[who]-need[why]))
	return need
}

// leaseLeft is the time that is left to a lease, or why it does not matter.
func (p *printer) leaseLeft(le *lease.Lease, l *LeaseList) string {
	switch {
	case le.Over(l.Clock) != "":
		return p.say("lease.col.closing")
	case l.Shut[le.ID]:
		return p.say("lease.col.shut")
	}
	return p.say("lease.left", "d", le.Left(l.Clock.Boot))
}

// takeOut is the line that takes the leases out of a file, in the form in which
// nft and iptables-save write them.
func takeOut(f relate.LeaseFile) string {
	if f.Backend == "nft" {
		return "sed -i '/^table inet " + relate.LeaseTable + " {/,/^}/d' " + f.Path.String()
	}
	return "sed -i '/" + relate.LeaseChain + "/d' " + f.Path.String()
}

// unusedWhy says why connections cannot be counted.
func unusedWhy(err error) any {
	if errors.Is(err, respond.ErrUnavailable) {
		return i18n.M("lease.unused.nothing")
	}
	return err.Error()
}

// LeasesJSON writes leases and requests for scripts.
func LeasesJSON(w io.Writer, l *LeaseList) error {
	views := []LeaseView{}
	for i := range l.Leases {
		views = append(views, l.view(&l.Leases[i]))
	}
	type saved struct {
		File    fact.Path `json:"file"`
		TakeOut string    `json:"take_out"` // the line to type
	}
	files, unused := []saved{}, ""
	for _, f := range l.Saved {
		files = append(files, saved{f.Path, takeOut(f)})
	}
	if l.Unused != nil {
		unused = l.Unused.Error()
	}
	return writeJSON(w, struct {
		Schema int            `json:"schema"`
		Leases []LeaseView    `json:"leases"`
		Unused string         `json:"connections_unknown,omitempty"` // why they are not counted
		Kept   bool           `json:"kept"`
		Saved  []saved        `json:"saved"`
		Swept  []i18n.Message `json:"swept"`
	}{fact.SchemaVersion, views, unused, l.Kept, files, list(l.Swept)})
}

// view is one of the list for scripts.
func (l *LeaseList) view(le *lease.Lease) LeaseView {
	v := NewLeaseView(le, leftOf(le, l.Clock))
	v.NotInForce, v.Closing = l.Shut[le.ID], le.State == lease.Open && le.Over(l.Clock) != ""
	if n := l.Used[le.ID]; l.Used != nil && le.State == lease.Open {
		v.Connections = &n
	}
	return v
}

func leftOf(l *lease.Lease, now lease.Clock) time.Duration {
	if l.State != lease.Open {
		return 0
	}
	return l.Left(now.Boot)
}
