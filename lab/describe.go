package lab

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func openFolder(at int, name string) (int, error) {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", name, err)
	}
	return fd, nil
}

// parent opens the folder that name is in, without leaving root by a link.
func parent(root int, name string) (int, error) {
	return unix.Openat2(root, strings.TrimPrefix(path.Dir(name), "/")+"/.", &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS})
}

// gone says whether something is not there, be it that what should be a folder above it is something else.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// describeAt describes what may not be there.
func describeAt(root int, name string) ([]string, error) {
	dir, err := parent(root, name)
	if err == nil {
		defer unix.Close(dir)
		var lines []string
		if lines, err = describe(dir, strings.Replace(path.Base(name), "/", ".", 1)); err == nil {
			return lines, nil
		}
	}
	if gone(err) {
		return []string{"gone"}, nil
	}
	return nil, fmt.Errorf("%s: %w", name, err)
}

var kinds = map[uint32]string{
	unix.S_IFREG: "regular", unix.S_IFDIR: "directory", unix.S_IFLNK: "link", unix.S_IFIFO: "fifo", unix.S_IFSOCK: "socket",
	unix.S_IFCHR: "character device", unix.S_IFBLK: "block device",
}

// describe is what an undo must restore of a file; when it was changed is not.
func describe(dir int, base string) ([]string, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, err
	}
	kind := st.Mode & unix.S_IFMT
	lines := []string{kinds[kind], fmt.Sprintf("mode %04o", st.Mode&0o7777), fmt.Sprintf("owner %d:%d", st.Uid, st.Gid)}
	var more []string
	var err error
	switch kind {
	case unix.S_IFLNK:
		buf := make([]byte, unix.PathMax)
		var n int
		n, err = unix.Readlinkat(dir, base, buf)
		more = []string{fmt.Sprintf("to %q", buf[:max(n, 0)])}
	case unix.S_IFCHR, unix.S_IFBLK:
		more = []string{fmt.Sprintf("device %d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))}
	case unix.S_IFREG, unix.S_IFDIR:
		more, err = within(dir, base, kind == unix.S_IFREG)
	}
	if err != nil {
		return nil, err
	}
	attrs, err := attributes(fmt.Sprintf("/proc/self/fd/%d/%s", dir, base))
	return slices.Concat(lines, more, attrs), err
}

// within is what only an open file tells.
func within(dir int, base string, text bool) (lines []string, err error) {
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOATIME|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), base)
	defer f.Close()
	if text {
		sum := sha256.New()
		n, err := io.Copy(sum, f)
		if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("size %d", n), fmt.Sprintf("sha256 %x", sum.Sum(nil)))
	}
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return lines, nil // a file system without
	}
	for bit, name := range map[uint32]string{immutable: "immutable", appendOnly: "append only"} {
		if flags&bit != 0 {
			lines = append(lines, name)
		}
	}
	slices.Sort(lines)
	return lines, nil
}

// attributes are the extended ones, but for overlayfs' own.
func attributes(at string) (lines []string, err error) {
	names, err := xattr(func(buf []byte) (int, error) { return unix.Llistxattr(at, buf) })
	if err != nil {
		return nil, err
	}
	for _, name := range strings.FieldsFunc(string(names), func(r rune) bool { return r == 0 }) {
		if strings.HasPrefix(name, "trusted.overlay.") {
			continue
		}
		value, err := xattr(func(buf []byte) (int, error) { return unix.Lgetxattr(at, name, buf) })
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
		lines = append(lines, fmt.Sprintf("attribute %s %q", name, value))
	}
	slices.Sort(lines)
	return lines, nil
}

// xattr reads with a buffer that holds all that Linux allows.
func xattr(read func([]byte) (int, error)) ([]byte, error) {
	buf := make([]byte, 64<<10)
	n, err := read(buf)
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	return buf[:max(n, 0)], err
}
