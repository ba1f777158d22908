package respond

import (
	"errors"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/host"
)

// FileOwner is whose a file or folder is, and who may use it.
type FileOwner struct {
	ID   fact.FileID `json:"id,omitzero"`
	Type string      `json:"type"`
	Mode uint32      `json:"mode"`
	UID  int         `json:"uid"`
	GID  int         `json:"gid"`
}

// same is for a file that its program may have replaced: another inode.
func (o FileOwner) same(p FileOwner) bool {
	return o.Type == p.Type && o.Mode == p.Mode && o.UID == p.UID && o.GID == p.GID
}

func (liveFiles) SetOwner(p fact.Path, was, to FileOwner) error {
	f, err := openFolder(p)
	if err != nil {
		return err
	}
	defer f.close()
	fd, err := f.owned(was)
	if err != nil {
		return f.wrap("change the owner of", err)
	}
	defer unix.Close(fd)
	// The mode after the owner: a change of owner takes set-id bits away.
	return f.wrap("change the owner of", errors.Join(unix.Fchown(fd, to.UID, to.GID), unix.Fchmod(fd, to.Mode), fsync(fd)))
}

// owned opens what must belong to whom it did. A file with other names may be
// somebody's else under one of them.
func (f *folder) owned(was FileOwner) (int, error) {
	flags := unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY
	if was.Type == "dir" {
		flags |= unix.O_DIRECTORY
	} else if was.Type != "regular" {
		return -1, ErrDrifted
	}
	var st unix.Stat_t
	if err := unix.Fstatat(f.fd, f.name, &st, unix.AT_SYMLINK_NOFOLLOW); err == unix.ENOENT {
		return -1, ErrGone
	} else if err != nil {
		return -1, err
	}
	if host.TypeOf(st.Mode) != was.Type { // opening a device has effects
		return -1, ErrDrifted
	}
	fd, err := openat(f.fd, f.name, flags, 0)
	if err != nil {
		return -1, err
	}
	err = unix.Fstat(fd, &st)
	now := statState(&st)
	switch is := (FileOwner{now.ID, now.Type, now.Mode, now.UID, now.GID}); {
	case err != nil:
	case is != was:
		err = ErrDrifted
	case is.Type == "regular" && st.Nlink > 1:
		err = Refuse("refuse.file.several-names", "path", f.path.String(), "n", int(st.Nlink))
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
