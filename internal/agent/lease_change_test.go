package agent

import (
	"errors"
	"net/netip"
	"testing"
	"time"

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
