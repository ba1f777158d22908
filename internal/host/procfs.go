package host

import (
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// procfs is a descriptor of /proc with nothing mounted over anything in it, or
// -1 where the kernel gives none (it wants root). Who mounts something over
// /proc/PID hides that process from everybody who looks there; not from this
// copy of the mount, which no path leads to and which ends with demine.
var procfs = sync.OnceValue(func() int {
	fd, err := cloneProcfs()
	if err == unix.ENOSYS {
		fd, err = procfsAside()
	}
	if err != nil {
		return -1
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil || fs.Type != unix.PROC_SUPER_MAGIC {
		_ = unix.Close(fd)
		return -1
	}
	return fd
})

// cloneProcfs takes the mount alone, without those below it.
func cloneProcfs() (int, error) {
	return unix.OpenTree(unix.AT_FDCWD, "/proc", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
}

// procfsAside is open_tree(2) for kernels before 5.2: a thread makes the copy
// in a mount namespace of its own, which ends with the thread.
func procfsAside() (fd int, err error) {
	onThread(func() { fd, err = bindProcfs() })
	return fd, err
}

func bindProcfs() (int, error) {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return -1, err // the next steps are for a namespace of its own only
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return -1, err // what follows would reach the host
	}
	if err := unix.Mount("/proc", "/proc", "", unix.MS_BIND, ""); err != nil {
		return -1, err
	}
	return unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// from says where a path begins: those of processes in procfs, all others
// where the kernel begins them.
func from(p string) (dir int, name string) {
	rest, ok := strings.CutPrefix(p, "/proc")
	switch {
	case !ok || procfs() < 0:
	case rest == "":
		return procfs(), "."
	case len(rest) > 1 && rest[0] == '/' && '1' <= rest[1] && rest[1] <= '9':
		return procfs(), rest[1:]
	}
	return unix.AT_FDCWD, p
}

// OpenProcess opens the folder of a process, whatever is mounted over it.
func OpenProcess(pid int) (fd int, err error) {
	dir, name := from("/proc/" + strconv.Itoa(pid))
	return openAt(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
}
