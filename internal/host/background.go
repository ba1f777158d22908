package host

import "golang.org/x/sys/unix"

// Background runs f on a thread of its own with the lowest priority, for CPU
// and for disks, and waits for it. The thread ends with f.
func Background(f func()) {
	onThread(func() {
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 19)
		// ioprio_set(2): of this thread, class idle (linux/ioprio.h).
		const who, idle = 1, 3 << 13
		_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, who, 0, idle)
		f()
	})
}
