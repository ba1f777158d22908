package host

import (
	"os"
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
	return os.NewFile(uintptr(fd), name), info, nil
}

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
