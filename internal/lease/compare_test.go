package lease

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/respond"
)

// A trail whose end was cut off is whole in itself: what is in force, the list
// and the system log tell of what it does not.
func TestCompare(t *testing.T) {
	end := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	a := Lease{ID: "L-22222", State: Open, Until: end}
	b := Lease{ID: "L-33333", State: Open, Until: end}
	longer := a
	longer.Until = end.Add(time.Hour)
	asked := Lease{ID: "L-44444", State: Requested}
	full := []Event{{Kind: DidAsk, ID: asked.ID, Lease: &asked}, {Kind: Intend, Doing: DidOpen, ID: a.ID, Lease: &a}, {Kind: DidOpen, ID: a.ID, Lease: &a},
		{Kind: DidOpen, ID: b.ID, Lease: &b}, {Kind: Intend, Doing: DidExtend, ID: a.ID, Lease: &longer}, {Kind: DidExtend, ID: a.ID, Lease: &longer},
		{Kind: Intend, Doing: DidClose, ID: b.ID}, {Kind: DidClose, ID: b.ID, Lease: &b}}
	line := func(n int) string { return strings.Repeat("0", 63) + string(rune('0'+n)) }
	for i := range full {
		full[i].N, full[i].Sum = i+1, line(i+1)
		if i > 0 {
			full[i].Prev = line(i)
		}
	}
	now := []Lease{asked, longer}
	in := respond.Admitted{Mark: 1, Admissions: []respond.Admission{{Lease: a.ID}}}
	var logged []Logged
	for i := range full {
		logged = append(logged, Logged{line(i + 1), "auth.log"})
	}
	for _, tt := range []struct {
		name   string
		lines  int
		list   []Lease
		in     respond.Admitted
		logged []Logged
		told   string // of the list
		want   string
	}{
		{"whole", 8, now, in, logged, "", ""},
		{"nothing in the log", 8, now, in, nil, "", ""},
		{"an end was cut off", 6, now, in, nil, "", "unrecorded L-33333"},
		{"an extension, and an end", 4, now, in, nil, "", "until L-22222; unrecorded L-33333"},
		{"all of an opening", 1, now, in, nil, "", "record L-22222"},
		{"it was intended, and demine was killed", 2, []Lease{asked, a}, in, nil, "", ""},
		{"what the list does not have either", 1, now[:1], in, nil, "", "table L-22222"},
		{"by the log alone", 7, now, in, logged, "", "unrecorded L-33333; log "},
		{"the list knows a line of it", 8, now, in, nil, line(7), ""},
		{"one that it does not have", 5, now, in, nil, line(6), "cut ; unrecorded L-33333"},
		{"begun anew", 4, []Lease{b}, respond.Admitted{}, nil, strings.Repeat("f", 64), "cut ; unrecorded L-22222"},
		{"gone", 0, now, in, logged, "", "gone ; log "},
		{"gone, and nothing is left but the table", 0, nil, in, nil, "", "gone "},
		{"gone, and all else too", 0, nil, respond.Admitted{}, logged, "", "gone ; log "},
		{"never any", 0, nil, respond.Admitted{}, nil, "", ""},
	} {
		told, trails := NewTold(), []Trail(nil)
		for _, e := range full[:tt.lines] {
			told.Add(e)
		}
		if tt.lines > 0 {
			trails = []Trail{{Lines: tt.lines, Last: line(tt.lines)}}
		}
		c := told.Compare(trails, Records{tt.list, len(tt.list) > 0, tt.told}, tt.in, tt.logged)
		var got []string
		for _, g := range c.Gaps {
			got = append(got, g.Kind+" "+g.ID)
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, "; ")); diff != "" || c.Good() != (tt.want == "") {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if c.InLog != (tt.lines > 0 && tt.logged != nil) {
			t.Errorf("%s: the last line is in the log: %t", tt.name, c.InLog)
		}
	}
}

// A break of the chain is no reason to be silent of what the trail lacks beside
// that; what is told behind the break is told.
func TestCompareBroken(t *testing.T) {
	le := Lease{ID: "L-22222", State: Open, Until: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	in := respond.Admitted{Mark: 1, Admissions: []respond.Admission{{Lease: le.ID}}}
	for _, tt := range []struct {
		event Event
		want  []Gap
	}{
		{Event{N: 3, Kind: DidOpen, ID: le.ID, Lease: &le, Sum: "b", Unproved: true}, nil},
		{Event{N: 3, Kind: DidOpen, ID: le.ID, Lease: &le, Sum: "c", Prev: "b", Unproved: true}, []Gap{{Kind: GapCut}, {Kind: GapLog, Lines: 1, Where: "auth.log:7"}}},
		{Event{N: 3, Kind: DidOpen, ID: "L-33333", Lease: &le, Sum: "b", Unproved: true}, []Gap{{Kind: GapRecord, ID: le.ID}, {Kind: GapOpen, ID: "L-33333"}}},
	} {
		told := NewTold()
		told.Add(tt.event)
		c := told.Compare([]Trail{{Broken: 2, Last: "garbage"}}, Records{[]Lease{le}, true, "b"}, in, []Logged{{Sum: "b", Where: "auth.log:7"}})
		if diff := cmp.Diff(tt.want, c.Gaps); diff != "" || c.Good() || c.InLog {
			t.Errorf("%+v\n%s", c, diff)
		}
	}
}

// What was opened while the disk was full is told by the trail in memory, which is
// read last, also when its end is in that of the disk.
func TestCompareTwoTrails(t *testing.T) {
	le := Lease{ID: "L-22222", State: Open}
	told := NewTold()
	told.Add(Event{N: 1, Kind: DidClose, ID: le.ID, Lease: &le})
	told.Add(Event{N: 1, Kind: DidOpen, ID: le.ID, Lease: &le})
	told.Add(Event{N: 2, Kind: Intend, Doing: DidClose, ID: "L-33333"})
	if c := told.Compare([]Trail{{Lines: 1, Last: "a"}, {Lines: 2, Last: "b"}}, Records{Ever: true}, respond.Admitted{}, nil); !c.Good() {
		t.Errorf("%+v", c)
	}
	if !told.Over(le.ID) || told.Over("L-33333") {
		t.Error("over is what was closed, and not what was about to be")
	}
}

// Of a trail that was not read to its end nothing can be said to be missing.
func TestCompareRest(t *testing.T) {
	rec := Records{Leases: []Lease{{ID: "L-22222", State: Open}}, Ever: true, Told: strings.Repeat("f", 64)}
	c := NewTold().Compare([]Trail{{Lines: 1, Broken: 2, Rest: true}}, rec, respond.Admitted{Mark: 1}, []Logged{{"a", "auth.log"}})
	if len(c.Gaps) > 0 || c.Good() {
		t.Errorf("%+v", c)
	}
}
