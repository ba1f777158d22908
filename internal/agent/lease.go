package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"demine/internal/host"
	"demine/internal/i18n"
	"demine/internal/lease"
	"demine/internal/respond"
	"demine/internal/store"
)

// Leases opens ports of one host for a time. It needs no rules and no causes:
// loading them takes longer than an opening may.
type Leases struct {
	h        *host.Host
	log      *slog.Logger
	settings Settings
	filter   respond.Filter
	clock    func() (lease.Clock, error)
	netNS    func() (string, error)          // the network namespace that demine is in
	startup  func(ctx context.Context) error // sees to it that a keeper runs
	run      string                          // the store's folder in memory; empty: the usual one
}

// stateDir is the folder of the leases, as it is named in the system log.
func (l *Leases) stateDir() string { return cmp.Or(l.settings.State, store.DefaultDir) }

func (l *Leases) options() store.Options { return store.Options{Run: l.run} }

// NewLeases makes Leases for the host that demine runs on.
func NewLeases(h *host.Host, log *slog.Logger, s Settings) *Leases {
	l := &Leases{h: h, log: log, settings: s, filter: respond.LiveFilter()}
	l.clock, l.netNS, l.startup = l.readClock, host.NetNS, l.startKeeper
	return l
}

// Host is the name of the host, as far as it can be told.
func (l *Leases) Host() string {
	id, err := l.h.Kernel.Identity()
	if err != nil {
		return ""
	}
	return id.Name
}

func (l *Leases) readClock() (lease.Clock, error) {
	b, _, err := l.h.Files.ReadFile("/proc/sys/kernel/random/boot_id", 64)
	if err != nil {
		return lease.Clock{}, err
	}
	boot, err := host.SinceBoot()
	return lease.Clock{Wall: l.h.Now(), Boot: boot, ID: string(trimLine(b))}, err
}

// ErrNoLease: there is no lease or request of that name.
var ErrNoLease = errors.New("no such lease")

// desk is one piece of work on the leases, under their lock.
type desk struct {
	*Leases
	st   *store.Store
	lock *store.Lock
	now  lease.Clock

	space string        // the network namespace that it is about
	list  []lease.Lease // of this one
	apart []lease.Lease // of others, for which their own demine cares

	changed bool              // the list, otherwise than by what it is shorter
	in      *respond.Admitted // what the filter held when reconcile had nothing to do; nil: it changed that

	damaged []string // names of lists that could not be read, as they are kept

	keeper *keeper // nil: it is not the keeper who looks
	later  bool    // what a reload threw out is not put back this time
	moved  bool    // the filter is not, or may not be, as it was when all leases were in force
}

// How long the lock is waited for: whoever holds it changes the packet filter,
// which takes some milliseconds, or on a busy host some hundred.
const (
	lockPatience = 10 * time.Second
	lockPause    = 20 * time.Millisecond
)

// desk takes the lock and reads what is there. The caller closes it.
func (l *Leases) desk(ctx context.Context) (*desk, error) {
	d, err := l.locked(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.read(ctx); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// locked takes the lock alone. The caller closes it.
func (l *Leases) locked(ctx context.Context) (*desk, error) {
	if id, err := l.h.Kernel.Identity(); err != nil || id.UID != 0 {
		return nil, errors.Join(err, ErrNotRoot)
	}
	st, err := store.Open(l.settings.State, l.options())
	if err != nil {
		return nil, err
	}
	d := &desk{Leases: l, st: st}
	if err := d.await(ctx); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// close gives lock and store back.
func (d *desk) close() {
	d.release()
	d.st.Close()
}

func (d *desk) release() {
	if d.lock != nil {
		d.lock.Release()
		d.lock = nil
	}
}

func (d *desk) begin(ctx context.Context) error {
	if err := d.await(ctx); err != nil {
		return err
	}
	return d.read(ctx)
}

// await takes the lock as soon as nobody else has it.
func (d *desk) await(ctx context.Context) (err error) {
	for end := time.Now().Add(lockPatience); ; {
		d.lock, err = d.st.LockLeases(store.Holder{Kind: "lease", Since: d.h.Now()})
		if err == nil || !errors.Is(err, store.ErrBusy) || time.Now().After(end) {
			break
		}
		if err := d.h.Wait(ctx, lockPause); err != nil {
			return err
		}
	}
	return err
}

func (d *desk) read(ctx context.Context) (err error) {
	if d.now, err = d.clock(); err != nil {
		return err
	}
	if d.space, err = d.netNS(); err != nil {
		return err
	}
	d.list, err = d.st.Leases()
	d.apart, d.list = d.parted()
	if errors.Is(err, store.ErrCorrupt) {
		err = d.mend(ctx, err)
	}
	return err
}

// save writes the list down.
func (d *desk) save() error { return d.st.SaveLeases(d.all()) }

// all are the leases of every network namespace.
func (d *desk) all() []lease.Lease {
	if len(d.apart) == 0 {
		return d.list
	}
	return slices.Concat(d.apart, d.list)
}

// tick reads the clocks again. A look at the host takes a while, and an element
// that got its time by the clocks before it would end later than its lease.
func (d *desk) tick() error {
	now, err := d.clock()
	if err == nil {
		d.now = now
	}
	return err
}

// find gives the lease or request of a name.
func (d *desk) find(id string) (*lease.Lease, error) {
	for i := range d.list {
		if d.list[i].ID == id {
			return &d.list[i], nil
		}
	}
	return nil, ErrNoLease
}

// name makes one that no lease has.
func (d *desk) name() (string, error) {
	return lease.Name(rand.Reader, func(id string) bool {
		same := func(le lease.Lease) bool { return le.ID == id }
		return slices.ContainsFunc(d.list, same) || slices.ContainsFunc(d.apart, same)
	})
}

// drop takes a lease off the list. It is in the trail.
func (d *desk) drop(id string) {
	d.list = slices.DeleteFunc(d.list, func(l lease.Lease) bool { return l.ID == id })
}

// opened are those that are open.
func (d *desk) opened() []lease.Lease {
	return d.which(func(*lease.Lease) bool { return true })
}

// which are those of the open ones for which ok is true.
func (d *desk) which(ok func(*lease.Lease) bool) (out []lease.Lease) {
	for i := range d.list {
		if l := &d.list[i]; l.State == lease.Open && ok(l) {
			out = append(out, *l)
		}
	}
	return out
}

// any reports whether ok is true for one of the open ones.
func (d *desk) any(ok func(*lease.Lease) bool) bool {
	for i := range d.list {
		if l := &d.list[i]; l.State == lease.Open && ok(l) {
			return true
		}
	}
	return false
}

// closed reports whether none is open.
func (d *desk) closed() bool { return !d.any(func(*lease.Lease) bool { return true }) }

// kept reports whether a keeper runs. Without one nobody has seen whether the host's
// own rules still let the leases in: see desk.moved.
func (d *desk) kept() bool {
	_, there := d.st.Keeper(d.space)
	return there
}

// volatile says why list and trail are in memory alone; empty: they are not. It is
// known last: a disk may fill up in between.
func (d *desk) volatile() i18n.Message {
	why, lost := d.st.Volatile()
	if !lost {
		return i18n.Message{}
	}
	why.ID, why.Args = "lease."+why.ID, maps.Clone(why.Args)
	why.Args["trail"] = d.st.TrailPath()
	return why
}

// tell adds to the trail, and to the system log with the sum of the line: who
// rewrites the trail would have to rewrite that too.
func (d *desk) tell(e lease.Event) error {
	e.At = d.now.Wall
	if e.Lease != nil {
		e.ID = e.Lease.ID
	}
	sum, err := d.st.Tell(e)
	if err == nil {
		respond.Syslog(logLine(&e, sum, d.stateDir()))
	}
	return err
}
