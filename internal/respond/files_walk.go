package respond

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// folder is the folder of a file, held open, and the file's name in it. What
// is done through it happens in that folder, whatever becomes of its path.
type folder struct {
	fd   int
	name string
	path fact.Path
	// ours: only root could have made or moved anything on the way.
	ours bool
}

func (f *folder) close() { unix.Close(f.fd) }

// wrap names the file in an error of the system.
func (f *folder) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: f.path.String(), Err: err}
}

// openFolder walks to the folder of an absolute path.
func openFolder(p fact.Path) (*folder, error) {
	s := string(p)
	if !strings.HasPrefix(s, "/") || s != path.Clean(s) || s == "/" || strings.IndexByte(s, 0) >= 0 {
		return nil, fmt.Errorf("path %q: not absolute and plain", p.String())
	}
	f := &folder{name: path.Base(s), path: p}
	w := &walker{}
	defer w.close()
	err := w.push(unix.AT_FDCWD, "/")
	if err == nil {
		err = w.down(path.Dir(s))
	}
	if err != nil {
		return nil, f.wrap("walk to", err)
	}
	top := w.top()
	f.ours = top.ours
	if f.fd, err = openat(top.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0); err != nil {
		return nil, f.wrap("open the folder of", err)
	}
	return f, nil
}

// openat is unix.Openat that is not interrupted and closes on exec.
func openat(dir int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// walker goes through folders by descriptor. Opening them with O_PATH has no
// effect on what they are: a FIFO or device in the place of one does nothing.
type walker struct {
	stack []opened
	hops  int
}

type opened struct {
	fd   int
	ours bool
}

func (w *walker) top() opened { return w.stack[len(w.stack)-1] }

func (w *walker) close() { w.cut(0) }

// cut leaves the first n folders open.
func (w *walker) cut(n int) {
	for _, o := range w.stack[n:] {
		unix.Close(o.fd)
	}
	w.stack = w.stack[:n]
}

// maxLinks is the kernel's MAXSYMLINKS (include/linux/namei.h).
const maxLinks = 40

func (w *walker) down(p string) error {
	for part := range strings.SplitSeq(p, "/") {
		var err error
		switch part {
		case "", ".":
		case "..":
			w.cut(max(1, len(w.stack)-1))
		default:
			err = w.push(w.top().fd, part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// push opens one name in a folder.
func (w *walker) push(dir int, name string) error {
	fd, err := openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return err
	}
	ours := len(w.stack) == 0 || w.top().ours
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		w.stack = append(w.stack, opened{fd, ours && st.Uid == 0 && st.Mode&0o022 == 0})
		return nil
	case unix.S_IFLNK:
		defer unix.Close(fd)
		return w.link(fd, ours && st.Uid == 0)
	}
	unix.Close(fd)
	return unix.ENOTDIR
}

// link follows a link that only root can have put there. The links of proc are
// none: they lead wherever a process wants.
func (w *walker) link(fd int, ours bool) error {
	var at unix.Statfs_t
	if err := unix.Fstatfs(w.top().fd, &at); err != nil {
		return err
	}
	if !ours || at.Type == unix.PROC_SUPER_MAGIC {
		return errForeignLink
	}
	if w.hops++; w.hops > maxLinks {
		return unix.ELOOP
	}
	to, err := readlinkat(fd, "")
	if err != nil {
		return err
	}
	if strings.HasPrefix(to, "/") {
		w.cut(1)
	}
	return w.down(to)
}

// errForeignLink: a link on the way that others than root could have made.
var errForeignLink = fmt.Errorf("%w: a link stands on the way that is not followed", ErrDrifted)

func readlinkat(fd int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}
