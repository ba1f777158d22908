package relate

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
)

// ContainerOf gives the container that a process runs in, or nil: the one that
// its cgroup names, or whose first process it descends from. Cgroups may name
// the beginning of an id.
func (x *Index) ContainerOf(p *fact.Process) *fact.Container {
	if p == nil {
		return nil
	}
	for i := range x.S.Container {
		c := &x.S.Container[i]
		if len(p.Container) >= shortID && strings.HasPrefix(c.ID, p.Container) {
			return c
		}
	}
	if p.Container != "" {
		return nil
	}
	for _, q := range append([]*fact.Process{p}, x.Ancestors(p)...) {
		for i := range x.S.Container {
			if c := &x.S.Container[i]; c.PID > 1 && c.PID == q.PID {
				return c
			}
		}
	}
	return nil
}

// Confined reports whether a process runs in a container that keeps it from the
// host, as far as is known: root in it is not the host's.
func (x *Index) Confined(p *fact.Process) bool {
	c := x.ContainerOf(p)
	if c == nil {
		return p != nil && p.Container != ""
	}
	lets := func(m fact.Path) bool { return slices.Contains(hostFolders, path.Clean(string(m))) }
	return !c.Privileged && !c.HostPID && !slices.ContainsFunc(c.Mounts, lets)
}

// hostFolders are those of the host that let root in a container be root on the
// host, or read all that it holds, and the sockets by which it can start any other
// container.
var hostFolders = []string{
	"/", "/bin", "/boot", "/etc", "/home", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/usr", "/var",
	"/etc/cron.d", "/etc/crontab", "/etc/pam.d", "/etc/passwd", "/etc/shadow", "/etc/ssh", "/etc/sudoers.d", "/etc/systemd",
	"/etc/systemd/system", "/etc/kubernetes", "/root/.ssh", "/usr/bin", "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/sbin",
	"/var/lib", "/var/lib/docker", "/var/lib/containerd", "/var/lib/kubelet", "/var/run", "/var/spool", "/var/spool/cron",
	"/var/spool/cron/crontabs", "/run/containerd", "/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock",
	"/run/podman/podman.sock", "/run/crio/crio.sock",
}

// shortID is how much of an id Docker shows.
const shortID = 12

// HostPath is where the program of a process is found from the host, while the
// process lives or, if it is known, where its container's files lie. For a
// process of the host itself it is its own path.
func (x *Index) HostPath(p *fact.Process) fact.Path {
	if p.Container == "" && x.ContainerOf(p) == nil || p.Exe == "" {
		return p.Exe
	}
	root := "/proc/" + strconv.Itoa(p.PID) + "/root"
	if c := x.ContainerOf(p); c != nil && c.Root != "" && !p.ExeDeleted {
		root = string(c.Root)
	}
	return fact.Path(root + path.Clean("/"+string(p.Exe)))
}

// Flows gives what was heard of mining on the connections of a process.
func (x *Index) Flows(p *fact.Process) []*fact.Flow {
	var out []*fact.Flow
	for i := range x.S.Flow {
		if f := &x.S.Flow[i]; f.Process == p.Ref {
			out = append(out, f)
		}
	}
	return out
}
