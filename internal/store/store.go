// Package store is demine's own state: the journal of what was changed, what
// was taken away (encoded, so that no scanner mistakes it for the thing), the
// last scans, plans, and the lock that lets only one demine change the host.
// It writes below its own folders and nowhere else.
package store

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/i18n"
	"demine/internal/respond"
)

// Where state is kept: on the disk, and in memory when the disk cannot take it.
const (
	DefaultDir = "/var/lib/demine"
	RunDir     = "/run/demine"
)

// Options of a Store; the zero value is right on a host.
type Options struct {
	Run string           // the folder in memory; empty: RunDir
	Now func() time.Time // empty: time.Now
}

func (o Options) withDefaults() Options {
	if o.Run == "" {
		o.Run = RunDir
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Store is the state of demine on one host. It reads from both of its places
// and writes to one. Only the holder of the Lock changes runs.
type Store struct {
	disk, mem *folder // either may be nil, not both; disk may be read-only
	home      *folder // where is written: disk, or mem; nil: to be read only
	now       func() time.Time
	why       i18n.Message // why it is volatile
	leased    int          // serial of the list of leases that was read or written last
	damaged   []*folder    // whose list of leases could not be read
	known     []*folder    // the same, where the good one knows of it
	spoilt    int64        // when the first of those was written
	told      string       // sum of the last line of the trail, as far as it is known
}

var (
	_ respond.Journal = (*Store)(nil)
	_ respond.Vault   = (*Store)(nil)
)

// Open opens the state in dir (empty: DefaultDir) and makes the folder if need
// be. When the disk is full or read-only, the state is kept in memory: see
// Volatile. A folder that others than its owner can write, that belongs to
// another user, or that is reached through a link of theirs is refused.
func Open(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	if dir == "" {
		dir = DefaultDir
	}
	disk, err := makeFolder(dir)
	if refused(err) {
		return nil, err
	}
	if err == nil {
		err = disk.probe()
	}
	mem, merr := makeFolder(o.Run)
	if refused(merr) {
		disk.close()
		return nil, merr
	}
	s := &Store{disk: disk, mem: mem, home: disk, now: o.Now}
	if err == nil {
		return s, nil
	}
	if merr != nil {
		disk.close()
		return nil, errors.Join(err, merr)
	}
	s.home, s.why = mem, because(dir, err)
	return s, nil
}

// OpenVolatile opens the state in memory and needs no disk at all: for what
// must be done at once. State on the disk is read where it can be.
func OpenVolatile(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	if dir == "" {
		dir = DefaultDir
	}
	mem, err := makeFolder(o.Run)
	if err != nil {
		return nil, err
	}
	disk, err := openFolder(dir)
	if err != nil {
		disk = nil // not there, or not to be trusted: nothing is read from it
	}
	return &Store{disk: disk, mem: mem, home: mem, now: o.Now, why: i18n.M("store.volatile", "dir", o.Run)}, nil
}

// Read opens the state that there is, to read it: it makes and writes nothing.
// Where there is none the Store is empty.
func Read(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	if dir == "" {
		dir = DefaultDir
	}
	s := &Store{now: o.Now}
	var err error
	if s.disk, err = openFolder(dir); refused(err) {
		return nil, err
	}
	if s.mem, err = openFolder(o.Run); refused(err) {
		s.disk.close()
		return nil, err
	}
	return s, nil
}

// ErrReader: a Store that was opened to be read was written to.
var ErrReader = errors.New("state was opened to be read only")

// Close gives the folders back. The state stays.
func (s *Store) Close() {
	s.disk.close()
	s.mem.close()
}

// Dir is the folder that is written to; empty for one that is only read.
func (s *Store) Dir() string {
	if s.home == nil {
		return ""
	}
	return s.home.path
}

// Volatile reports whether the state is lost at the next boot, and why that is
// so: an undo must come before it.
func (s *Store) Volatile() (i18n.Message, bool) { return s.why, s.home != nil && s.home == s.mem }

// places are the folders that there are, the durable one first.
func (s *Store) places() []*folder {
	var out []*folder
	for _, f := range []*folder{s.disk, s.mem} {
		if f != nil {
			out = append(out, f)
		}
	}
	return out
}

// because says in words why the disk was not taken.
func because(dir string, err error) i18n.Message {
	switch {
	case noSpace(err):
		return i18n.M("store.disk-full", "dir", dir)
	case errors.Is(err, unix.EROFS):
		return i18n.M("store.read-only", "dir", dir)
	}
	return i18n.M("store.cannot-write", "dir", dir, "error", err.Error())
}

func noSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, ErrNoSpace)
}

// givesWay: what was refused here can be kept in memory.
func givesWay(err error) bool {
	var reading *readError
	if errors.As(err, &reading) {
		return false
	}
	return noSpace(err) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.EIO)
}

func refused(err error) bool {
	var r *respond.Refusal
	return errors.As(err, &r)
}

// probe reports whether the folder takes a file that needs a block. What only the
// disk itself would tell, whatever is kept there tells later, and goes to memory.
func (f *folder) probe() error {
	if err := f.room(4096); err != nil {
		return err
	}
	name := fmt.Sprintf(".probe-%d", os.Getpid())
	_ = f.remove(name) // of one that was killed
	w, err := f.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return err
	}
	_, err = w.Write(make([]byte, 4096))
	return errors.Join(err, w.Close(), f.remove(name))
}
