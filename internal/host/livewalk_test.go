package host

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// A name is opened in its folder or not at all.
func TestWalkFollowsNothing(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600), os.Mkdir(filepath.Join(dir, "sub"), 0o700),
		os.Symlink("file", filepath.Join(dir, "to-file")), os.Symlink("sub", filepath.Join(dir, "to-sub")),
		unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := Live().Files.OpenDir(fact.Path(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for name, want := range map[string]bool{"file": true, "sub": false, "to-file": false, "to-sub": false, "fifo": false, "none": false, "sub/../file": false, "..": false} {
		f, i, err := d.Open(name)
		if (err == nil) != want {
			t.Errorf("Open %s: %v", name, err)
		}
		if err == nil {
			b := make([]byte, 3)
			if n, err := f.ReadAt(b, 0); i.Type != "regular" || i.Size != 1 || n != 1 || b[0] != 'x' || err != io.EOF {
				t.Errorf("%+v %d %v", i, n, err)
			}
			if n, err := f.ReadAt(b[:1], 0); n != 1 || err != nil {
				t.Error(n, err)
			}
			f.Close()
		}
	}
	if _, _, err := d.Open("fifo"); !errors.Is(err, ErrNotRegular) {
		t.Error(err)
	}
	for name, want := range map[string]bool{"file": false, "sub": true, "to-file": false, "to-sub": false, "..": false} {
		s, i, err := d.Sub(name)
		if (err == nil) != want {
			t.Errorf("Sub %s: %v", name, err)
		}
		if err == nil {
			if i.Type != "dir" {
				t.Errorf("%+v", i)
			}
			s.Close()
		}
	}
	if i, err := d.Lstat("to-sub"); err != nil || i.Type != "link" {
		t.Error(i, err)
	}
}

// What runs in the background has the lowest priority, and nothing else has.
func TestBackground(t *testing.T) {
	before, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	in := 0
	Background(func() { in, err = unix.Getpriority(unix.PRIO_PROCESS, 0) })
	after, err2 := unix.Getpriority(unix.PRIO_PROCESS, 0)
	// The system call gives 20 - nice.
	if err != nil || err2 != nil || in != 1 || after != before {
		t.Errorf("before %d, in %d, after %d (%v, %v)", before, in, after, err, err2)
	}
}
