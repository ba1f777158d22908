package host

import (
	"slices"
	"testing"
)

// The session's group is raised only where demine is in it.
func TestInCPUGroup(t *testing.T) {
	for name, c := range map[string]struct {
		cgroups string
		files   []string
		want    bool
	}{
		"none":                        {"", nil, false},
		"v1 root":                     {"4:cpu,cpuacct:/\n1:name=systemd:/user.slice/user-0.slice/session-3.scope\n", nil, false},
		"v1 session":                  {"4:cpuacct,cpu:/user.slice\n", nil, true},
		"v1 cpuacct and cpuset alone": {"7:cpuacct:/a\n6:cpuset:/b\n", nil, false},
		"v2 not enabled":              {"0::/user.slice/user-0.slice/session-3.scope\n", nil, false},
		"v2 enabled":                  {"0::/system.slice/x.service\n", []string{"/sys/fs/cgroup/system.slice/x.service/cpu.weight"}, true},
		"v2 enabled above":            {"0::/user.slice/user-0.slice/session-3.scope\n", []string{"/sys/fs/cgroup/user.slice/cpu.weight"}, true},
		"v2 container":                {"0::/\n", []string{"/sys/fs/cgroup/cpu.weight"}, true},
		"hybrid":                      {"4:cpu:/\n0::/user.slice\n", nil, false},
	} {
		if got := inCPUGroup(c.cgroups, func(p string) bool { return slices.Contains(c.files, p) }); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
