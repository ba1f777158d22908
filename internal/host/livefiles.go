package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sort"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// liveFiles reads the file tree that demine itself sees, but processes as the
// kernel tells of them (procfs).
type liveFiles struct{}

// open never blocks on a FIFO and never becomes the terminal's owner.
const openFlags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY

func openAt(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// openRegular opens p and refuses everything but a regular file. The type is
// checked before the open as well: opening some devices has effects.
func openRegular(p string) (int, Info, error) {
	dir, name := from(p)
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, 0); err != nil {
		return -1, Info{}, pathError("stat", p, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return -1, statInfo(&st), pathError("open", p, ErrNotRegular)
	}
	fd, err := openAt(dir, name, openFlags)
	if err != nil {
		return -1, Info{}, pathError("open", p, err)
	}
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, Info{}, pathError("stat", p, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return -1, statInfo(&st), pathError("open", p, ErrNotRegular)
	}
	return fd, statInfo(&st), nil
}

func pathError(op, p string, err error) error {
	return &fs.PathError{Op: op, Path: fact.Path(p).String(), Err: err}
}

func (liveFiles) ReadFile(p fact.Path, limit int) ([]byte, Info, error) {
	fd, info, err := openRegular(string(p))
	if err != nil {
		return nil, info, err
	}
	defer unix.Close(fd)
	size := min(int(info.Size), limit) + 512
	if info.Size > int64(limit) {
		size = limit + 1
	}
	b, err := readFD(fd, make([]byte, 0, size), limit+1)
	if err != nil {
		return b, info, pathError("read", string(p), err)
	}
	if len(b) > limit {
		return b[:limit], info, pathError("read", string(p), fmt.Errorf("%w (%d bytes)", ErrTooLarge, info.Size))
	}
	return b, info, nil
}

// readFD reads to the end or to max bytes, growing buf as needed.
func readFD(fd int, buf []byte, max int) ([]byte, error) {
	for len(buf) < max {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := unix.Read(fd, buf[len(buf):min(cap(buf), max)])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return buf, err
		}
		if n == 0 {
			break
		}
		buf = buf[:len(buf)+n]
	}
	return buf, nil
}

func (f liveFiles) ReadTail(p fact.Path, limit int) ([]byte, int64, error) {
	r, info, err := f.Open(p)
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	off := max(0, info.Size-int64(limit))
	b := make([]byte, info.Size-off)
	n, err := r.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], off, err
}

func (liveFiles) Open(p fact.Path) (File, Info, error) {
	fd, info, err := openRegular(string(p))
	if err != nil {
		return nil, info, err
	}
	return os.NewFile(uintptr(fd), string(p)), info, nil
}

func (liveFiles) Names(p fact.Path) ([]string, error) {
	d, err := liveFiles{}.OpenDir(p)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Names(".")
}

func (liveFiles) Readlink(p fact.Path) (fact.Path, error) {
	s, err := readlinkAt(from(string(p)))
	if err != nil {
		return "", pathError("readlink", string(p), err)
	}
	return fact.Path(s), nil
}

func (liveFiles) Stat(p fact.Path) (Info, error)  { return statx(string(p), 0) }
func (liveFiles) Lstat(p fact.Path) (Info, error) { return statx(string(p), unix.AT_SYMLINK_NOFOLLOW) }

// Inode flags of linux/fs.h.
const (
	flagImmutable = 0x10
	flagAppend    = 0x20
)

func (liveFiles) Flags(p fact.Path) ([]string, error) {
	fd, _, err := openRegular(string(p))
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	bits, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return nil, pathError("flags", string(p), err)
	}
	var out []string
	if bits&flagImmutable != 0 {
		out = append(out, "immutable")
	}
	if bits&flagAppend != 0 {
		out = append(out, "append")
	}
	return out, nil
}

func (liveFiles) OpenDir(p fact.Path) (Dir, error) {
	dir, name := from(string(p))
	fd, err := openAt(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return nil, pathError("open", string(p), err)
	}
	return liveDir(fd), nil
}

// liveDir is a directory by its descriptor.
type liveDir int

func (d liveDir) Close() error { return unix.Close(int(d)) }

func (d liveDir) ReadFile(name string, buf []byte) ([]byte, error) {
	fd, err := openAt(int(d), name, openFlags)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if cap(buf) == 0 {
		buf = make([]byte, 0, 4096)
	}
	return readFD(fd, buf[:0], cap(buf))
}

func (d liveDir) Readlink(name string) (string, error) { return readlinkAt(int(d), name) }

func (d liveDir) Stat(name string) (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(d), name, &st, 0); err != nil {
		return Info{}, err
	}
	return statInfo(&st), nil
}

func (d liveDir) Names(name string) ([]string, error) {
	fd, err := openAt(int(d), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var names []string
	buf := make([]byte, 8192)
	for {
		n, err := unix.Getdents(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			sort.Strings(names)
			return names, err
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

func readlinkAt(dir int, name string) (string, error) {
	var buf [4096]byte
	n, err := unix.Readlinkat(dir, name, buf[:])
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// statx asks for the birth time where the kernel has statx(2) (4.11) and does
// without it elsewhere.
func statx(p string, flags int) (Info, error) {
	dir, name := from(p)
	var x unix.Statx_t
	err := unix.Statx(dir, name, flags|unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &x)
	if err == unix.ENOSYS || err == unix.EPERM { // EPERM: an old container runtime's seccomp, which does not know it
		var st unix.Stat_t
		if err := unix.Fstatat(dir, name, &st, flags); err != nil {
			return Info{}, pathError("stat", p, err)
		}
		return statInfo(&st), nil
	}
	if err != nil {
		return Info{}, pathError("stat", p, err)
	}
	i := Info{
		Type: TypeOf(uint32(x.Mode)), Mode: uint32(x.Mode) & 0o7777, UID: int(x.Uid), GID: int(x.Gid),
		Size: int64(x.Size), Links: uint64(x.Nlink),
		ID:       fact.FileID{Dev: unix.Mkdev(x.Dev_major, x.Dev_minor), Ino: x.Ino},
		Modified: time.Unix(x.Mtime.Sec, int64(x.Mtime.Nsec)),
		Changed:  time.Unix(x.Ctime.Sec, int64(x.Ctime.Nsec)),
	}
	if x.Mask&unix.STATX_BTIME != 0 {
		i.Born = time.Unix(x.Btime.Sec, int64(x.Btime.Nsec))
	}
	return i, nil
}

func statInfo(st *unix.Stat_t) Info {
	return Info{
		Type: TypeOf(st.Mode), Mode: st.Mode & 0o7777, UID: int(st.Uid), GID: int(st.Gid),
		Size: st.Size, Links: uint64(st.Nlink),
		ID:       fact.FileID{Dev: uint64(st.Dev), Ino: st.Ino},
		Modified: time.Unix(st.Mtim.Sec, st.Mtim.Nsec),
		Changed:  time.Unix(st.Ctim.Sec, st.Ctim.Nsec),
	}
}

// TypeOf is the type in the mode bits of stat(2), in the words of Info.Type.
func TypeOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "regular"
	case unix.S_IFDIR:
		return "dir"
	case unix.S_IFLNK:
		return "link"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "device"
}

// Join joins a directory and a name of the host as bytes.
func Join(dir fact.Path, name string) fact.Path {
	return fact.Path(path.Join(string(dir), name))
}
