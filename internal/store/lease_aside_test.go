package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/lease"
)

// A list that cannot be read hides no other one, loses nothing, and is in nobody's
// way any more once it is set aside.
func TestLeasesDamaged(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"empty":         func([]byte) []byte { return nil },
		"cut off":       func(b []byte) []byte { return b[:len(b)-3] },
		"something":     func([]byte) []byte { return []byte("no list of leases, and long enough to be one") },
		"a bit changed": func(b []byte) []byte { b[sealing] ^= 1; return b },
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := leaseStore(t)
			save := func(at *folder, id string) {
				t.Helper()
				s.home = at
				if err := s.SaveLeases([]lease.Lease{{ID: id}}); err != nil {
					t.Fatal(err)
				}
			}
			save(s.mem, "L-22222")
			save(s.disk, "L-33333")
			list := filepath.Join(dir, leaseDir, leaseFile)
			good, err := os.ReadFile(list)
			if err != nil {
				t.Fatal(err)
			}
			bad := spoil(good)
			for range maxAside + 2 {
				if err := os.WriteFile(list, bad, 0o600); err != nil {
					t.Fatal(err)
				}
				ls, err := s.Leases()
				if !errors.Is(err, ErrCorrupt) || len(ls) != 1 || ls[0].ID != "L-22222" {
					t.Fatalf("%+v, %v", ls, err)
				}
				names, err := s.SetLeasesAside()
				if err != nil || len(names) != 1 {
					t.Fatal(names, err)
				}
				if b, err := os.ReadFile(names[0]); err != nil || string(b) != string(bad) {
					t.Errorf("set aside: %q, %v", b, err)
				}
			}
			save(s.disk, "L-44444")
			if ls, err := s.Leases(); err != nil || len(ls) != 1 || ls[0].ID != "L-44444" || len(s.LeasesAside()) != maxAside {
				t.Errorf("%+v, %v, %v", ls, s.LeasesAside(), err)
			}
		})
	}
}

// What is wrong with a list is told: of another version's the sum may be anything.
func TestListFields(t *testing.T) {
	good := summed([]byte{listFormat, 7})
	for _, tt := range []struct {
		list []byte
		want error
	}{
		{good, nil}, {nil, errSum}, {good[:1], errSum}, {good[1:], errFormat}, {[]byte{listFormat + 1}, errFormat},
		{summed([]byte{listFormat - 1, 7}), errFormat}, {append(good[:5:5], good[5]^1), errSum}, {summed(nil), errFormat},
	} {
		b, err := fields(tt.list)
		if !errors.Is(err, tt.want) || err == nil && !bytes.Equal(b, []byte{7}) {
			t.Errorf("%v: %v, %v", tt.list, b, err)
		}
	}
}

// A list of which one bit is another is no list.
func TestLeasesBit(t *testing.T) {
	s, dir := leaseStore(t)
	if err := s.SaveLeases([]lease.Lease{{ID: "L-22222", Ask: lease.Ask{Proto: "tcp", Port: 6380}}}); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, leaseDir, leaseFile)
	good, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		good[i] ^= 4
		if err := os.WriteFile(list, good, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Leases(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d of %d: %v", i, len(good), err)
		}
		good[i] ^= 4
	}
}

// On a disk that has become read-only a damaged list stays, is in nobody's way, and is
// told as long as it is there. It is damage once; another one in its place is again.
func TestLeasesDamagedReadOnly(t *testing.T) {
	ownMounts(t)
	dir, run := dirs(t)
	if err := open(t, dir, run).SaveLeases(nil); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, leaseDir, leaseFile)
	if err := os.WriteFile(list, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	mount(t, dir, dir, "", unix.MS_BIND, "")
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	writable := func(flags uintptr) { mount(t, "none", dir, "", unix.MS_BIND|unix.MS_REMOUNT|flags, "") }
	writable(unix.MS_RDONLY)
	n := 0
	look := func(damaged bool) {
		t.Helper()
		s := open(t, dir, run)
		ls, err := s.Leases()
		if errors.Is(err, ErrCorrupt) != damaged || len(ls) != n {
			t.Fatalf("%+v, %v", ls, err)
		}
		names, err := s.SetLeasesAside()
		if kept := s.LeasesAside(); err != nil || (len(names) == 1) != damaged || len(kept) != 1 || kept[0] != list {
			t.Errorf("%v, %v, %v", names, kept, err)
		}
		if err := s.SaveLeases(append(ls, lease.Lease{ID: "L-22222"})); err != nil {
			t.Fatal(err)
		}
		n++
	}
	look(true)
	look(false)
	look(false)
	writable(0)
	if err := os.Chtimes(list, time.Time{}, time.Unix(1763900000, 0)); err != nil {
		t.Fatal(err)
	}
	writable(unix.MS_RDONLY)
	look(true)
	look(false)
	writable(0)
	list += ".damaged-1"
	look(true)
	look(false)
}

// What could not be read is no damage: nobody knows what is in it.
func TestLeasesUnread(t *testing.T) {
	s, dir := leaseStore(t)
	if err := s.SaveLeases([]lease.Lease{{ID: "L-22222"}}); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, leaseDir, leaseFile)
	sealed, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(list), os.Mkdir(list, 0o700)); err != nil { // it opens, and reading is EISDIR
		t.Fatal(err)
	}
	if _, err := s.Leases(); !errors.Is(err, unix.EISDIR) || errors.Is(err, ErrCorrupt) || len(s.damaged) > 0 {
		t.Errorf("%v, damaged: %d", err, len(s.damaged))
	}
	for n := range sealed {
		failing := io.MultiReader(bytes.NewReader(sealed[:n]), iotest.ErrReader(&fs.PathError{Op: "read", Path: list, Err: unix.EIO}))
		err := readSealed(failing, func(r io.Reader) error { _, err := io.ReadAll(r); return err })
		if !errors.Is(err, unix.EIO) || errors.Is(err, ErrCorrupt) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}
