package respond

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// maxRewrite is the size of a file up to which it is written in place: its old
// content is held, to be put back if writing fails.
const maxRewrite = 64 << 20

// rewrite writes into the file that is there, for one whose name no other file
// can take. A crash in it leaves part of the new content before part of the
// old; see torn. One with several names is only written where nobody but root
// could have given it the others: a link can be any file of the host.
func (f *folder) rewrite(now, to FileState, fill func(io.Writer) error) (int, error) {
	switch {
	case now.Type != "regular" || to.Type != "regular":
		return -1, ErrDrifted
	case now.Links > 1 && !f.ours:
		return -1, Refuse("refuse.file.several-names", "path", f.path.String(), "n", int(now.Links))
	case max(now.Size, to.Size) > maxRewrite:
		return -1, Refuse("refuse.file.too-large", "path", f.path.String(), "size", max(now.Size, to.Size))
	}
	fd, is, err := f.open(unix.O_RDWR)
	if err != nil {
		return -1, err
	}
	if is.ID != now.ID {
		closeFile(fd)
		return -1, ErrDrifted
	}
	before, err := f.times(fd)
	if err == nil {
		err = overwrite(fd, now.Size, to, fill)
	}
	if err == nil {
		err = errors.Join(moveTime(fd, before.file), moveTime(f.fd, before.folder))
	}
	if err != nil {
		closeFile(fd)
		return -1, err
	}
	return fd, nil
}

// overwrite gives an open file new content, or leaves it with the old.
func overwrite(fd int, size int64, to FileState, fill func(io.Writer) error) error {
	old, err := io.ReadAll(contentOfFD(fd, size))
	if err != nil {
		return err
	}
	if to.Size > size {
		// Room first: half a file is worse than none.
		err = unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, to.Size)
		if noSpace(err) {
			return err
		}
	}
	if err = fill(&fdWriter{fd: fd}); err == nil {
		err = unix.Ftruncate(fd, to.Size)
	}
	if err != nil {
		_, back := unix.Seek(fd, 0, io.SeekStart)
		if back == nil {
			_, back = (&fdWriter{fd: fd}).Write(old)
		}
		return errors.Join(err, back, unix.Ftruncate(fd, size))
	}
	return errors.Join(setMeta(fd, to), fsync(fd))
}

// torn reports whether content can be what a crash left of writing next over
// old in place: the start of the one, then the rest of the other.
func torn(content, old, next []byte) bool {
	n := 0
	for n < len(content) && n < len(next) && content[n] == next[n] {
		n++
	}
	if n >= len(old) { // the old content was written over whole
		return n == len(content)
	}
	return string(content[n:]) == string(old[n:])
}
