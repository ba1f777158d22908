package respond

import (
	"errors"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

func (liveFiles) SetMeta(p fact.Path, was, to FileState) (FileState, error) {
	f, err := openFolder(p)
	if err != nil {
		return FileState{}, err
	}
	defer f.close()
	fd, now, err := f.expect(was)
	if err != nil {
		return FileState{}, f.wrap("change", err)
	}
	defer closeFile(fd)
	if now.Type != "regular" {
		return FileState{}, f.wrap("change", ErrDrifted)
	}
	if now.Links > 1 && !f.ours {
		return FileState{}, Refuse("refuse.file.several-names", "path", p.String(), "n", int(now.Links))
	}
	if err := setFlags(fd, nil); err != nil {
		return FileState{}, f.wrap("change", err)
	}
	if err := setMeta(fd, to); err != nil {
		return FileState{}, f.wrap("change", errors.Join(err, setMeta(fd, now), setFlags(fd, now.Flags)))
	}
	err = errors.Join(setFlags(fd, to.Flags), setFlags(f.fd, to.Folder), fsync(fd))
	if err != nil {
		return FileState{}, f.wrap("change", err)
	}
	last, now, err := f.state()
	closeFile(last)
	return now, f.wrap("state of", err)
}

func (liveFiles) MakeDir(p fact.Path, mode uint32, uid, gid int) error {
	f, err := openFolder(p)
	if err != nil {
		return err
	}
	defer f.close()
	if err := unix.Mkdirat(f.fd, f.name, 0o700); err != nil {
		if err == unix.EEXIST {
			return f.exists()
		}
		return f.wrap("make", err)
	}
	fd, err := openat(f.fd, f.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return f.wrap("make", err)
	}
	defer unix.Close(fd)
	return f.wrap("make", errors.Join(unix.Fchown(fd, uid, gid), unix.Fchmod(fd, mode), fsync(fd), fsync(f.fd)))
}

// exists tells a folder that is there already from something else at its name.
func (f *folder) exists() error {
	var st unix.Stat_t
	if err := unix.Fstatat(f.fd, f.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return f.wrap("make", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return f.wrap("make", ErrDrifted)
	}
	return ErrNothing
}

func (liveFiles) RemoveDir(p fact.Path) error {
	f, err := openFolder(p)
	if errors.Is(err, unix.ENOENT) {
		return ErrNothing
	}
	if err != nil {
		return err
	}
	defer f.close()
	err = unix.Unlinkat(f.fd, f.name, unix.AT_REMOVEDIR)
	if err == unix.ENOENT {
		return ErrNothing
	}
	return f.wrap("remove", errors.Join(err, fsync(f.fd)))
}
