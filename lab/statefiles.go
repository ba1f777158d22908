package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// folders are looked at wholly. Of what lies elsewhere, only that which differs from this machine's is of interest.
var folders = patterns{"/etc", "/var/spool", "/var/tmp", "/tmp", "/root", "/home", "/opt", "/srv", "/usr/local", "/dev/shm"}

// mounted is empty on the disk and not looked at, but for what folders has of it.
var mounted = patterns{"/dev", "/proc", "/run", "/sys"}

// files adds the host's files to s.
func (h *Host) files(s State) error {
	root, err := openFolder(unix.AT_FDCWD, fmt.Sprintf("/proc/%d/root", h.Inside.PID))
	if err != nil {
		return err
	}
	defer unix.Close(root)
	for _, name := range folders {
		dir, err := parent(root, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		err = descend(dir, name, s)
		unix.Close(dir)
		if err != nil {
			return err
		}
	}
	return h.elsewhere(root, s)
}

// descend adds name, whose parent is dir, and all below it. No link is followed.
func descend(dir int, name string, s State) error {
	if moving.fit("file " + name) {
		return nil
	}
	lines, err := describe(dir, path.Base(name))
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s["file "+name] = lines
	if lines[0] != "directory" {
		return nil
	}
	fd, err := openFolder(dir, path.Base(name))
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	children, err := f.Readdirnames(-1)
	for _, c := range children {
		err = errors.Join(err, descend(fd, path.Join(name, c), s))
	}
	return err
}

// elsewhere adds what the host's disk has outside of folders, unless it only repeats what this machine has.
func (h *Host) elsewhere(root int, s State) error {
	machine, err := openFolder(unix.AT_FDCWD, "/")
	if err != nil {
		return err
	}
	defer unix.Close(machine)
	upper := filepath.Join(h.Folder, "upper")
	return filepath.WalkDir(upper, func(p string, d fs.DirEntry, err error) error {
		name := path.Join("/", strings.TrimPrefix(p, upper))
		if moving.fit("file "+name) || folders.fit(name) || mounted.fit(name) {
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		here, err := describeAt(root, name)
		if err != nil {
			return err
		}
		there, err := describeAt(machine, name)
		if err != nil {
			return err
		}
		if hidden(name) || !slices.Equal(here, there) {
			s["file "+name] = here
		}
		return nil
	})
}
