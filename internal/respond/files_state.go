package respond

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/host"
)

// liveFiles changes the file tree that demine itself sees.
type liveFiles struct{}

// LiveFiles changes the files of the running host.
func LiveFiles() Files { return liveFiles{} }

func (liveFiles) State(p fact.Path) (FileState, error) {
	f, err := openFolder(p)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return FileState{Missing: true}, nil
	}
	if err != nil {
		return FileState{}, err
	}
	defer f.close()
	fd, st, err := f.state()
	closeFile(fd)
	return st, f.wrap("state of", err)
}

// state describes what stands at the name now. Of a regular file it gives the
// open descriptor as well, else -1.
func (f *folder) state() (int, FileState, error) {
	fd, st, err := f.open(unix.O_RDONLY)
	if err != nil {
		return fd, st, err
	}
	if st.Folder, err = flagsOf(f.fd); err != nil || st.Missing {
		return fd, st, err
	}
	if st.Type == "link" {
		to, err := readlinkat(f.fd, f.name)
		st.Link = fact.Path(to)
		return fd, st, err
	}
	if fd < 0 {
		return fd, st, nil
	}
	if st.Flags, err = flagsOf(fd); err != nil {
		return fd, st, err
	}
	if st.Xattrs, err = xattrsOf(fd); err != nil {
		return fd, st, err
	}
	st.SHA256, err = sumOf(fd, st.Size)
	return fd, st, err
}

// open opens a regular file and gives what stat tells of whatever is there.
// Nothing else is opened: opening a FIFO blocks, opening a device has effects.
func (f *folder) open(flags int) (int, FileState, error) {
	var st unix.Stat_t
	err := unix.Fstatat(f.fd, f.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return -1, FileState{Missing: true}, nil
	}
	if err != nil {
		return -1, FileState{}, err
	}
	is := statState(&st)
	if is.Type != "regular" {
		return -1, is, nil
	}
	fd, err := openat(f.fd, f.name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return -1, is, err
	}
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, is, err
	}
	if now := statState(&st); now.ID != is.ID || now.Type != is.Type {
		unix.Close(fd)
		return -1, is, ErrDrifted
	}
	return fd, is, nil
}

// expect opens a file that must be what it was.
func (f *folder) expect(was FileState) (int, FileState, error) {
	fd, now, err := f.state()
	switch {
	case err != nil:
	case now.Missing && !was.Missing:
		err = ErrGone
	case !now.is(was):
		err = ErrDrifted
	}
	if err != nil {
		closeFile(fd)
		return -1, now, err
	}
	return fd, now, nil
}

func closeFile(fd int) {
	if fd >= 0 {
		unix.Close(fd)
	}
}

func statState(st *unix.Stat_t) FileState {
	s := FileState{
		Type: host.TypeOf(st.Mode), ID: fact.FileID{Dev: uint64(st.Dev), Ino: st.Ino}, Mode: st.Mode & 0o7777,
		UID: int(st.Uid), GID: int(st.Gid), Size: st.Size, Links: uint64(st.Nlink),
	}
	if s.Type == "dir" {
		s.Size, s.Links = 0, 0 // they change with what is in it
	}
	return s
}

// descriptor reads an open file from its start without moving it.
type descriptor int

func (d descriptor) ReadAt(b []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(int(d), b, off)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0 && len(b) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func contentOfFD(fd int, size int64) io.Reader { return io.NewSectionReader(descriptor(fd), 0, size) }

// sumOf sums the content; one that grows or shrinks meanwhile has drifted.
func sumOf(fd int, size int64) (string, error) {
	if size > SumLimit {
		return "", nil
	}
	h := sha256.New()
	n, err := io.Copy(h, contentOfFD(fd, size+1))
	if err == nil && n != size {
		err = fmt.Errorf("%w: it is being written", ErrDrifted)
	}
	return hex.EncodeToString(h.Sum(nil)), err
}

func sumHex(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// Inode flags of linux/fs.h, by their names here.
var inodeFlags = []struct {
	name string
	bit  uint32
}{{"immutable", 0x10}, {"append", 0x20}}

// flagsOf gives none where the file system keeps none.
func flagsOf(fd int) ([]string, error) {
	bits, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if noFlags(err) {
		return nil, nil
	}
	var out []string
	for _, f := range inodeFlags {
		if bits&f.bit != 0 {
			out = append(out, f.name)
		}
	}
	return out, err
}

func noFlags(err error) bool {
	return err == unix.ENOTTY || err == unix.EOPNOTSUPP || err == unix.EINVAL || err == unix.ENOSYS
}

// setFlags makes these the only ones of our flags; others stay.
func setFlags(fd int, flags []string) error {
	bits, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if noFlags(err) && len(flags) == 0 {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("get flags", err)
	}
	want := bits
	for _, f := range inodeFlags {
		want &^= f.bit
		if slices.Contains(flags, f.name) {
			want |= f.bit
		}
	}
	if want == bits {
		return nil
	}
	return os.NewSyscallError("set flags", unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(want)))
}

// maxXattrs is XATTR_LIST_MAX and XATTR_SIZE_MAX of linux/limits.h.
const maxXattrs = 64 << 10

func xattrsOf(fd int) (map[string][]byte, error) {
	buf := make([]byte, maxXattrs)
	n, err := unix.Flistxattr(fd, buf)
	if err == unix.EOPNOTSUPP || err == unix.ENOSYS || n == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, os.NewSyscallError("list attributes", err)
	}
	out := map[string][]byte{}
	value := make([]byte, maxXattrs)
	for _, name := range strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if ofContent(name) {
			continue
		}
		n, err := unix.Fgetxattr(fd, name, value)
		if err == unix.ENODATA {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", name, err)
		}
		out[name] = slices.Clone(value[:n])
	}
	return out, nil
}

// ofContent are attributes that the kernel makes of a file's content.
func ofContent(name string) bool { return name == "security.ima" || name == "security.evm" }

// setXattrs makes these the attributes of a file.
func setXattrs(fd int, want map[string][]byte) error {
	have, err := xattrsOf(fd)
	if err != nil {
		return err
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			if err := unix.Fremovexattr(fd, name); err != nil && err != unix.ENODATA {
				return fmt.Errorf("attribute %q: %w", name, err)
			}
		}
	}
	for name, v := range want {
		if old, ok := have[name]; ok && string(old) == string(v) {
			continue
		}
		if err := unix.Fsetxattr(fd, name, v, 0); err != nil {
			return fmt.Errorf("attribute %q: %w", name, err)
		}
	}
	return nil
}
