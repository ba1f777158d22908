package agent

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host/fixture"
	"demine/internal/i18n"
	"demine/internal/lease"
	"demine/internal/respond"
)

// What was told the system log is known again there, and nothing else is taken
// for it: lines about another trail, of another program, or cut off.
func TestTrailInLog(t *testing.T) {
	sum := func(c string) string { return strings.Repeat(c, 64) }
	e := &lease.Event{Kind: lease.DidOpen, ID: "L-7Q2KD", Lease: &lease.Lease{Ask: lease.Ask{Who: `a "b" trail=x`, Why: "y"}}}
	log := func(program, line string) string { return "Nov 22 19:00:01 shop " + program + ": " + line + "\n" }
	text := log("demine[700]", logLine(e, sum("a"), "/var/lib/demine")) + log("demine[700]", logLine(e, sum("a"), "/var/lib/demine")) +
		log("demine[701]", logLine(e, sum("b"), "/srv/state")) + log("other[1]", logLine(e, sum("c"), "/var/lib/demine")) +
		log("demine[701]", logLine(e, sum("d"), "/var/lib/demine")[:60]) + log("demine[702]", logLine(e, sum("e"), "/var/lib/demine"))
	h, err := fixture.Parse(fmt.Appendf(nil, "-- kernel/identity --\nname=shop uid=0 self=1\n-- /var/log/secure --\n%s", text))
	if err != nil {
		t.Fatal(err)
	}
	l, _, _ := office(t)
	l.h, l.settings.State = h, ""
	got, unread := l.logged(t.Context())
	if len(got) != 2 || got[0] != (lease.Logged{Sum: sum("a"), Where: "/var/log/secure:1"}) || got[1].Sum != sum("e") || len(unread) > 0 {
		t.Errorf("%+v, not read: %+v", got, unread)
	}
}

// A log that cuts off long lines keeps all but what people typed.
func TestLogLineTexts(t *testing.T) {
	e := &lease.Event{Kind: lease.DidOpen, ID: "L-7Q2KD", By: &lease.Person{Account: "ops", Operator: respond.Operator{Peer: "203.0.113.7"}},
		Lease: &lease.Lease{Ask: lease.Ask{Proto: "tcp", Port: 6380, Who: strings.Repeat("订", lease.MaxText), Why: "y"}}}
	head, _, typed := strings.Cut(logLine(e, "", ""), " who=")
	if !typed || !strings.Contains(head, ` id=L-7Q2KD by="ops" peer=203.0.113.7 port=6380/tcp`) {
		t.Error(head)
	}
}

// A trail is told also where the packet filter cannot be read, and that it was not
// compared with that.
func TestTrailBesideUnreadFilter(t *testing.T) {
	l, f, _ := office(t)
	le := give(t, l, f)
	if _, _, err := l.Extend(t.Context(), le.ID, time.Hour, false); err != nil {
		t.Fatal(err)
	}
	f.unread = errors.New("busy")
	told := 0
	c, err := l.Trail(t.Context(), func(lease.Event) { told++ })
	if !errors.Is(err, f.unread) || !c.Blind || len(c.Trails) != 1 || c.Trails[0].Lines != told || told == 0 {
		t.Errorf("%d events, %+v, %v", told, c, err)
	}
	f.unread = nil
	if c, err = l.Trail(t.Context(), func(lease.Event) {}); err != nil || c.Blind {
		t.Errorf("read: %+v, %v", c, err)
	}
}

// Who changes a lease is told when that is written down in memory alone, and why.
func TestVolatileTold(t *testing.T) {
	l, f, _ := office(t)
	le := give(t, l, f)
	if _, s, err := l.Extend(t.Context(), le.ID, time.Minute, false); err != nil || s.Volatile.ID != "" {
		t.Errorf("on the disk: %+v, %v", s.Volatile, err)
	}
	readOnly(t, l.settings.State)
	trail := fact.Path(filepath.Join(l.run, "leases", "trail"))
	want := i18n.M("lease.store.read-only", "dir", l.settings.State, "trail", trail)
	_, s, err := l.Extend(t.Context(), le.ID, time.Minute, false)
	if diff := cmp.Diff(want, s.Volatile); diff != "" || err != nil {
		t.Errorf("extended: %v\n%s", err, diff)
	}
	_, s, err = l.Close(t.Context(), le.ID, false)
	if diff := cmp.Diff(want, s.Volatile); diff != "" || err != nil {
		t.Errorf("closed: %v\n%s", err, diff)
	}
	c, err := l.Trail(t.Context(), func(lease.Event) {})
	if err != nil || len(c.Trails) != 2 || c.Trails[1].Path != trail || !c.Trails[1].Memory || !c.Good() {
		t.Errorf("%+v, %v", c, err)
	}
}
