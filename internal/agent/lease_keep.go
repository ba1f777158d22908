package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/format/utmp"
	"demine/internal/host"
	"demine/internal/lease"
	"demine/internal/relate"
	"demine/internal/respond"
	"demine/internal/store"
)

// How often the keeper looks whether a reload threw leases out, and after how
// long it tries again what it could not put back.
const (
	keepPause = time.Second
	mostPause = 30 * time.Second
)

// Keep is what the keeper does while there are leases: it writes their ends down
// and cuts what is to be cut, tells people before, puts back what a reload threw
// out, and closes all when the wall clock is set. Nothing stays open longer when
// it is killed: the kernel ends leases.
func (l *Leases) Keep(ctx context.Context, say KeeperWords) error {
	st, err := store.Open(l.settings.State, l.options())
	if err != nil {
		return err
	}
	defer st.Close()
	netns, err := l.netNS()
	if err != nil {
		return err
	}
	lock, err := st.LockKeeper(netns, store.Holder{Kind: "keeper", Since: l.h.Now()})
	if errors.Is(err, store.ErrBusy) {
		return nil // one is enough
	}
	if err != nil {
		return err
	}
	defer lock.Release()
	outliveTerminal()
	wall, err := host.WatchWall()
	if err != nil {
		return err
	}
	defer wall.Close()
	k := keeper{Leases: l, st: st, lock: lock, say: say, told: map[string]telling{}}
	for again := keepPause; ; {
		done, next, err := k.tend(ctx)
		if done {
			return nil
		}
		if err != nil {
			l.log.Warn("keep the leases", "error", err, "again", again)
			next, again = again, min(2*again, mostPause)
		} else {
			again = keepPause
		}
		if _, err := wall.Wait(ctx, next); err != nil {
			return err
		}
	}
}

// KeeperWords make the sentences that people get on their terminals.
type KeeperWords struct {
	Ends func(l *lease.Lease, left time.Duration) string
	Held func(l *lease.Lease, why error) string
}

type keeper struct {
	*Leases
	st     *store.Store
	lock   *store.Lock
	say    KeeperWords
	told   map[string]telling // of leases that could not be put back
	pause  time.Duration      // until that is tried again
	well   sighting           // when all was in force
	failed sighting           // when something was not, and was tried
	looked time.Duration      // when files of saved rules were looked at
	saved  []relate.LeaseFile
}

// sighting is what tells one state of the packet filter from another.
type sighting struct {
	places []respond.RuleAt // of the doorways
	others uint64           // sum of the host's own rules
	at     time.Duration    // since boot
}

// other reports whether it is another one now.
func (s *sighting) other(in respond.Admitted, now time.Duration) bool {
	return !slices.Equal(s.places, in.Doorways) || in.Others != s.others && now >= s.at+comparePause
}

// comparePause is the least time between two looks for the reason alone that the
// host's own rules are others: some programs change theirs all the time.
const comparePause = 5 * time.Second

// telling is what people were told of a lease, and how often it was so.
type telling struct {
	why   string
	times int
}

// tend does what is due, and says how long until something is due again. It is
// done when no lease is left: it gives its lock back before that of the leases,
// so that who opens one then finds no keeper, and starts one.
func (k *keeper) tend(ctx context.Context) (done bool, next time.Duration, err error) {
	d := &desk{Leases: k.Leases, st: k.st, keeper: k}
	defer d.release()
	if err := d.begin(ctx); err != nil {
		return false, 0, err
	}
	s, err := d.reconcile(ctx)
	k.trouble(d, s.Trouble)
	if err != nil {
		return false, 0, err
	}
	open := d.opened()
	if len(open) == 0 {
		k.lock.Release()
		return true, 0, nil
	}
	if err := k.warnAll(d, open); err != nil {
		return false, 0, err
	}
	if err := k.tellSaved(ctx, d); err != nil {
		return false, 0, err
	}
	next = keepPause
	for i := range open {
		if left := open[i].Left(d.now.Boot); left > 0 { // else it cannot be ended, and is tried again with the next look
			next = min(next, left+10*time.Millisecond)
		}
	}
	return false, next, nil
}

// trouble writes down once why a lease could not be put back, or be ended.
func (k *keeper) trouble(d *desk, ts []Trouble) {
	if d.later {
		return
	}
	if len(ts) == 0 {
		k.pause = 0
		clear(k.told)
		return
	}
	k.pause = min(max(2*k.pause, keepPause), mostPause)
	for _, t := range ts {
		was := k.told[t.ID]
		if was.why != t.Err.Error() {
			was = telling{why: t.Err.Error()}
			if err := d.tell(failure(t.Doing, t.ID, t.Err)); err != nil {
				d.log.Warn("audit trail", "error", err)
			}
		}
		was.times++
		k.told[t.ID] = was
		if le, err := d.find(t.ID); err == nil && le.HeldBy != "" && was.times == sureOfHold {
			k.tellTerminals(le, k.say.Held(le, t.Err))
		}
	}
}

// sureOfHold is how often a lease must be found barred before terminals are told:
// a firewall that is loaded anew is for a moment another one.
const sureOfHold = 2

func (k *keeper) tellTerminals(le *lease.Lease, text string) {
	for _, tty := range k.terminals(le) {
		respond.TellTerminal(tty, text)
	}
}

// warnAll tells people of leases that end soon.
func (k *keeper) warnAll(d *desk, open []lease.Lease) error {
	changed := false
	for i := range open {
		left := open[i].Left(d.now.Boot)
		if open[i].Warned || left > open[i].WarnAt() || open[i].Over(d.now) != "" {
			continue
		}
		le, err := d.find(open[i].ID)
		if err != nil {
			continue
		}
		le.Warned, changed = true, true
		k.tellTerminals(le, k.say.Ends(le, left))
		if err := d.tell(lease.Event{Kind: lease.DidWarn, ID: le.ID}); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	return d.save()
}

// terminals are those on which the account that opened a lease is logged in, or
// anybody from where it was opened.
func (k *keeper) terminals(le *lease.Lease) []string {
	var b []byte
	for _, at := range []fact.Path{"/run/utmp", "/var/run/utmp"} {
		if b, _, _ = k.h.Files.ReadFile(at, 1<<20); len(b) > 0 {
			break
		}
	}
	var out []string
	for _, r := range utmp.Parse(b) {
		same := r.User == le.By.Account || le.By.Peer != "" && r.Addr.Unmap().String() == le.By.Peer
		mine := same && r.Type == utmp.UserProcess
		if mine && !slices.Contains(out, r.Line) {
			out = append(out, r.Line)
		}
	}
	return out
}
