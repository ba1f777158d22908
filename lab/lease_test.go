//go:build lab

package lab

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// leased is what demine says of a lease.
type leased struct {
	ID, State string
	Until     time.Time
}

// TestLease: behind each packet filter, with the daemon or the tool that owners run it by, a lease lets in whom it names,
// and nobody else, until its end: also with demine dead, after a reload, and after a boot. The table in docs/results tells
// the same (-update writes it).
func TestLease(t *testing.T) {
	bin := product(t)
	stories := make([]*story, len(walls))
	var done sync.WaitGroup
	atOnce := make(chan struct{}, 3) // more than there are CPUs: most of the time is waiting for an end
	for i, w := range walls {
		done.Go(func() {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			t.Run(w.name, func(t *testing.T) {
				stories[i] = &story{wall: w}
				stories[i].tell(t, behind(t, w, bin))
				stories[i].right = !t.Failed()
			})
		})
	}
	done.Wait()
	tellLeases(t, slices.DeleteFunc(stories, func(s *story) bool { return s == nil }))
}

// story is what came of the leases behind one filter.
type story struct {
	wall   wall
	right  bool
	ends   []time.Duration // when the last came in with demine dead, from the end of the lease on
	opened int             // of the runs that were cut off, those that had opened
	back   time.Duration   // from the reload on, when somebody came in again; 0: there was no time at which nobody did
	booted string
}

func (s *story) tell(t *testing.T, h *Host) {
	t.Cleanup(func() {
		if t.Failed() {
			r, _ := h.capture(context.Background(), h.Inside, nil, []string{"sh", "-c",
				"iptables-save; ip6tables-save; nft list ruleset 2>/dev/null | head -300; /root/demine lease ls; /root/demine lease log; pgrep -ax demine"})
			t.Log(r.Stdout, r.Stderr)
		}
	})
	everybody := slices.Concat(tenant, stranger)
	others := callers(everybody, 22, 8080, 6380, 3306, 9)
	before := outcomes(t, h, others)
	allAre(t, h, "before", false, callers(everybody, leasedPorts...))
	for _, part := range []func(*testing.T, *Host){s.killed, s.reloaded, s.closed, s.rebooted} {
		if part(t, h); t.Failed() {
			return
		}
	}
	demineIn(t, h, 0, "lease", "log") // the trail is whole, though its writers were killed
	if after := outcomes(t, h, others); !maps.Equal(before, after) {
		t.Errorf("other ports were %v, are %v", before, after)
	}
}

func openArgs(port int, more ...string) []string {
	return append([]string{"lease", "open", fmt.Sprintf("%d/tcp", port), "--from", strings.Join(tenant, ","),
		"--who", "order-team", "--why", "the vendor looks at order 1172"}, more...)
}

// lease opens a port to the tenant, and to nobody else.
func lease(t *testing.T, h *Host, port int, more ...string) leased {
	t.Helper()
	l := newLease(t, demineIn(t, h, 0, openArgs(port, append(more, "--json")...)...).Stdout)
	allAre(t, h, "leased", true, callers(tenant, port))
	allAre(t, h, "leased", false, callers(stranger, port))
	return l
}

func newLease(t *testing.T, text string) leased {
	t.Helper()
	var new struct{ Lease leased }
	if parse(t, text, &new); new.Lease.ID == "" || new.Lease.State != "open" || new.Lease.Until.IsZero() {
		t.Fatalf("opened: %s", text)
	}
	return new.Lease
}

// killed: demine and its keeper are killed, some runs in the middle, and what they opened ends all the same.
func (s *story) killed(t *testing.T, h *Host) {
	ports, latest := s.cutOff(t, h)
	lease(t, h, 6397, "--for", "20s")
	lease(t, h, 6398, "--for", "20s", "--drop-established")
	stays, goes := holdAt(t, h, 6397), holdAt(t, h, 6398)
	l := lease(t, h, 6399, "--for", "20s")
	killAll(t, h)
	var eyes []*eye
	for _, from := range tenant {
		eyes = append(eyes, watch(t, h, caller{from, 6399}, l.Until.Add(3*time.Second)))
	}
	for _, e := range eyes {
		s.ends = append(s.ends, checkEnd(t, e.caller, e.tries(t), l.Until))
	}
	time.Sleep(time.Until(latest.Add(time.Second)))
	allAre(t, h, "ended with demine dead", false, callers(tenant, append(ports, leasedPorts...)...))
	answers(t, stays, true, "the lease has ended")
	answers(t, goes, false, "the lease has ended, with --drop-established")
	if now := inForce(t, h, l.ID); now.ID != "" {
		t.Errorf("ended, and still listed: %+v", now)
	}
}

// cutRuns is how often `lease open` is killed, each time a little later than before.
const cutRuns = 30

// cutOff kills demine while it opens: at once, when it would be done, and between. It gives the ports, and when none of
// them may be open any more.
func (s *story) cutOff(t *testing.T, h *Host) (ports []int, latest time.Time) {
	t.Helper()
	const long = 15 * time.Second
	run := func(port int) string {
		return "/root/demine '" + strings.Join(openArgs(port, "--for", long.String()), "' '") + "' >/dev/null 2>&1"
	}
	ports = append(ports, 7000)
	took, err := strconv.Atoi(inside(t, h, "began=$(date +%s%N); "+run(7000)+"; echo $(($(date +%s%N) - began))"))
	if err != nil {
		t.Fatal(err)
	}
	script := ""
	for i := range cutRuns {
		ports = append(ports, 7001+i)
		after := time.Duration(took * (i + 1) / (cutRuns - 5)) // the last ones are done before
		script += fmt.Sprintf("timeout -s KILL %.3f %s || true\n", after.Seconds(), run(7001+i))
	}
	inside(t, h, script)
	latest = time.Now().Add(long)
	for _, how := range outcomes(t, h, callers(tenant[:1], ports[1:]...)) {
		if passed(how) {
			s.opened++
		}
	}
	return ports, latest
}

// killAll ends every demine in the host, and first its units, which would start it again.
func killAll(t *testing.T, h *Host) {
	t.Helper()
	inside(t, h, `for u in $(systemctl list-units --plain --no-legend --all 'demine*' | cut -d' ' -f1); do
systemctl kill -s KILL $u || true; systemctl stop $u; done
pkill -KILL -x demine || true`)
	if left := inside(t, h, "pgrep -ax demine || true"); left != "" {
		t.Errorf("killed, and there is %s", left)
	}
}

// reloaded: the keeper is killed, and systemd starts it again; the owner loads the filter anew, and the keeper puts back what
// is left of the lease, which ends as it would have.
func (s *story) reloaded(t *testing.T, h *Host) {
	l := lease(t, h, 6399, "--for", "25s")
	held := holdAt(t, h, 6399)
	e := watch(t, h, caller{DeveloperV4, 6399}, l.Until.Add(3*time.Second))
	inside(t, h, "pkill -KILL -x demine")
	began := time.Now()
	inside(t, h, s.wall.reload)
	inside(t, h, s.wall.holds)
	if now := inForce(t, h, l.ID); now.State != "open" || !now.Until.Equal(l.Until) {
		t.Errorf("reloaded: %+v, was %+v", now, l)
	}
	if !s.wall.renews {
		answers(t, held, true, "reloaded")
	}
	all := e.tries(t)
	s.back = backAfter(all, began, l.Until)
	checkEnd(t, e.caller, slices.DeleteFunc(all, func(x try) bool { return x.Began.Before(began.Add(s.back)) }), l.Until)
	allAre(t, h, "reloaded and ended", false, callers(slices.Concat(tenant, stranger), 6399))
}

// backAfter is how long after a time, and before an end, somebody was let in at once again, if somebody was not.
func backAfter(tries []try, began, end time.Time) (back time.Duration) {
	shut := false
	for _, x := range tries {
		switch {
		case x.Began.Before(began) || x.Began.After(end.Add(-2*time.Second)):
		case x.How != "open" || x.Ended.Sub(x.Began) > 500*time.Millisecond: // TCP asks again after a second
			back, shut = x.Ended.Sub(began), true
		case shut:
			back, shut = x.Began.Sub(began), false
		}
	}
	return back
}

// closed: extended, it ends later; closed, at once, and with the connections only if that was asked for.
func (s *story) closed(t *testing.T, h *Host) {
	l := lease(t, h, 6399, "--for", "5m")
	held := holdAt(t, h, 6399)
	demineIn(t, h, 0, "lease", "extend", l.ID, "1h")
	if now := inForce(t, h, l.ID); (now.Until.Sub(l.Until) - time.Hour).Abs() > time.Second {
		t.Errorf("extended by an hour: until %s, was %s", now.Until, l.Until)
	}
	demineIn(t, h, 0, "lease", "close", l.ID)
	allAre(t, h, "closed", false, callers(tenant, 6399))
	answers(t, held, true, "closed")
	l = lease(t, h, 6399, "--for", "5m")
	demineIn(t, h, 0, "lease", "close", l.ID, "--drop-established")
	answers(t, held, false, "closed with --drop-established")
	s.fromMe(t, h)
}

// fromMe: whoever is logged in over ssh need not know the own address.
func (s *story) fromMe(t *testing.T, h *Host) {
	office := callers([]string{OperatorV4}, 6399)
	allAre(t, h, "from me, before", false, office)
	r, err := h.Outside(t.Context(), sshArgs(OperatorV4, "owner", "root@"+HostV4,
		"/root/demine lease open 6399 --from me --for 5m --who order-team --why 'to look myself' --json")...)
	if err != nil || r.Exit != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	l := newLease(t, r.Stdout)
	allAre(t, h, "from me", true, office)
	allAre(t, h, "from me", false, callers(slices.Concat(tenant, stranger), 6399))
	demineIn(t, h, 0, "lease", "close", l.ID)
	allAre(t, h, "from me, closed", false, office)
}

// inForce is an open lease as `demine lease ls` has it; one that it does not have is empty.
func inForce(t *testing.T, h *Host, id string) leased {
	t.Helper()
	var all struct{ Leases []leased }
	parse(t, demineIn(t, h, 0, "lease", "ls", "--json").Stdout, &all)
	for _, l := range all.Leases {
		if l.ID == id {
			return l
		}
	}
	return leased{}
}

// rebooted: nothing is open, and the filter is in force, also when its owner saved it with the lease in it. What nft saves
// holds the elements as well: there the port may be open until the end of the lease, and not longer.
func (s *story) rebooted(t *testing.T, h *Host) {
	l := lease(t, h, 6399, "--for", "20s")
	inside(t, h, s.wall.saved)
	if err := h.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range leasedPorts {
		if err := h.listens(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	inside(t, h, s.wall.holds)
	s.booted = "closed"
	var eyes []*eye
	for k, how := range outcomes(t, h, callers(tenant, 6399)) {
		if passed(how) {
			eyes = append(eyes, watch(t, h, k, l.Until.Add(3*time.Second)))
		}
	}
	for _, e := range eyes {
		last := checkEnd(t, e.caller, e.tries(t), l.Until)
		if s.booted = fmt.Sprintf("closed at the lease's end (%+.1f s)", last.Seconds()); s.wall.kind != Nft {
			t.Errorf("%s: after the boot %s", e.caller, s.booted)
		}
	}
	allAre(t, h, "booted", false, callers(slices.Concat(tenant, stranger), 6399))
	if now := inForce(t, h, l.ID); now.ID != "" {
		t.Errorf("booted, and still listed: %+v", now)
	}
}
