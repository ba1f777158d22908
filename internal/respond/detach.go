package respond

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Detach starts this very program anew, in a session of its own, without a
// terminal and with a clean environment: it goes on when the login ends. It is
// the one that undoes what nobody confirms, or that keeps leases. It leaves the
// control group of the login too, with which logind may end it (KillUserProcesses,
// logind.conf(5)), and takes along no descriptor of the caller's: a script's lock
// would be held, and its pipe open, for hours.
func Detach(args ...string) error {
	_ = closeOnExec() // better with them than not at all
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start demine as a process of its own: %w", err)
	}
	leaveLogin(cmd.Process.Pid)
	return cmd.Process.Release()
}

// closeOnExec sees to it that no program started from here on gets any descriptor but
// the first three. Go's own are so from the beginning.
func closeOnExec() error {
	if unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil { // Linux 5.11
		return nil
	}
	return closeListedOnExec()
}

func closeListedOnExec() error {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd) // the folder's own is closed by now
		}
	}
	return nil
}

// systemdTree are the places of the hierarchy by which systemd and logind know
// whose a process is: version 2, version 1, both at once.
var systemdTree = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"}

// leaveLogin moves a process to the root of the hierarchy, where any may be
// (cgroups(7), "no internal processes"). A host without one kills no logins.
func leaveLogin(pid int) {
	for _, dir := range systemdTree {
		if f, err := os.OpenFile(dir+"/cgroup.procs", os.O_WRONLY, 0); err == nil {
			_, _ = f.WriteString(strconv.Itoa(pid))
			_ = f.Close()
		}
	}
}
