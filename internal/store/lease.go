package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"demine/internal/lease"
)

// Leases and requests of this host are in one file, so that each change of them
// is whole. Those that are over are in the trail alone.
const (
	leaseDir  = "leases"
	leaseFile = "list"
	maxLeased = 8 // files in the folder: the list, the trail, lists that were set aside
)

// leases is the file, sealed: see listFormat. Serial tells which of two
// is the newer one, when the disk was full for a while and memory was written
// instead. Told is the sum of the last line of the trail that was known then: a
// trail that was cut off before it, or begun anew, is found out by it. Spoilt tells
// a damaged list that had to stay in the other place from one that was damaged since:
// it is when that was written, in nanoseconds.
type leases struct {
	Serial int
	Leases []lease.Lease
	Told   string
	Spoilt int64
}

// Leases gives the leases and requests that are not over, oldest first. With
// ErrCorrupt they are what another place has, which may be an older list: see
// SetLeasesAside.
func (s *Store) Leases() ([]lease.Lease, error) {
	l, err := s.leases()
	return l.Leases, err
}

// LeaseRecords are the leases that were read last with what the list knows of the
// trail.
func (s *Store) LeaseRecords(ls []lease.Lease) lease.Records {
	return lease.Records{Leases: ls, Ever: s.leased > 0, Told: s.told}
}

func (s *Store) leases() (newest leases, damage error) {
	s.damaged, s.known, s.spoilt = nil, nil, 0
	for _, at := range s.places() {
		l, err := leasesAt(at)
		switch {
		case errors.Is(err, unix.ENOENT):
		case errors.Is(err, ErrCorrupt):
			s.damaged, damage = append(s.damaged, at), errors.Join(damage, fmt.Errorf("leases in %s: %w", at.path, err))
		case err != nil:
			return newest, fmt.Errorf("leases: %w", err)
		case l.Serial > newest.Serial:
			newest = l
		}
	}
	s.leased, s.told = newest.Serial, newest.Told
	if damage == nil {
		return newest, nil
	}
	s.spoilt = listWritten(s.damaged[0])
	if s.damaged[0] != s.home && s.spoilt != 0 && s.spoilt == newest.Spoilt { // else the disk takes it by now
		s.damaged, s.known, damage = nil, s.damaged, nil
	}
	return newest, damage
}

func leasesAt(at *folder) (l leases, err error) {
	err = read(at, leaseDir, leaseFile, func(r io.Reader) error {
		b, err := io.ReadAll(io.LimitReader(r, maxStored))
		if err == nil {
			b, err = fields(b)
		}
		if err == nil {
			err = l.readList(b)
		}
		return err
	})
	return l, err
}

// listWritten is when a list was written, in nanoseconds; 0: that cannot be told.
func listWritten(at *folder) int64 {
	d, err := at.sub(leaseDir, false)
	if err != nil {
		return 0
	}
	defer d.close()
	return d.written(leaseFile)
}

// SaveLeases puts these in the place of those that were there. The caller holds
// the lock of the leases, and has had it since it asked for them.
func (s *Store) SaveLeases(ls []lease.Lease) error {
	if s.home == nil {
		return ErrReader
	}
	if s.leased == 0 {
		told := s.told
		if _, err := s.leases(); err != nil && !errors.Is(err, ErrCorrupt) {
			return err
		}
		s.told = cmp.Or(told, s.told)
	}
	s.leased++
	list, err := (&leases{s.leased, ls, s.told, s.spoilt}).appendList([]byte{listFormat})
	if err != nil {
		return fmt.Errorf("leases: %w", err)
	}
	list = summed(list)
	b := bytes.NewBuffer(make([]byte, 0, sealing+len(list)))
	w, err := seal(b)
	if err == nil {
		_, err = w.Write(list)
	}
	if err != nil {
		return fmt.Errorf("leases: %w", err)
	}
	return s.saveBytes(leaseDir, leaseFile, maxLeased, b.Bytes())
}
