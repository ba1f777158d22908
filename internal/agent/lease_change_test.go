package agent

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"demine/internal/host/fixture"
	"demine/internal/lease"
	"demine/internal/respond"
)

// What waits already is not asked for once more by the same account.
func TestWaits(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ask := lease.Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{guest, stranger}}
	request := lease.Lease{ID: "L-7Q2KD", Ask: ask, State: lease.Requested, Opened: now, By: lease.Person{Account: "ops"}}
	for name, tt := range map[string]struct {
		change func(le *lease.Lease)
		want   string
	}{
		"the same":               {func(*lease.Lease) {}, "refuse.lease.waits"},
		"for longer":             {func(le *lease.Lease) { le.For, le.Why = time.Hour, "z" }, "refuse.lease.waits"},
		"another account's":      {func(le *lease.Lease) { le.By.Account = "dev" }, ""},
		"another port":           {func(le *lease.Lease) { le.Port = 6381 }, ""},
		"another protocol":       {func(le *lease.Lease) { le.Proto = "udp" }, ""},
		"other sources":          {func(le *lease.Lease) { le.From = le.From[:1] }, ""},
		"open":                   {func(le *lease.Lease) { le.State = lease.Open }, ""},
		"too old to be approved": {func(le *lease.Lease) { le.Opened = now.Add(-longestRequest - 1) }, ""},
	} {
		le := request
		tt.change(&le)
		d := desk{list: []lease.Lease{le}, now: lease.Clock{Wall: now}}
		var r *respond.Refusal
		err := d.waits(&ask, lease.Person{Account: "ops"})
		if tt.want == "" && err != nil || tt.want != "" && (!errors.As(err, &r) || r.ID != tt.want || r.Args["id"] != le.ID) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// Flows that the kernel cannot end are refused by a plan and to whoever asks, and
// not only when it is approved.
func TestUncuttable(t *testing.T) {
	l, f, _ := office(t)
	base, err := os.ReadFile("../../rules/base.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if l.h, err = fixture.Parse(slices.Concat(base, (&opened{}).host())); err != nil {
		t.Fatal(err)
	}
	q := LeaseAsk{DryRun: true, Ask: lease.Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{guest}, For: time.Hour, Who: "w", Why: "y", Cut: true}}
	for name, do := range map[string]func() (LeaseAnswer, error){
		"dry run": func() (LeaseAnswer, error) { return l.Open(t.Context(), q) },
		"request": func() (LeaseAnswer, error) { return l.Request(t.Context(), q) },
	} {
		f.uncuttable = respond.Refuse("refuse.lease.cut", "error", "EOPNOTSUPP")
		if out, err := do(); !errors.Is(err, f.uncuttable) || out.Lease != nil {
			t.Errorf("%s: %+v, %v", name, out.Lease, err)
		}
		if ls, err := l.List(t.Context()); err != nil || len(ls.Leases) > 0 {
			t.Errorf("%s: kept %+v, %v", name, ls.Leases, err)
		}
		f.uncuttable = nil
		if _, err := do(); err != nil {
			t.Errorf("%s where it can: %v", name, err)
		}
		saveLeases(t, l)
	}
}
