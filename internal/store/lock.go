package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/i18n"
)

// ErrBusy: another demine is changing this host; the error is a *Busy.
var ErrBusy = errors.New("another demine is at work")

// Holder is who holds the lock.
type Holder struct {
	PID   int       `json:"pid"`
	Start uint64    `json:"start"` // clock ticks after boot; with PID it names one process
	UID   int       `json:"uid"`
	Peer  string    `json:"peer,omitempty"`
	Since time.Time `json:"since"`
	Run   string    `json:"run,omitempty"`
	Kind  string    `json:"kind,omitempty"` // of the plan, or undo, confirm
}

// Busy tells who holds the lock. The holder may not be known for the instant
// in which the lock changes hands.
type Busy struct{ Holder Holder }

func (b *Busy) Error() string {
	return fmt.Sprintf("%v (pid %d, run %s)", ErrBusy, b.Holder.PID, b.Holder.Run)
}

// Is makes errors.Is(err, ErrBusy) true.
func (b *Busy) Is(err error) bool { return err == ErrBusy }

// Message is the sentence for the operator.
func (b *Busy) Message() i18n.Message {
	h := b.Holder
	switch {
	case h.PID == 0:
		return i18n.M("store.busy")
	case h.Peer == "":
		return i18n.M("store.busy.by", "pid", h.PID, "since", h.Since)
	}
	return i18n.M("store.busy.from", "pid", h.PID, "since", h.Since, "peer", h.Peer)
}

// Lock is the right to change the host. It ends with Release or with the
// process, however it ends.
type Lock struct {
	f *os.File
	h Holder
}

// Names of locks: of what changes the host, of what changes its leases, and of
// the process that keeps them. They are apart: a lease is opened while a miner
// is cleaned away.
const (
	lockName   = "lock"
	leaseLock  = "leases.lock"
	keeperLock = "keeper.lock-"
)

// Lock takes the lock without waiting, or gives a *Busy. There is one lock,
// whichever place the state is in: it is in memory if that can be.
//
// The file is for the owner only: whoever could open it could lock it.
func (s *Store) Lock(h Holder) (*Lock, error) { return s.lock(lockName, h) }

// LockLeases takes the lock of the leases, as Lock.
func (s *Store) LockLeases(h Holder) (*Lock, error) { return s.lock(leaseLock, h) }

// LockKeeper takes that of the one process that keeps the leases of a network
// namespace, as Lock.
func (s *Store) LockKeeper(netns string, h Holder) (*Lock, error) { return s.lock(keeperLock+netns, h) }

func (s *Store) lock(name string, h Holder) (*Lock, error) {
	if s.home == nil {
		return nil, ErrReader
	}
	f, err := s.lockFile(name, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	err = flock(f)
	if errors.Is(err, unix.EWOULDBLOCK) {
		b := &Busy{Holder: readHolder(f)}
		f.Close()
		return nil, b
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock: %w", err)
	}
	h.PID, h.Start = os.Getpid(), startOf("self")
	if h.Since.IsZero() {
		h.Since = s.now()
	}
	l := &Lock{f: f, h: h}
	return l, l.write()
}

func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EINTR {
			return err
		}
	}
}

func (s *Store) lockFile(name string, flags int) (*os.File, error) {
	err := error(unix.ENOENT)
	for _, at := range []*folder{s.mem, s.disk} {
		if at == nil {
			continue
		}
		var f *os.File
		if f, err = at.open(name, flags); err == nil {
			return f, nil
		}
	}
	return nil, err
}

// Tell changes what others see of the holder: the run that is being applied.
func (l *Lock) Tell(run, kind string) error {
	l.h.Run, l.h.Kind = run, kind
	return l.write()
}

// write needs no fsync: a lock does not outlive its process. On a full disk
// the lock holds without its text.
func (l *Lock) write() error {
	b, err := json.Marshal(l.h)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if err = l.f.Truncate(0); err == nil {
		_, err = l.f.WriteAt(append(b, '\n'), 0)
	}
	if err != nil && !givesWay(err) {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// Release gives the lock back.
func (l *Lock) Release() {
	_ = l.f.Truncate(0)
	l.f.Close()
}

// Holder tells who is changing the host now; false when nobody is. It does
// not touch the lock.
func (s *Store) Holder() (Holder, bool) { return s.holder(lockName) }

// Keeper tells which process keeps the leases of a network namespace, as Holder.
func (s *Store) Keeper(netns string) (Holder, bool) { return s.holder(keeperLock + netns) }

func (s *Store) holder(name string) (Holder, bool) {
	f, err := s.lockFile(name, unix.O_RDONLY)
	if err != nil {
		return Holder{}, false
	}
	defer f.Close()
	h := readHolder(f)
	if h.PID <= 0 || h.Start == 0 {
		return Holder{}, false
	}
	return h, startOf(fmt.Sprint(h.PID)) == h.Start
}

func readHolder(f *os.File) Holder {
	var h Holder
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 4096))
	if err != nil || json.Unmarshal(b, &h) != nil {
		return Holder{}
	}
	return h
}

// startOf is when a process started, in clock ticks after boot: field 22 of
// /proc/PID/stat (proc(5)), counted from behind the name, which may hold
// anything. 0: there is none, or it has ended and nobody has asked yet for its status.
func startOf(pid string) uint64 {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0
	}
	var n uint64
	if _, err := fmt.Sscan(fields[19], &n); err != nil {
		return 0
	}
	return n
}
