// Command boot makes the namespaces it was started in into a host, and then becomes the host's first process.
//
// The lab starts it with new mount, pid, net, uts and ipc namespaces, puts it into the host's cgroups, plugs in the
// network, and only then closes its standard input: that is the sign to go on.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// plan is what the lab wants; the lab writes it as JSON (lab.bootPlan).
type plan struct {
	Upper, Work, Root string   // of the overlay; its lower layer is this machine's /
	Hostname          string   //
	BootID            string   // file to show as /proc/sys/kernel/random/boot_id, or empty
	Cgroups           []cgroup // hierarchies to mount again, seen from the host's own cgroup
	DropCaps          []int    // what a host could hurt the machine with
	Argv, Env         []string // the first process
}

type cgroup struct{ Target, Type, Options string }

func main() {
	// Namespaces and capabilities belong to a thread; exec keeps those of the thread that calls it.
	runtime.LockOSThread()
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "boot:", err)
		os.Exit(1)
	}
}

func run(planFile string) error {
	raw, err := os.ReadFile(planFile)
	if err != nil {
		return err
	}
	var p plan
	if err := json.Unmarshal(raw, &p); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return fmt.Errorf("wait for the lab: %w", err)
	}
	// Only now: the cgroup that the lab has put us into becomes the root of the host's view.
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("unshare cgroup: %w", err)
	}
	if err := unix.Sethostname([]byte(p.Hostname)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	if err := mounts(p); err != nil {
		return err
	}
	for _, c := range p.DropCaps {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if null, err := os.Open("/dev/null"); err == nil {
		unix.Dup2(int(null.Fd()), 0)
	}
	return unix.Exec(p.Argv[0], p.Argv, p.Env)
}

func mounts(p plan) error {
	// Nothing that is mounted here may travel back to the machine.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	opts := fmt.Sprintf("lowerdir=/,upperdir=%s,workdir=%s", p.Upper, p.Work)
	if err := unix.Mount("overlay", p.Root, "overlay", 0, opts); err != nil {
		return fmt.Errorf("mount overlay (%s): %w", opts, err)
	}
	if err := kernelMounts(p.Root); err != nil {
		return err
	}
	if err := bootID(p.Root, p.BootID); err != nil {
		return err
	}
	for _, c := range p.Cgroups {
		at := filepath.Join(p.Root, c.Target)
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(c.Type, at, c.Type, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, c.Options); err != nil {
			return fmt.Errorf("mount %s: %w", c.Target, err)
		}
	}
	return pivot(p.Root)
}

// kernelMounts gives the host its /proc, /sys, /dev and /run. What is the machine's and not the namespaces' is
// read-only or empty: sysctls, sysrq, the kernel's log.
func kernelMounts(root string) error {
	const quiet = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, m := range []struct {
		what, at, data string
		flags          uintptr
	}{
		{"proc", "/proc", "", quiet},
		{"sysfs", "/sys", "", quiet | unix.MS_RDONLY},
		{"tmpfs", "/sys/fs/cgroup", "mode=755", quiet},
		{"tmpfs", "/dev", "mode=755", unix.MS_NOSUID},
		{"tmpfs", "/run", "mode=755", unix.MS_NOSUID | unix.MS_NODEV},
		{"devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=620,gid=5", unix.MS_NOSUID | unix.MS_NOEXEC},
		{"tmpfs", "/dev/shm", "mode=1777", unix.MS_NOSUID | unix.MS_NODEV},
	} {
		at := filepath.Join(root, m.at)
		if strings.HasPrefix(m.at, "/dev/") {
			if err := os.MkdirAll(at, 0o755); err != nil {
				return err
			}
		}
		if err := unix.Mount(m.what, at, m.what, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	if err := devices(root); err != nil {
		return err
	}
	for _, b := range []struct {
		from, at string
		ro       uintptr
	}{
		{"/proc/sys", "/proc/sys", unix.MS_RDONLY},
		{"/proc/sys/net", "/proc/sys/net", 0},
		{"/dev/null", "/proc/kmsg", 0},
		{"/dev/null", "/proc/sysrq-trigger", 0},
	} {
		at := filepath.Join(root, b.at)
		if _, err := os.Lstat(at); errors.Is(err, fs.ErrNotExist) {
			continue // this kernel does without
		}
		if err := unix.Mount(filepath.Join(root, b.from), at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", b.at, err)
		}
		if err := unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NOEXEC|b.ro, ""); err != nil {
			return fmt.Errorf("remount %s: %w", b.at, err)
		}
	}
	return nil
}

func devices(root string) error {
	old := unix.Umask(0)
	defer unix.Umask(old)
	for name, minor := range map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		at := filepath.Join(root, "dev", name)
		if err := unix.Mknod(at, unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))); err != nil {
			return fmt.Errorf("make /dev/%s: %w", name, err)
		}
	}
	if err := unix.Mknod(filepath.Join(root, "dev/tty"), unix.S_IFCHR|0o666, int(unix.Mkdev(5, 0))); err != nil {
		return fmt.Errorf("make /dev/tty: %w", err)
	}
	for name, to := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(to, filepath.Join(root, "dev", name)); err != nil {
			return err
		}
	}
	return nil
}

func pivot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let go of the machine's root: %w", err)
	}
	return os.Chdir("/")
}
