package respond

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// Detach starts this very program anew, in a session of its own, without a
// terminal and with a clean environment: it goes on when the login ends. It is
// the one that undoes what nobody confirms, or that keeps leases. It leaves the control group of the
// login too, with which logind may end it (KillUserProcesses, logind.conf(5)).
func Detach(args ...string) error {
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
