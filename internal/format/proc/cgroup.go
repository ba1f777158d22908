package proc

import (
	"bytes"
	"strings"
)

// Cgroup gives the path of /proc/PID/cgroup that tells most: the unified
// hierarchy or systemd's own (name=systemd), whichever names an owner; when
// both are the root, the longest path of any controller (a runtime without
// systemd). Empty when there is none.
func Cgroup(b []byte) string {
	var unified, systemd, longest string
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		_, rest, _ := bytes.Cut(line, []byte{':'})
		controllers, path, ok := bytes.Cut(rest, []byte{':'})
		if !ok || len(path) == 0 || path[0] != '/' {
			continue
		}
		p := strings.TrimSuffix(string(path), " (deleted)")
		switch string(controllers) {
		case "":
			unified = p
		case "name=systemd":
			systemd = p
		}
		if len(p) > len(longest) {
			longest = p
		}
	}
	for _, p := range []string{unified, systemd, longest} {
		if u, s, c := CgroupOwner(p); u != "" || s != "" || c != "" {
			return p
		}
	}
	for _, p := range []string{unified, systemd, longest} {
		if len(p) > 1 {
			return p
		}
	}
	return longest
}

// CgroupOwner says whose a cgroup is, each empty when it is nobody's.
//
// unit is systemd's unit: the first part below the slices, as in systemd's
// cg_path_get_unit(); parts further down are the unit's own to name. A unit of
// a user's manager comes with it: "user@1000.service/foo.service". session is
// logind's id. container is the id that Docker, containerd, CRI-O or Podman
// gave (64 hex digits), or the name of an LXC container or of a machine of
// machined; of nested ones the innermost. Escapes of systemd (\x2d) are left
// alone.
func CgroupOwner(path string) (unit, session, container string) {
	slices, manager := true, ""
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == ".." {
			continue
		}
		if c := containerOf(part); c != "" {
			container = c
		} else if lxc, ok := strings.CutPrefix(part, "lxc.payload."); ok {
			container = lxc
		}
		switch {
		case !slices || strings.HasSuffix(part, ".slice"):
		case strings.HasPrefix(part, "user@") && strings.HasSuffix(part, ".service") && manager == "":
			manager, unit = part, part
		case isUnit(part):
			slices, unit = false, part
			if manager != "" {
				unit = manager + "/" + part
			} else if id, ok := affix(part, "session-", ".scope"); ok {
				session = id
			}
		default:
			slices = manager != "" // init.scope of old managers lies beside plain folders
		}
	}
	if container == "" {
		container = lxcName(path)
	}
	return unit, session, container
}

func isUnit(part string) bool {
	for _, s := range []string{".service", ".scope", ".socket", ".mount", ".swap"} {
		if strings.HasSuffix(part, s) && len(part) > len(s) {
			return true
		}
	}
	return false
}

// Prefixes that runtimes put before an id when systemd makes their cgroups.
var runtimes = []string{"docker-", "cri-containerd-", "crio-", "libpod-", "libpod-payload-", "containerd-", "nerdctl-", "buildkit-"}

// containerOf gives the container id in one part of a path. Podman's and
// CRI-O's monitors (libpod-conmon-ID) are not in the container.
func containerOf(part string) string {
	if isID(part) {
		return part
	}
	for _, r := range runtimes {
		if id, ok := affix(part, r, ".scope"); ok && isID(id) {
			return id
		}
		if id, ok := strings.CutPrefix(part, r); ok && isID(id) {
			return id
		}
	}
	// CRI without systemd: "kubepods-…slice:cri-containerd:ID".
	if i := strings.LastIndexByte(part, ':'); i >= 0 && isID(part[i+1:]) {
		return part[i+1:]
	}
	if name, ok := affix(part, "machine-", ".scope"); ok {
		return name
	}
	return ""
}

func isID(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func affix(s, prefix, suffix string) (string, bool) {
	s, a := strings.CutPrefix(s, prefix)
	s, b := strings.CutSuffix(s, suffix)
	return s, a && b && s != ""
}

// lxcName reads the layout of LXC before 4.0: /lxc/NAME.
func lxcName(path string) string {
	rest, ok := strings.CutPrefix(path, "/lxc/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}
