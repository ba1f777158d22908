package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tree is the upper layer of a host's root before the host starts: what differs from this machine. The first error
// sticks and is reported by err, so that a long list of files reads as a list.
type tree struct {
	upper string
	err   error
}

// file is one regular file to write. Mode 0 means 0644.
type file struct {
	path, text string
	mode       fs.FileMode
	uid, gid   int
	modified   time.Time // zero: now
}

func (t *tree) at(path string) string { return filepath.Join(t.upper, path) }

func (t *tree) keep(err error) {
	if t.err == nil && err != nil {
		t.err = err
	}
}

// parents makes the folders above path as they are on this machine, for an upper folder's owner and mode win.
func (t *tree) parents(path string) {
	dir := filepath.Dir(path)
	if dir == "/" || dir == "." {
		return
	}
	if _, err := os.Lstat(t.at(dir)); err == nil {
		return
	}
	t.parents(dir)
	if hidden(dir) {
		t.keep(os.Mkdir(t.at(dir), 0o755))
		return
	}
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		t.keep(os.Mkdir(t.at(dir), 0o755))
		return
	}
	if err != nil {
		t.keep(err)
		return
	}
	t.keep(os.Mkdir(t.at(dir), 0o755))
	stat := info.Sys().(*syscall.Stat_t)
	t.keep(os.Chown(t.at(dir), int(stat.Uid), int(stat.Gid)))
	t.keep(unix.Chmod(t.at(dir), stat.Mode&0o7777))
}

// write puts a file.
func (t *tree) write(f file) {
	t.parents(f.path)
	if t.err != nil {
		return
	}
	if f.mode == 0 {
		f.mode = 0o644
	}
	at := t.at(f.path)
	t.keep(os.RemoveAll(at))
	t.keep(os.WriteFile(at, []byte(f.text), 0o600))
	t.keep(os.Chown(at, f.uid, f.gid))
	t.keep(unix.Chmod(at, uint32(f.mode.Perm())|special(f.mode)))
	if !f.modified.IsZero() {
		t.keep(os.Chtimes(at, f.modified, f.modified))
	}
}

func special(m fs.FileMode) (bits uint32) {
	for bit, b := range map[fs.FileMode]uint32{fs.ModeSetuid: unix.S_ISUID, fs.ModeSetgid: unix.S_ISGID, fs.ModeSticky: unix.S_ISVTX} {
		if m&bit != 0 {
			bits |= b
		}
	}
	return bits
}

// dir makes a folder with its own owner and mode.
func (t *tree) dir(path string, mode fs.FileMode, uid, gid int) {
	t.parents(path)
	if err := os.Mkdir(t.at(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		t.keep(err)
	}
	t.keep(os.Chown(t.at(path), uid, gid))
	t.keep(unix.Chmod(t.at(path), uint32(mode.Perm())|special(mode)))
}

// empty makes a folder that hides what this machine has in it, in overlayfs' way (an opaque folder).
func (t *tree) empty(path string, mode fs.FileMode) {
	t.dir(path, mode, 0, 0)
	t.keep(unix.Setxattr(t.at(path), "trusted.overlay.opaque", []byte("y"), 0))
}

// hide takes a file of this machine away, in overlayfs' way (a device 0:0).
func (t *tree) hide(path string) {
	if _, err := os.Lstat(path); err != nil {
		return
	}
	t.parents(path)
	t.keep(unix.Mknod(t.at(path), unix.S_IFCHR, 0))
}

func (t *tree) link(path, to string) {
	t.parents(path)
	t.keep(os.RemoveAll(t.at(path)))
	t.keep(os.Symlink(to, t.at(path)))
}

// copy puts a file of this machine.
func (t *tree) copy(from, to string, mode fs.FileMode) {
	raw, err := os.ReadFile(from)
	if err != nil {
		t.keep(err)
		return
	}
	t.write(file{path: to, text: string(raw), mode: mode})
}

// add appends lines to a file of this machine, in the host.
func (t *tree) add(path, lines string) {
	raw, err := os.ReadFile(t.at(path))
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = os.ReadFile(path)
	}
	if err != nil {
		t.keep(fmt.Errorf("add to %s: %w", path, err))
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		t.keep(err)
		return
	}
	stat := info.Sys().(*syscall.Stat_t)
	t.write(file{path: path, text: string(raw) + lines, mode: info.Mode().Perm(), uid: int(stat.Uid), gid: int(stat.Gid)})
}

// A server has none of what a development machine keeps here; what is not in the standard hierarchy goes too.
var (
	emptied = map[string]fs.FileMode{
		"/root": 0o700, "/home": 0o755, "/tmp": 0o777 | fs.ModeSticky, "/var/tmp": 0o777 | fs.ModeSticky, "/opt": 0o755,
		"/srv": 0o755, "/mnt": 0o755, "/media": 0o755, "/run": 0o755, "/usr/local": 0o755, "/var/log": 0o755,
		"/etc/systemd/system": 0o755, "/etc/cron.d": 0o755, "/etc/cron.daily": 0o755, "/etc/cron.hourly": 0o755,
		"/var/spool/cron": 0o755, "/var/lib/redis": 0o755, "/var/cache": 0o755, "/proc": 0o555, "/sys": 0o555, "/dev": 0o755,
		"/usr/share/doc": 0o755,
	}
	standard = "bin boot dev etc home lib lib32 lib64 libx32 media mnt opt proc root run sbin srv sys tmp usr var"
)

func hidden(path string) bool {
	for dir := range emptied {
		if path == dir || strings.HasPrefix(path, dir+"/") {
			return true
		}
	}
	return false
}

// strip makes the development machine look like a freshly installed server.
func (t *tree) strip() {
	for dir, mode := range emptied {
		t.empty(dir, mode)
	}
	names, err := os.ReadDir("/")
	t.keep(err)
	for _, n := range names {
		if !strings.Contains(" "+standard+" ", " "+n.Name()+" ") {
			t.hide("/" + n.Name())
		}
	}
}
