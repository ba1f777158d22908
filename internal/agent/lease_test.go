package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/host/fixture"
	"demine/internal/lease"
	"demine/internal/respond"
	"demine/internal/store"
)

// heldFilter is a packet filter in memory: what it is given ends by its clock,
// as in the kernel.
type heldFilter struct {
	respond.Filter
	now      *lease.Clock
	mark     uint32
	doorways []respond.RuleAt
	held     map[netip.Prefix]respond.Admission // its Left is when it ends
	cut      map[netip.Prefix]respond.Admission // whose flows are to be cut
	flows    map[netip.Prefix]bool              // established
	stuck    string                             // the lease that cannot be taken out
	uncut    string                             // the lease that can, but for its flows
	slow     time.Duration                      // how long a look takes
	blind    int                                // looks that see no element
	unread   error                              // why the host's own rules cannot be read

	uncuttable error // why the kernel ends no connections
}

func (f *heldFilter) Admit(_ context.Context, mark uint32, _ time.Time, doors []respond.Doorway, as []respond.Admission) error {
	f.mark = mark
	for _, d := range doors {
		f.doorways = append(f.doorways, d.At)
	}
	for _, a := range as {
		if a.Cut {
			f.cut[a.From] = a
		}
		a.Left += f.now.Boot
		f.held[a.From] = a
	}
	return nil
}

func (f *heldFilter) Dismiss(_ context.Context, as []respond.Admission) error {
	for _, a := range as {
		if a.Lease == f.stuck && a.Lease != "" {
			return errors.New("busy")
		}
		if o, there := f.held[a.From]; there && o.Lease != a.Lease {
			continue
		}
		delete(f.held, a.From)
		if a.Cut && a.Lease == f.uncut {
			f.cut[a.From] = a
			return errors.New("blocked, and still there")
		}
		delete(f.cut, a.From)
		if a.Cut {
			delete(f.flows, a.From)
		}
	}
	return nil
}

func (f *heldFilter) MayCut([]respond.Admission) error { return f.uncuttable }

func (f *heldFilter) Used(context.Context, []respond.Admission) (map[string]int, error) {
	return nil, respond.ErrUnavailable
}

func (f *heldFilter) Retire(context.Context) error {
	if f.unread != nil {
		return f.unread
	}
	f.mark, f.doorways, f.held = 0, nil, map[netip.Prefix]respond.Admission{}
	return nil
}

func (f *heldFilter) Admitted(context.Context) (respond.Admitted, error) {
	pass(f.now, f.slow)
	if f.unread != nil {
		return respond.Admitted{}, f.unread
	}
	in := respond.Admitted{Mark: f.mark, Doorways: f.doorways}
	if f.blind--; f.blind >= 0 {
		return in, nil
	}
	for _, a := range f.held {
		if a.Left -= f.now.Boot; a.Left > 0 {
			in.Admissions = append(in.Admissions, a)
		}
	}
	for _, a := range f.cut {
		in.Cut = append(in.Cut, a)
	}
	return in, nil
}

func newFilter(now *lease.Clock) *heldFilter {
	return &heldFilter{now: now, held: map[netip.Prefix]respond.Admission{}, cut: map[netip.Prefix]respond.Admission{}, flows: map[netip.Prefix]bool{}}
}

// office is a host with leases, its filter and its clock.
func office(t *testing.T) (*Leases, *heldFilter, *lease.Clock) {
	t.Helper()
	h, err := fixture.Parse([]byte("-- kernel/identity --\nname=shop uid=0 self=1\n"))
	if err != nil {
		t.Fatal(err)
	}
	now := &lease.Clock{Wall: h.Now(), Boot: time.Hour, ID: "b1"}
	f := newFilter(now)
	dir := t.TempDir()
	l := &Leases{h: h, log: slog.New(slog.DiscardHandler), filter: f, settings: Settings{State: filepath.Join(dir, "state")}}
	l.run = filepath.Join(dir, "run")
	l.clock = func() (lease.Clock, error) { return *now, nil }
	l.netNS = func() (string, error) { return "cookie-1", nil }
	l.startup = func(context.Context) error { return nil }
	return l, f, now
}

var (
	guest    = netip.MustParsePrefix("203.0.113.7/32")
	stranger = netip.MustParsePrefix("203.0.113.8/32")
	doorOf   = respond.RuleAt{Backend: "nft", Family: "inet", Table: "fw", Chain: "input", N: 1}
)

// give opens a lease for an hour without asking the engine, in force as it is
// recorded.
func give(t *testing.T, l *Leases, f *heldFilter) lease.Lease {
	t.Helper()
	le := lease.Begin("L-7Q2KD", lease.Ask{Proto: "tcp", Port: 6380, From: []netip.Prefix{guest}, For: time.Hour, Who: "w", Why: "y"}, *f.now)
	le.NetNS, le.Through = "cookie-1", lease.Chains([]respond.RuleAt{doorOf})
	d, err := l.desk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if err := d.st.SaveLeases([]lease.Lease{le}); err != nil {
		t.Fatal(err)
	}
	if err := f.Admit(t.Context(), 1, le.Until, []respond.Doorway{{At: doorOf}}, le.Admissions(time.Hour)); err != nil {
		t.Fatal(err)
	}
	return le
}

// Records and packet filter are brought together, and always towards closed.
func TestReconcile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		happen func(f *heldFilter, now *lease.Clock)
		over   string // why the lease is over; empty: it goes on
		gone   int
		event  string
	}{
		{"nothing", func(*heldFilter, *lease.Clock) {}, "", 0, ""},
		{"its time is over", func(_ *heldFilter, now *lease.Clock) { pass(now, time.Hour) }, lease.EndTime, 0, lease.DidEnd},
		{"the clock was set", func(_ *heldFilter, now *lease.Clock) { now.Wall = now.Wall.Add(-time.Minute) }, lease.EndClock, 0, lease.DidClose},
		{"a reboot", func(f *heldFilter, now *lease.Clock) {
			now.ID, now.Boot = "b2", time.Second
			_ = f.Retire(context.Background())
		}, lease.EndBoot, 0, lease.DidEnd},
		{"a reboot that loaded a saved ruleset", func(_ *heldFilter, now *lease.Clock) { now.ID = "b2" }, lease.EndBoot, 1, lease.DidSweep},
		{"an element without a lease", func(f *heldFilter, _ *lease.Clock) {
			f.held[stranger] = respond.Admission{Lease: "L-7Q2KD", Proto: "tcp", Port: 6380, From: stranger, Left: 100 * time.Hour}
		}, "", 1, lease.DidSweep},
		{"an element that was given more time", func(f *heldFilter, _ *lease.Clock) {
			a := f.held[guest]
			a.Left += time.Hour
			f.held[guest] = a
		}, "", 0, ""},
		{"a suspend, in which the kernel's timer stood still", func(f *heldFilter, now *lease.Clock) {
			pass(now, 10*time.Minute)
			a := f.held[guest]
			a.Left += 10 * time.Minute
			f.held[guest] = a
		}, "", 0, ""},
		{"a suspend beyond its end", func(f *heldFilter, now *lease.Clock) {
			pass(now, 2*time.Hour)
			a := f.held[guest]
			a.Left += 2 * time.Hour
			f.held[guest] = a
		}, lease.EndTime, 0, lease.DidEnd},
		{"a look that missed an element", func(f *heldFilter, _ *lease.Clock) { f.blind = 1 }, "", 0, ""},
		{"taken out by hand", func(f *heldFilter, _ *lease.Clock) { delete(f.held, guest) }, lease.EndGone, 0, lease.DidClose},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, f, now := office(t)
			le := give(t, l, f)
			tt.happen(f, now)
			out, err := l.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			why := ""
			if len(out.Swept.Over) > 0 {
				why = out.Swept.Over[0].Why
			}
			if why != tt.over || len(out.Swept.Gone) != tt.gone || (len(out.Leases) == 0) != (tt.over != "") {
				t.Errorf("over %q, %d taken away, %d leases", why, len(out.Swept.Gone), len(out.Leases))
			}
			if tt.over != "" && (f.mark != 0 || len(f.held) > 0) {
				t.Errorf("left in the filter: %+v", f)
			}
			if got := lastEvent(t, l); got != tt.event {
				t.Errorf("the trail ends with %q, want %q", got, tt.event)
			}
			for p, a := range f.held {
				if p != guest || a.Left > le.End {
					t.Errorf("still in force: %+v", a)
				}
			}
		})
	}
}

func pass(now *lease.Clock, d time.Duration) { now.Wall, now.Boot = now.Wall.Add(d), now.Boot+d }

func lastEvent(t *testing.T, l *Leases) string {
	t.Helper()
	last := ""
	c, err := l.Trail(t.Context(), func(e lease.Event) { last = e.Kind })
	if err != nil || len(c.Trails) > 0 && c.Trails[0].Broken != 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	return last
}

// More time is recorded before the kernel gets it, and both agree.
func TestExtendAndClose(t *testing.T) {
	l, f, now := office(t)
	le := give(t, l, f)
	pass(now, 30*time.Minute)
	longer, swept, err := l.Extend(t.Context(), le.ID, time.Hour, false)
	if err != nil || longer.Left(now.Boot) != 90*time.Minute || f.held[guest].Left != longer.End || swept.Shut(&longer) {
		t.Fatalf("%+v, in force until %v, %v", longer, f.held[guest].Left, err)
	}
	pass(now, time.Hour) // past its first end
	if out, err := l.List(t.Context()); err != nil || len(out.Leases) != 1 || len(out.Swept.Over)+len(out.Swept.Gone) > 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, _, err := l.Close(t.Context(), "L-22222", false); err != ErrNoLease {
		t.Errorf("a lease that is not there: %v", err)
	}
	closed, _, err := l.Close(t.Context(), le.ID, true)
	if err != nil || closed.State != lease.Closed || !closed.Cut || len(f.held) > 0 || f.mark != 0 {
		t.Errorf("%+v, %+v, %v", closed, f, err)
	}
	var kinds []string
	if _, err := l.Trail(t.Context(), func(e lease.Event) { kinds = append(kinds, e.Kind) }); err != nil {
		t.Fatal(err)
	}
	want := []string{lease.Intend, lease.DidExtend, lease.Intend, lease.DidClose}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
}

// Whoever asked cannot approve.
func TestApprovable(t *testing.T) {
	r := &lease.Lease{By: lease.Person{Account: "alice"}}
	if err := approvable(r, lease.Person{Account: "alice"}); err == nil {
		t.Error("alice approves what alice asked for")
	}
	if err := approvable(r, lease.Person{Account: "bob"}); err != nil {
		t.Error(err)
	}
}

// What nobody may do, nobody does.
func TestLeasesNotRoot(t *testing.T) {
	l, _, _ := office(t)
	h, err := fixture.Parse([]byte("-- kernel/identity --\nname=shop uid=1000 self=1\n"))
	if err != nil {
		t.Fatal(err)
	}
	l.h = h
	if _, err := l.List(t.Context()); err == nil {
		t.Error("not root, and lists")
	}
}

// The keeper ends when the last lease has ended, and has told so.
func TestKeeper(t *testing.T) {
	l, f, now := office(t)
	give(t, l, f)
	st, err := store.Open(l.settings.State, l.options())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	lock, err := st.LockKeeper("cookie-1", store.Holder{})
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	var warned []time.Duration
	k := keeper{Leases: l, st: st, lock: lock, told: map[string]telling{},
		say: KeeperWords{Ends: func(_ *lease.Lease, left time.Duration) string { warned = append(warned, left); return "" }}}
	for range 4 { // at 0, 29, 58 minutes; at its end
		done, next, err := k.tend(t.Context())
		if err != nil || done != (now.Boot >= 2*time.Hour) || !done && next <= 0 {
			t.Fatalf("done %t, next %v, %v", done, next, err)
		}
		pass(now, min(29*time.Minute, 2*time.Hour-now.Boot))
	}
	if len(warned) != 1 || warned[0] != 2*time.Minute {
		t.Errorf("people were told %v before", warned)
	}
	if _, there := st.Keeper("cookie-1"); there || lastEvent(t, l) != lease.DidEnd || f.mark != 0 {
		t.Errorf("keeper %t, filter %+v", there, f)
	}
}

// A lease that could not be put back waits for it, also when the table stands
// again for another one: nobody took it out by hand.
func TestLostWaits(t *testing.T) {
	l, f, _ := office(t)
	first := give(t, l, f)
	second := lease.Begin("L-8W3MF", lease.Ask{Proto: "tcp", Port: 6381, From: []netip.Prefix{stranger}, For: time.Hour, Who: "w", Why: "y"}, *f.now)
	second.Through = first.Through
	saveLeases(t, l, first, second)
	if err := f.Retire(t.Context()); err != nil { // a reload
		t.Fatal(err)
	}
	out, err := l.List(t.Context()) // nothing can be proved of this host: its filter cannot be read
	if err != nil || len(out.Swept.Trouble) != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	if err := f.Admit(t.Context(), 1, first.Until, []respond.Doorway{{At: doorOf}}, first.Admissions(time.Hour)); err != nil {
		t.Fatal(err)
	}
	out, err = l.List(t.Context())
	if err != nil || len(out.Leases) != 2 || len(out.Swept.Over) != 0 || !out.Leases[1].Lost {
		t.Errorf("%+v, %v", out, err)
	}
	longer, swept, err := l.Extend(t.Context(), second.ID, time.Hour, false)
	if err != nil || f.held[stranger].From.IsValid() || !swept.Shut(&longer) {
		t.Errorf("let in without a proof, or told as open: %+v, %+v, %v", f.held, swept, err)
	}
}

// A lease whose doorway was flushed out, while its elements stayed, is told as shut.
func TestShutByItsDoorway(t *testing.T) {
	l, f, _ := office(t)
	give(t, l, f)
	f.doorways = nil
	out, err := l.List(t.Context())
	if err != nil || len(f.held) != 1 || out.Leases[0].Lost || !out.Swept.Shut(&out.Leases[0]) {
		t.Errorf("%+v, %v", out, err)
	}
}

func saveLeases(t *testing.T, l *Leases, ls ...lease.Lease) {
	t.Helper()
	d, err := l.desk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	d.list = ls
	for i := range d.list {
		d.list[i].NetNS = d.space
	}
	if err := d.save(); err != nil {
		t.Fatal(err)
	}
}

// A lease that cannot be ended holds up nothing else.
func TestStuckLease(t *testing.T) {
	l, f, now := office(t)
	first := give(t, l, f)
	var others []lease.Lease
	for i, from := range []netip.Prefix{stranger, netip.MustParsePrefix("203.0.113.9/32")} {
		ask := lease.Ask{Proto: "tcp", Port: 6381 + i, From: []netip.Prefix{from}, For: time.Duration(i+1) * time.Hour, Who: "w", Why: "y"}
		le := lease.Begin([]string{"L-8W3MF", "L-9X4NG"}[i], ask, *now)
		le.Through = first.Through
		others = append(others, le)
		if err := f.Admit(t.Context(), 1, le.Until, nil, le.Admissions(le.For)); err != nil {
			t.Fatal(err)
		}
	}
	saveLeases(t, l, first, others[0], others[1])
	f.stuck = first.ID
	pass(now, time.Hour) // the end of the first two
	out, err := l.List(t.Context())
	if err != nil || len(out.Swept.Over) != 1 || len(out.Swept.Trouble) != 1 || len(out.Leases) != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	if le, _, err := l.Close(t.Context(), others[1].ID, false); err != nil || le.State != lease.Closed {
		t.Errorf("%+v, %v", le, err)
	}
	f.stuck = ""
	if out, err = l.List(t.Context()); err != nil || len(out.Leases) != 0 || f.mark != 0 {
		t.Errorf("%+v, %v", out, err)
	}
}

// To end a lease nothing has to be known of the host's own rules.
func TestEndUnread(t *testing.T) {
	l, f, now := office(t)
	first := give(t, l, f)
	second := lease.Begin("L-8W3MF", lease.Ask{Proto: "tcp", Port: 6381, From: []netip.Prefix{stranger}, For: 2 * time.Hour}, *now)
	if err := f.Admit(t.Context(), 1, second.Until, nil, second.Admissions(second.For)); err != nil {
		t.Fatal(err)
	}
	saveLeases(t, l, first, second)
	f.unread = errors.New("a rule that cannot be read")
	pass(now, time.Hour)
	out, err := l.List(t.Context())
	if !errors.Is(err, f.unread) || len(out.Swept.Over) != 1 || len(out.Leases) != 1 || len(f.held) != 1 {
		t.Errorf("%+v, %+v, %v", out, f.held, err)
	}
	closed, _, err := l.Close(t.Context(), second.ID, false)
	if !errors.Is(err, f.unread) || closed.State != lease.Closed || len(f.held) != 0 {
		t.Errorf("%+v, %+v, %v", closed, f.held, err)
	}
	f.unread = nil
	if out, err = l.List(t.Context()); err != nil || len(out.Leases)+len(out.Swept.Over) != 0 || f.mark != 0 || lastEvent(t, l) != lease.DidClose {
		t.Errorf("%+v, %v", out, err)
	}
}

// A request gets its time when it is approved; what may not be extended by somebody
// is told so that another account can type it.
func TestExtendNotMine(t *testing.T) {
	l, f, _ := office(t)
	le := give(t, l, f)
	me, _, err := l.Extend(t.Context(), le.ID, time.Minute, false)
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.desk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	by := d.operator(t.Context())
	d.close()
	me.RequestedBy = &by
	saveLeases(t, l, me, lease.Lease{ID: "L-8W3MF", State: lease.Requested, Opened: me.Opened, By: by})
	for _, tt := range []struct {
		id, want, arg string
		value         any
	}{
		{"L-8W3MF", "refuse.lease.not-open", "id", "L-8W3MF"},
		{le.ID, "refuse.lease.extend-own", "command", "demine lease extend " + le.ID + " 48h --long"},
	} {
		_, _, err := l.Extend(t.Context(), tt.id, 48*time.Hour, true)
		var r *respond.Refusal
		if !errors.As(err, &r) || r.Message.ID != tt.want || r.Message.Args[tt.arg] != tt.value {
			t.Errorf("%s: %v", tt.id, err)
		}
	}
}

// However long a look takes, nothing is in force longer than its record says.
func TestExtendSlowly(t *testing.T) {
	l, f, _ := office(t)
	le := give(t, l, f)
	f.slow = time.Second
	longer, _, err := l.Extend(t.Context(), le.ID, time.Hour, false)
	if err != nil || f.held[guest].Left > longer.End || f.held[guest].Left <= le.End {
		t.Errorf("%+v, in force until %v, %v", longer, f.held[guest].Left, err)
	}
}

// What was asked for yesterday is asked for again, not opened.
func TestApproveTooLate(t *testing.T) {
	l, _, now := office(t)
	saveLeases(t, l, lease.Lease{ID: "L-7Q2KD", State: lease.Requested, Opened: now.Wall, By: lease.Person{Account: "alice"}})
	pass(now, longestRequest+time.Second)
	if _, err := l.Approve(t.Context(), "L-7Q2KD", nil, false, true); !errors.Is(err, ErrNoLease) {
		t.Error(err)
	}
	if got := lastEvent(t, l); got != lease.DidRefuse {
		t.Errorf("the trail ends with %q", got)
	}
}

// What is open already is said to be so, whoever approves it; what is over is not there.
func TestApproveOpen(t *testing.T) {
	l, f, now := office(t)
	le := give(t, l, f)
	_, err := l.Approve(t.Context(), le.ID, nil, false, true)
	var r *respond.Refusal
	if !errors.As(err, &r) || r.ID != "refuse.lease.approved" || r.Args["until"] != le.Until {
		t.Error(err)
	}
	pass(now, 2*time.Hour)
	if _, err := l.Approve(t.Context(), le.ID, nil, false, true); !errors.Is(err, ErrNoLease) {
		t.Errorf("over: %v", err)
	}
}
