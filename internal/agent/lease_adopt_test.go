package agent

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"demine/internal/host/fixture"
	"demine/internal/lease"
	"demine/internal/relate"
	"demine/internal/respond"
)

// A lease in place of a rule is planned as if that were gone: what will refuse it
// then does so before, and nothing is changed.
func TestAdoptable(t *testing.T) {
	base, err := os.ReadFile("../../rules/base.txtar")
	if err != nil {
		t.Fatal(err)
	}
	const rule = "-A INPUT -s 203.0.113.7/32 -p tcp -m tcp --dport 6380 -j ACCEPT"
	for _, tt := range []struct{ name, rules, listens, want string }{
		{"nothing in the way", rule, "", ""},
		{"it stands there twice", rule + "\n" + rule, "", ""},
		{"open by another rule", rule + "\n-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT", "", "refuse.lease.open-already"},
		{"banned behind it", rule + "\n-A INPUT -s 203.0.113.7/32 -j DROP", "", "refuse.lease.banned"},
		{"no password", rule, "redis-server tcp:0.0.0.0:6380", "refuse.lease.no-password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, f, _ := office(t)
			o := opened{rules: tt.rules, listens: tt.listens, more: "-- /proc/700/cmdline enc=go --\nredis-server\\x00/etc/redis.conf\\x00\n" +
				"-- /etc/redis.conf --\nport 6380\nbind 0.0.0.0\nprotected-mode no\n"}
			if l.h, err = fixture.Parse(append(bytes.Clone(base), o.host()...)); err != nil {
				t.Fatal(err)
			}
			q := LeaseAsk{DryRun: true, Ask: lease.Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{guest}, For: time.Hour, Who: "w", Why: "y"}}
			rules := relate.New(l.see(t.Context(), nil, true).snap).OpenRules()
			i := slices.IndexFunc(rules, func(o relate.OpenRule) bool { return o.Text == rule })
			q.without = &rules[i]
			out, err := l.Open(t.Context(), q)
			var r *respond.Refusal
			id := ""
			if errors.As(err, &r) {
				id = r.ID
			}
			if id != tt.want || tt.want == "" && (err != nil || len(out.Plan.Doorways) != 1) {
				t.Errorf("%v, plan %+v", err, out.Plan)
			}
			if out.Lease != nil || len(f.held) > 0 {
				t.Errorf("opened: %+v", out.Lease)
			}
		})
	}
}

// A step that is confirmed at once is told as done; what undoes itself otherwise is
// not changed for others.
func TestStaying(t *testing.T) {
	was := &respond.Outcome{State: respond.Done, Until: time.Unix(1795260000, 0)}
	var got Event
	staying(func(e Event) { got = e })(Event{Kind: "step", Step: &respond.Progress{N: 1, Outcome: was}})
	if got.Step.N != 1 || got.Step.Outcome.State != respond.Done || !got.Step.Outcome.Until.IsZero() || was.Until.IsZero() {
		t.Errorf("%+v, was %+v", got.Step.Outcome, was)
	}
}
