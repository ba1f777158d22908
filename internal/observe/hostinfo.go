package observe

import (
	"bytes"
	"context"
	"path"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/proc"
)

var hostinfo = &Observer{
	Name: "host",
	Doc:  "name, system, kernel, zone and boot of the host; whether demine itself is in a container",
	Sees: []string{fact.KindHost},
	Reads: []string{"/etc/os-release", "/usr/lib/os-release", "/etc/centos-release", "/etc/timezone",
		"/proc/stat", "/proc/sys/kernel/random/boot_id", "/proc/1/cgroup", "/proc/self/status", "/etc/localtime", "/run/systemd/container"},
	See: seeHost,
}

func seeHost(_ context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	h, err := v.Host().Kernel.Identity()
	if err != nil {
		return Part{}, err
	}
	var p Part
	h.OS = osName(v)
	if b, _, err := v.ReadFile("/proc/sys/kernel/random/boot_id", 64); err == nil {
		h.Boot = strings.TrimSpace(string(b))
	}
	b, _, err := v.ReadFile("/proc/stat", 4<<20)
	p.gap("/proc/stat", err)
	if st := proc.CPUStat(b); st.Boot != 0 && h.BootTime.IsZero() {
		h.BootTime = time.Unix(st.Boot, 0)
	}
	zone(v, &h, in.Taken)
	h.PIDSpace = pidSpace(v)
	if h.PIDSpace == "nested" {
		h.Container = ownContainer(v)
	}
	p.Host = &h
	return p, nil
}

func osName(v *View) string {
	for _, f := range []fact.Path{"/etc/os-release", "/usr/lib/os-release"} {
		b, _, err := v.ReadFile(f, 64<<10)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if val, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
				return strings.Trim(strings.TrimSpace(val), `"'`)
			}
		}
	}
	b, _, _ := v.ReadFile("/etc/centos-release", 4096) // CentOS 6 has nothing else
	return strings.TrimSpace(string(b))
}

// zone finds the host's own zone: schedules run in it, whatever TZ the caller
// has. The rules come from /etc/localtime itself, its name from the link.
func zone(v *View, h *fact.HostInfo, now time.Time) {
	loc := Location(v)
	h.Zone = loc.String()
	if l, err := v.Readlink("/etc/localtime"); err == nil {
		if _, name, ok := strings.Cut(string(l), "zoneinfo/"); ok {
			h.Zone = name
		}
	}
	_, h.Offset = now.In(loc).Zone()
}

// Location is the zone of the host; UTC when it says nothing readable.
func Location(v *View) *time.Location {
	b, _, err := v.Host().Files.ReadFile("/etc/localtime", 64<<10)
	if err != nil {
		return time.UTC
	}
	loc, err := time.LoadLocationFromTZData("", b)
	if err != nil {
		return time.UTC
	}
	return loc
}

// pidSpace tells whether demine sees the machine's pids. The innermost entry
// of NSpid alone does not tell: a process sees itself as of its own namespace
// down. Pid 2 is kthreadd on the machine and something else, or nothing, in a
// namespace (kernel/kthread.c).
func pidSpace(v *View) string {
	if _, err := v.Host().Files.Lstat("/proc/1"); err != nil {
		return "unknown" // hidepid
	}
	l, err := v.Host().Files.Readlink("/proc/2/exe")
	if err == nil && l != "" {
		return "nested"
	}
	b, _, err := v.Host().Files.ReadFile("/proc/2/stat", 4096)
	if err != nil {
		return "nested"
	}
	if st, err := proc.Stat(b); err != nil || st.PPID != 0 || st.Flags&proc.FlagKernelThread == 0 {
		return "nested"
	}
	return "host"
}

// ownContainer tells whether demine itself runs in one, by what the runtimes
// leave in the root and by the cgroup of pid 1.
func ownContainer(v *View) string {
	if b, _, err := v.ReadFile("/run/systemd/container", 256); err == nil {
		return strings.TrimSpace(fact.Text(b))
	}
	// A root that was once made from an image keeps the mark; a container's
	// first process is a program, not a machine's init.
	init, _ := v.Readlink("/proc/1/exe")
	for file, name := range map[fact.Path]string{"/.dockerenv": "docker", "/run/.containerenv": "podman"} {
		if _, err := v.Lstat(file); err == nil && path.Base(string(init)) != "systemd" && path.Base(string(init)) != "init" {
			return name
		}
	}
	b, _, err := v.ReadFile("/proc/1/cgroup", 64<<10)
	if err != nil {
		return ""
	}
	if _, _, id := proc.CgroupOwner(proc.Cgroup(b)); id != "" {
		return path.Base(id)
	}
	if bytes.Contains(b, []byte("/kubepods")) {
		return "kubernetes"
	}
	return ""
}
