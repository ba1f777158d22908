package respond

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"unsafe"

	"crypto/rand"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

func (liveFiles) Replace(p fact.Path, was FileState, content []byte) (FileState, error) {
	to := was
	to.Missing, to.Type, to.Size = false, "regular", int64(len(content))
	return putAt(p, was, to, func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(content))
		return err
	})
}

// putAt puts a file in the place of what now stands there.
func putAt(p fact.Path, now, to FileState, fill func(io.Writer) error) (FileState, error) {
	f, err := openFolder(p)
	if err != nil {
		return FileState{}, err
	}
	defer f.close()
	fd, is, err := f.expect(now)
	if err != nil {
		return FileState{}, f.wrap("replace", err)
	}
	defer closeFile(fd)
	if !is.Missing && is.Type != "regular" && is.Type != "link" {
		return FileState{}, f.wrap("replace", ErrDrifted)
	}
	if is.Missing && to.Folder == nil {
		to.Folder = is.Folder // made anew: nobody has said what its folder should have
	}
	if err := f.put(fd, is, to, fill); err != nil {
		return FileState{}, f.wrap("replace", err)
	}
	f.sweep(to.ID)
	fd, is, err = f.state()
	closeFile(fd)
	return is, f.wrap("state of", err)
}

// put changes what stands at the name, now and open as fd, to another file. On
// an error the flags are as they were.
func (f *folder) put(fd int, now, to FileState, fill func(io.Writer) error) error {
	if err := f.loosen(fd); err != nil {
		return err
	}
	placed, err := f.place(fd, now, to, fill)
	if err != nil {
		if fd >= 0 {
			err = errors.Join(err, setFlags(fd, now.Flags))
		}
		return errors.Join(err, setFlags(f.fd, now.Folder))
	}
	defer closeFile(placed)
	if err := fsync(f.fd); err != nil {
		return err
	}
	if placed >= 0 {
		err = setFlags(placed, to.Flags)
	}
	return errors.Join(err, setFlags(f.fd, to.Folder))
}

// loosen takes off the flags that forbid to change a file and its folder.
func (f *folder) loosen(fd int) error {
	if fd >= 0 {
		if err := setFlags(fd, nil); err != nil {
			return err
		}
	}
	return setFlags(f.fd, nil)
}

// place writes a new file beside the old one and lets it take the name, or
// where that cannot be writes into the old one. It gives the file open.
func (f *folder) place(fd int, now, to FileState, fill func(io.Writer) error) (int, error) {
	if now.Links > 1 && now.Type == "regular" {
		return f.rewrite(now, to, fill)
	}
	before, err := f.times(fd)
	if err != nil {
		return -1, err
	}
	name, placed, err := f.temporary(to, before.file, fill)
	if err == nil {
		err = f.swap(name, placed, now)
	}
	if err != nil {
		closeFile(placed)
		f.unlink(name)
		if cannotSwap(err) || noSpace(err) && to.Size <= now.Size && now.Type == "regular" {
			return f.rewrite(now, to, fill)
		}
		return -1, err
	}
	return placed, moveTime(f.fd, before.folder)
}

// cannotSwap: no other file can take the place of one that is mounted.
func cannotSwap(err error) bool { return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EXDEV) }

func noSpace(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// temporaryName is where a new file is written, or an old one put aside. It is
// the same each time, so that what a crash leaves is taken away by the next
// attempt; a leading dot keeps cron, systemd and their like from reading it.
func (f *folder) temporaryName(kind string) string {
	s := sha256.Sum256([]byte(f.path))
	return ".demine-" + hex.EncodeToString(s[:8]) + kind
}

// unlink takes away what stands at one of demine's own names.
func (f *folder) unlink(name string) {
	if name != "" {
		_ = unix.Unlinkat(f.fd, name, 0)
	}
}

// sweep takes away a file that a crash left aside.
func (f *folder) sweep(id fact.FileID) {
	aside := f.temporaryName(".old")
	if is, err := f.idOf(aside); err == nil && is == id {
		f.unlink(aside)
	}
}

// temporary writes a file under a name of its own. The name comes also with an
// error.
func (f *folder) temporary(to FileState, before unix.Timespec, fill func(io.Writer) error) (string, int, error) {
	name := f.temporaryName(".new")
	f.unlink(name)
	if to.Type == "link" {
		if err := unix.Symlinkat(string(to.Link), f.fd, name); err != nil {
			return name, -1, err
		}
		return name, -1, unix.Fchownat(f.fd, name, to.UID, to.GID, unix.AT_SYMLINK_NOFOLLOW)
	}
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW
	fd, err := openat(f.fd, name, flags, 0o600)
	if err == unix.EEXIST { // a folder, put there to be in the way
		name = ".demine-" + rand.Text()
		fd, err = openat(f.fd, name, flags, 0o600)
	}
	if err != nil {
		return "", -1, err
	}
	err = fill(&fdWriter{fd: fd})
	if err == nil {
		err = setMeta(fd, to)
	}
	if err == nil {
		err = moveTime(fd, before)
	}
	if err == nil {
		err = fsync(fd)
	}
	return name, fd, err
}

// setMeta gives an open file mode, owner and xattrs. The order matters: a
// change of owner takes set-id bits and capabilities away, one of the mode
// changes the mask of an ACL.
func setMeta(fd int, to FileState) error {
	if err := unix.Fchown(fd, to.UID, to.GID); err != nil {
		return err
	}
	if err := unix.Fchmod(fd, to.Mode); err != nil {
		return err
	}
	return setXattrs(fd, to.Xattrs)
}

// swap lets the temporary file take the name, if what is there is still what
// it was. Where the kernel can exchange names (renameat2, 3.15), what comes out
// is looked at again before it is let go.
func (f *folder) swap(name string, fd int, now FileState) error {
	fresh, err := f.idOf(name)
	if err != nil {
		return err
	}
	if now.Missing {
		err = f.renameFree(name)
	} else {
		err = f.exchange(name, now.ID)
	}
	if err != nil {
		return err
	}
	if id, err := f.idOf(f.name); err != nil || id != fresh {
		return ErrDrifted
	}
	return nil
}

// renameFree takes a name that must be free.
func (f *folder) renameFree(from string) error {
	err := unix.Renameat2(f.fd, from, f.fd, f.name, unix.RENAME_NOREPLACE)
	if err == unix.ENOSYS || err == unix.EINVAL {
		if err = unix.Linkat(f.fd, from, f.fd, f.name, 0); err == nil {
			return unix.Unlinkat(f.fd, from, 0)
		}
	}
	if err == unix.EEXIST {
		return ErrDrifted
	}
	return err
}

func (f *folder) exchange(name string, was fact.FileID) error {
	err := unix.Renameat2(f.fd, name, f.fd, f.name, unix.RENAME_EXCHANGE)
	if err == unix.ENOSYS || err == unix.EINVAL || err == unix.EXDEV {
		if id, err := f.idOf(f.name); err != nil || id != was {
			return ErrDrifted
		}
		return unix.Renameat(f.fd, name, f.fd, f.name)
	}
	if err != nil {
		return err
	}
	if id, err := f.idOf(name); err != nil || id != was {
		_ = unix.Renameat2(f.fd, name, f.fd, f.name, unix.RENAME_EXCHANGE)
		return ErrDrifted
	}
	return unix.Unlinkat(f.fd, name, 0)
}

func (f *folder) idOf(name string) (fact.FileID, error) {
	var st unix.Stat_t
	err := unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return fact.FileID{Dev: uint64(st.Dev), Ino: st.Ino}, err
}

// fdWriter writes to a descriptor.
type fdWriter struct{ fd int }

func (w *fdWriter) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := unix.Write(w.fd, b[done:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

func fsync(fd int) error {
	for {
		if err := unix.Fsync(fd); err != unix.EINTR {
			return err
		}
	}
}

// before are the modification times before a change.
type modified struct{ file, folder unix.Timespec }

func (f *folder) times(fd int) (m modified, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return m, err
	}
	m.folder = st.Mtim
	if fd >= 0 {
		err = unix.Fstat(fd, &st)
		m.file = st.Mtim
	}
	return m, err
}

// moveTime sees to it that the modification time is another second than it
// was: cron does not read anew what has the same.
func moveTime(fd int, was unix.Timespec) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mtim.Sec != was.Sec {
		return err
	}
	ts := [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: was.Sec + 1}}
	_, _, e := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}
