// Package rpmdb reads rpm's database of installed packages, in the three forms
// in which rpm has kept it: a hash of Berkeley DB (Packages; rpm up to 4.15, as in
// CentOS 7 and 8), ndb (Packages.db; SUSE) and SQLite (rpmdb.sqlite; rpm 4.16 on,
// as in Fedora and RHEL 9). Each holds one header a package.
//
// The database is an attacker's word: every number in it is held against what the
// file has, no page is read twice for one walk, rows and blobs together are no longer than
// the file, and a header beyond MaxHeader is an error.
package rpmdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
)

// MaxHeader is more than twice the largest header that was met, 9 MiB, of the debugging
// files of a compiler.
const MaxHeader = 24 << 20

var (
	// ErrKind means that the file is none of the three.
	ErrKind = errors.New("not a database of rpm")
	// ErrDamaged means that the file says what cannot be.
	ErrDamaged = errors.New("damaged database of rpm")
	// ErrLarge is told of a header beyond MaxHeader; the next ones follow.
	ErrLarge = errors.New("header of a package is too large")
)

// Headers gives the header of each package in a database of some size. What it
// gives is overwritten by the next step. After an error other than ErrLarge it ends.
func Headers(r io.ReaderAt, size int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f := &file{r: r, size: size}
		head, err := f.at(0, 100)
		if err != nil {
			yield(nil, ErrKind)
			return
		}
		switch {
		case string(head[:16]) == "SQLite format 3\x00":
			err = sqlite(f, yield)
		case string(head[:4]) == "RpmP":
			err = ndb(f, yield)
		case binary.LittleEndian.Uint32(head[12:]) == hashMagic:
			err = berkeley(f, binary.LittleEndian, yield)
		case binary.BigEndian.Uint32(head[12:]) == hashMagic:
			err = berkeley(f, binary.BigEndian, yield)
		default:
			err = ErrKind
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// errStop: who asked for the headers wants no more.
var errStop = errors.New("stop")

// give hands one header out.
func give(yield func([]byte, error) bool, header []byte, err error) error {
	if err != nil && !errors.Is(err, ErrLarge) {
		return err
	}
	if !yield(header, err) {
		return errStop
	}
	return nil
}

// window is how much is read at once: the pages of a header mostly follow each other.
const window = 64 << 10

// file gives parts of the database, and holds the last window of it.
type file struct {
	r    io.ReaderAt
	size int64
	buf  []byte
	off  int64
	n    int
}

// at gives n bytes, at most window, that the next call may overwrite.
func (f *file) at(off int64, n int) ([]byte, error) {
	if off < 0 || n < 0 || n > window || off+int64(n) > f.size {
		return nil, fmt.Errorf("%w: %d bytes at %d of %d", ErrDamaged, n, off, f.size)
	}
	if off < f.off || off+int64(n) > f.off+int64(f.n) {
		if f.buf == nil {
			f.buf = make([]byte, window)
		}
		got, err := f.r.ReadAt(f.buf[:min(window, f.size-off)], off)
		if f.off, f.n = off, got; got < n {
			return nil, fmt.Errorf("read at %d: %w", off, errors.Join(err, io.ErrUnexpectedEOF))
		}
	}
	return f.buf[off-f.off:][:n], nil
}
