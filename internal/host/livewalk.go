package host

import (
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

func (d liveDir) Lstat(name string) (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(d), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Info{}, pathError("stat", name, err)
	}
	return statInfo(&st), nil
}

func (d liveDir) Open(name string) (File, Info, error) {
	info, err := d.Lstat(name) // opening some devices has effects
	if err == nil && info.Type != "regular" {
		err = pathError("open", name, ErrNotRegular)
	}
	if err != nil {
		return nil, info, err
	}
	fd, info, err := d.open(name, openFlags)
	if err != nil {
		return nil, info, err
	}
	if info.Type != "regular" {
		unix.Close(fd)
		return nil, info, pathError("open", name, ErrNotRegular)
	}
	return walked(fd), info, nil
}

// walked is a file by its descriptor. A walk opens very many, and os.File asks
// the poller about each.
type walked int

func (f walked) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m, err := unix.Pread(int(f), p[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, err
		case m == 0:
			return n, io.EOF
		default:
			n += m
		}
	}
	return n, nil
}

func (f walked) Close() error { return unix.Close(int(f)) }

func (d liveDir) Sub(name string) (Dir, Info, error) {
	fd, info, err := d.open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	return liveDir(fd), info, err
}

// open opens a name of the directory itself, never what a link leads to.
func (d liveDir) open(name string, flags int) (int, Info, error) {
	if strings.Contains(name, "/") || name == ".." {
		return -1, Info{}, pathError("open", name, unix.EINVAL)
	}
	fd, err := openAt(int(d), name, flags|unix.O_NOFOLLOW)
	if err != nil {
		return -1, Info{}, pathError("open", name, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, Info{}, pathError("stat", name, err)
	}
	return fd, statInfo(&st), nil
}
