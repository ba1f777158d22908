package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bootPlan is what lab/boot reads (its type plan).
type bootPlan struct {
	Upper, Work, Root string
	Hostname          string
	BootID            string
	Cgroups           []hierarchy
	DropCaps          []int
	Argv, Env         []string
}

// hierarchy is one cgroup file system of this machine.
type hierarchy struct {
	Target, Type, Options string
	own                   string // folder of our own cgroup in it
}

// A host must not set this machine's clock, load modules, reboot it or touch its ports.
var droppedCaps = []int{unix.CAP_SYS_TIME, unix.CAP_SYS_MODULE, unix.CAP_SYS_BOOT, unix.CAP_SYS_RAWIO, unix.CAP_WAKE_ALARM}

const droppedCapNames = "-sys_time,-sys_module,-sys_boot,-sys_rawio,-wake_alarm"

// cleanEnv is what a program gets that runs in a host.
var cleanEnv = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root", "LANG=C.UTF-8", "TERM=linux"}

func startTicks(pid int) (uint64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything; what follows the last one is numbers.
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(fields) < 20 {
		return 0, fmt.Errorf("/proc/%d/stat: too short", pid)
	}
	if fields[0] == "Z" {
		return 0, os.ErrProcessDone
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

func (p Process) alive() bool {
	if p.PID == 0 {
		return false
	}
	start, err := startTicks(p.PID)
	return err == nil && start == p.Start
}

// kill ends a first process, and with it all processes of its pid namespace, and waits until they are gone.
func (p Process) kill(ctx context.Context) error {
	if p.PID == 0 {
		return nil
	}
	if p.alive() {
		if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
			return fmt.Errorf("kill %d: %w", p.PID, err)
		}
	}
	return until(ctx, 20*time.Second, fmt.Sprintf("process %d to end", p.PID), func() error {
		// Ours to reap if this process started it: unreaped, it would keep its pid namespace.
		if pid, err := syscall.Wait4(p.PID, nil, syscall.WNOHANG, nil); pid == p.PID || (err == syscall.ECHILD && !p.alive()) {
			return nil
		}
		return fmt.Errorf("it still runs")
	})
}

// spawn starts boot in new namespaces. It waits there until release is closed.
func spawn(h *Host, folder string, p bootPlan) (pr Process, release *os.File, err error) {
	raw, err := json.Marshal(p)
	if err != nil {
		return pr, nil, err
	}
	planFile := filepath.Join(folder, "boot.json")
	if err := os.WriteFile(planFile, raw, 0o600); err != nil {
		return pr, nil, err
	}
	console, err := os.Create(filepath.Join(folder, "console"))
	if err != nil {
		return pr, nil, err
	}
	defer console.Close()
	wait, release, err := os.Pipe()
	if err != nil {
		return pr, nil, err
	}
	defer wait.Close()
	cmd := exec.Command(filepath.Join(h.Folder, "bin", "boot"), planFile)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = wait, console, console, []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true, // Ctrl-C at the lab's terminal is not for the host
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS |
			syscall.CLONE_NEWIPC,
	}
	if err := cmd.Start(); err != nil {
		release.Close()
		return pr, nil, fmt.Errorf("start in new namespaces: %w", err)
	}
	pr.PID = cmd.Process.Pid
	pr.Start, err = startTicks(pr.PID)
	return pr, release, err
}

// hierarchies are this machine's cgroup mounts, so that a host has the same kind (v1, v2 or both).
func hierarchies() ([]hierarchy, error) {
	own := map[string]string{} // controllers → our path
	raw, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 {
			own[f[1]] = f[2]
		}
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer mounts.Close()
	var all []hierarchy
	for s := bufio.NewScanner(mounts); s.Scan(); {
		left, right, _ := strings.Cut(s.Text(), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if len(l) < 6 || len(r) < 3 || (r[0] != "cgroup" && r[0] != "cgroup2") {
			continue
		}
		x := hierarchy{Target: l[4], Type: r[0]}
		if r[0] == "cgroup" {
			x.Options = strings.TrimPrefix(r[2], "rw,")
		}
		path, ok := own[x.Options]
		if !ok {
			continue
		}
		x.own = filepath.Join(x.Target, path)
		all = append(all, x)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("this machine has no cgroup file system mounted, and systemd needs one")
	}
	return all, nil
}

// confine puts a first process into cgroups of its own, one in each hierarchy.
func (h *Host) confine(all []hierarchy, pid int) error {
	for _, x := range all {
		dir := filepath.Join(x.own, "demine-lab-"+h.Config.Name)
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
			return fmt.Errorf("make cgroup: %w", err)
		}
		h.Cgroups = append(h.Cgroups, dir)
		// A v1 cpuset takes no process before it has CPUs and memory; those below it shall inherit them.
		for _, f := range []string{"cpuset.mems", "cpuset.cpus"} {
			if v, err := os.ReadFile(filepath.Join(x.own, f)); err == nil && x.Type == "cgroup" {
				if err := os.WriteFile(filepath.Join(dir, f), v, 0); err != nil {
					return err
				}
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.clone_children"), []byte("1"), 0); err != nil && x.Options == "cpuset" {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			return fmt.Errorf("enter cgroup: %w", err)
		}
	}
	return nil
}
