package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"demine/internal/i18n"
	"demine/internal/respond"
)

// folder is one of demine's own folders, held by its descriptor: what is done
// below it stays below it, whatever becomes of its name.
type folder struct {
	fd   int
	path string // for people
}

func (f *folder) close() {
	if f != nil {
		unix.Close(f.fd)
	}
}

const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// makeFolder opens a folder, and makes it and what is missing above it. It
// gives a *respond.Refusal when another user could change what is in it.
func makeFolder(path string) (*folder, error) { return walk(path, true) }

// openFolder opens a folder that is there.
func openFolder(path string) (*folder, error) { return walk(path, false) }

const maxLinks = 40

// walk goes down from "/" by descriptor. No step may be in another user's
// hand: a link is only followed in a folder that nobody else can write.
func walk(path string, create bool) (*folder, error) {
	if !filepath.IsAbs(path) {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("state folder %s: %w", path, err)
		}
		path = abs
	}
	at, err := unix.Open("/", dirFlags, 0)
	if err != nil {
		return nil, fmt.Errorf("open /: %w", err)
	}
	rest := split(path)
	for links := 0; len(rest) > 0; {
		name, last := rest[0], len(rest) == 1
		next, link, err := step(at, name, create, last)
		if err != nil || links > maxLinks {
			unix.Close(at)
			return nil, unsafe(path, err)
		}
		rest = rest[1:]
		if link == "" {
			unix.Close(at)
			at = next
			continue
		}
		links++
		rest = append(split(link), rest...)
		if filepath.IsAbs(link) {
			unix.Close(at)
			if at, err = unix.Open("/", dirFlags, 0); err != nil {
				return nil, fmt.Errorf("open /: %w", err)
			}
		}
	}
	f := &folder{fd: at, path: path}
	if err := f.own(create); err != nil {
		f.close()
		return nil, unsafe(path, err)
	}
	return f, nil
}

// split leaves ".." in place: in a link it is the kernel's to resolve.
func split(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" || s == "." })
}

// Reasons why a folder is not trusted.
var (
	errLink    = errors.New("is a link")
	errOwner   = errors.New("belongs to another user")
	errWritten = errors.New("can be written by others")
)

// otherwise says what helps when a folder cannot be set right: only that on the disk has
// another name where one is given.
func otherwise(path string) i18n.Message {
	if path == RunDir {
		return i18n.M("store.unsafe.run")
	}
	return i18n.M("store.unsafe.state")
}

// unsafe makes a Refusal of a reason not to trust a folder.
func unsafe(path string, err error) error {
	switch {
	case errors.Is(err, errLink):
		return respond.Refuse("store.unsafe.link", "path", path, "else", otherwise(path))
	case errors.Is(err, errOwner):
		return respond.Refuse("store.unsafe.owner", "path", path, "else", otherwise(path))
	case errors.Is(err, errWritten):
		return respond.Refuse("store.unsafe.writable", "path", path, "else", otherwise(path))
	case err == nil:
		return respond.Refuse("store.unsafe.link", "path", path, "else", otherwise(path)) // too many of them
	}
	return fmt.Errorf("state folder %s: %w", path, err)
}

// step opens one folder below another, or reads the link that stands there.
func step(at int, name string, create, last bool) (fd int, link string, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return -1, "", err
	}
	if st.Uid != 0 && st.Uid != uint32(os.Geteuid()) {
		return -1, "", errOwner
	}
	if othersWrite(&st) && st.Mode&unix.S_ISVTX == 0 {
		return -1, "", errWritten
	}
	fd, err = unix.Openat(at, name, dirFlags, 0)
	if errors.Is(err, unix.ENOENT) && create {
		mode := uint32(0o755)
		if last {
			mode = 0o700
		}
		if err := unix.Mkdirat(at, name, mode); err != nil && !errors.Is(err, unix.EEXIST) {
			return -1, "", err
		}
		fd, err = unix.Openat(at, name, dirFlags, 0)
		_ = unix.Fsync(at)
	}
	if !errors.Is(err, unix.ELOOP) && !errors.Is(err, unix.ENOTDIR) {
		return fd, "", err
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(at, name, buf)
	switch {
	case err != nil:
		return -1, "", unix.ENOTDIR
	case last || othersWrite(&st):
		return -1, "", errLink
	}
	return -1, string(buf[:n]), nil
}

// othersWrite: somebody besides the owner can make names in it. Group root is
// root.
func othersWrite(st *unix.Stat_t) bool {
	return st.Mode&0o002 != 0 || st.Mode&0o020 != 0 && st.Gid != 0
}

// own checks that the folder is ours alone.
func (f *folder) own(repair bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return err
	}
	if st.Uid != uint32(os.Geteuid()) {
		return errOwner
	}
	if st.Mode&0o022 != 0 {
		return errWritten
	}
	if st.Mode&0o077 != 0 && repair { // readable by others: it holds what they may not see
		if err := unix.Fchmod(f.fd, 0o700); err != nil && !errors.Is(err, unix.EROFS) {
			return err
		}
	}
	return nil
}

// sub opens a folder below, and makes it if asked to.
func (f *folder) sub(name string, create bool) (*folder, error) {
	if f == nil {
		return nil, ErrReader
	}
	fd, err := unix.Openat(f.fd, name, dirFlags, 0)
	if errors.Is(err, unix.ENOENT) && create {
		if err := f.mkdir(name); err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, err
		}
		fd, err = unix.Openat(f.fd, name, dirFlags, 0)
	}
	if err != nil {
		return nil, f.error("open", name, err)
	}
	return &folder{fd: fd, path: f.path + "/" + name}, nil
}

// mkdir makes a folder; one that is there is unix.EEXIST.
func (f *folder) mkdir(name string) error {
	if err := unix.Mkdirat(f.fd, name, 0o700); err != nil {
		return f.error("make", name, err)
	}
	return f.sync()
}

func (f *folder) sync() error {
	if err := unix.Fsync(f.fd); err != nil && !errors.Is(err, unix.EINVAL) {
		return f.error("sync", ".", err)
	}
	return nil
}

// open opens a file; with O_CREAT it is for the owner only.
func (f *folder) open(name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(f.fd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, f.error("open", name, err)
	}
	return os.NewFile(uintptr(fd), f.path+"/"+name), nil
}

// write makes a file that was not there; it is on disk when this returns, its
// name after sync.
func (f *folder) write(name string, b []byte) error {
	w, err := f.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return errors.Join(err, w.Sync(), w.Close())
}

// replace gives a file new content, all or nothing.
func (f *folder) replace(name string, b []byte) error {
	tmp := name + ".new"
	_ = f.remove(tmp)
	if err := f.write(tmp, b); err != nil {
		return errors.Join(err, f.remove(tmp))
	}
	if err := unix.Renameat(f.fd, tmp, f.fd, name); err != nil {
		return errors.Join(f.error("rename", tmp, err), f.remove(tmp))
	}
	return f.sync()
}

func (f *folder) remove(name string) error {
	if err := unix.Unlinkat(f.fd, name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return f.error("remove", name, err)
	}
	return nil
}

func (f *folder) rmdir(name string) error {
	if err := unix.Unlinkat(f.fd, name, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, unix.ENOENT) {
		return f.error("remove", name, err)
	}
	return nil
}

// has reports whether there is something of that name.
func (f *folder) has(name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// written is when a file was written last, in nanoseconds; 0 if that cannot be told.
func (f *folder) written(name string) int64 {
	var st unix.Stat_t
	_ = unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st.Mtim.Nano()
}

// names lists the folder, sorted.
func (f *folder) names() ([]string, error) {
	fd, err := unix.Openat(f.fd, ".", dirFlags, 0)
	if err != nil {
		return nil, f.error("list", ".", err)
	}
	d := os.NewFile(uintptr(fd), f.path)
	defer d.Close()
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

func (f *folder) error(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: f.path + "/" + name, Err: err}
}
