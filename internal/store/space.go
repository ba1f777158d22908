package store

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrNoSpace: what is left of the file system is left to others.
var ErrNoSpace = errors.New("too little space is left")

// What is never used up: 64 MiB of a disk, or a twentieth of a small one; a
// quarter of memory's, because the host needs that too.
const reserve = 64 << 20

// room is ErrNoSpace if n more bytes would eat into what is left to others.
func (f *folder) room(n int64) error {
	if f == nil {
		return ErrReader
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(f.fd, &st); err != nil {
		return f.error("statfs", ".", err)
	}
	free, all := int64(st.Bavail)*st.Bsize, int64(st.Blocks)*st.Bsize
	keep := min(reserve, all/20)
	if st.Type == unix.TMPFS_MAGIC {
		keep = all / 4
	}
	if all > 0 && free-n < keep {
		return fmt.Errorf("%s: %w (%d bytes free)", f.path, ErrNoSpace, free)
	}
	return nil
}
