package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/lease"
)

// trailFile is the audit trail of leases: lines of JSON, each with the sum of
// the one before. It is as it is read, and not encoded, so that any tool can
// check it.
const trailFile = "trail"

// Tell adds an event to the trail and gives the sum of its line. It is on disk
// when this returns. Number and sum of the line before are filled in, and how
// much of a line a crash had left, which is cut off.
func (s *Store) Tell(e lease.Event) (sum string, err error) {
	if s.home == nil {
		return "", ErrReader
	}
	sum, err = tellAt(s.home, e)
	if err != nil && s.home != s.mem && s.mem != nil && givesWay(err) {
		s.giveWay(err)
		sum, err = tellAt(s.mem, e)
	}
	if err != nil {
		return "", fmt.Errorf("audit trail: %w", err)
	}
	s.told = sum
	return sum, nil
}

func tellAt(at *folder, e lease.Event) (string, error) {
	d, err := at.sub(leaseDir, true)
	if err != nil {
		return "", err
	}
	defer d.close()
	fresh := !d.has(trailFile)
	f, err := d.open(trailFile, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return "", err
	}
	sum, err := tellIn(f, e)
	err = errors.Join(err, f.Close())
	if err == nil && fresh {
		err = d.sync()
	}
	return sum, err
}

func tellIn(f *os.File, e lease.Event) (string, error) {
	i, err := f.Stat()
	if err != nil {
		return "", err
	}
	end, err := wholeLines(f)
	if err != nil {
		return "", err
	}
	e.Torn = int(i.Size() - end)
	if e.N, e.Prev, err = lastLine(f, end); err != nil {
		return "", err
	}
	e.N++
	line, sum, err := e.Line()
	if err == nil && len(line) >= lease.MaxEvent {
		err = fmt.Errorf("event of %d bytes is too large", len(line))
	}
	if err != nil {
		return "", err
	}
	return sum, put(f, end, append(line, '\n'))
}

// lastLine gives the number and the sum of the last line of a trail that ends
// there. A line that is none keeps its place in the chain by its sum, so that a
// trail that somebody spoilt goes on behind it: the verification names it.
func lastLine(f *os.File, end int64) (n int, sum string, err error) {
	if end == 0 {
		return 0, "", nil
	}
	buf := make([]byte, min(end, lease.MaxEvent))
	if _, err := f.ReadAt(buf, end-int64(len(buf))); err != nil {
		return 0, "", err
	}
	buf = bytes.TrimSuffix(buf, []byte{'\n'})
	line := buf[bytes.LastIndexByte(buf, '\n')+1:]
	var e lease.Event
	_ = json.Unmarshal(line, &e)
	return e.N, lease.Sum(line), nil
}

// Trails verifies the trails, that of the disk first, and gives their events to
// tell. One in memory is there when the disk could not be written.
func (s *Store) Trails(tell func(lease.Event)) ([]lease.Trail, error) {
	var out []lease.Trail
	for _, at := range s.places() {
		t, err := trailAt(at, tell)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return out, err
		}
		t.Path, t.Memory = trailPath(at), at == s.mem
		out = append(out, t)
	}
	return out, nil
}

// TrailPath is the file that Tell writes to; empty for a Store that is only read.
func (s *Store) TrailPath() fact.Path {
	if s.home == nil {
		return ""
	}
	return trailPath(s.home)
}

func trailPath(at *folder) fact.Path { return fact.Path(at.path + "/" + leaseDir + "/" + trailFile) }

func trailAt(at *folder, tell func(lease.Event)) (lease.Trail, error) {
	d, err := at.sub(leaseDir, false)
	if err != nil {
		return lease.Trail{}, err
	}
	defer d.close()
	f, err := d.open(trailFile, unix.O_RDONLY)
	if err != nil {
		return lease.Trail{}, err
	}
	defer f.Close()
	i, err := f.Stat()
	if err != nil {
		return lease.Trail{}, err
	}
	return lease.Verify(io.NewSectionReader(f, 0, i.Size()), tell)
}
