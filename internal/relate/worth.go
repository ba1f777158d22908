package relate

import (
	"sort"
	"strings"

	"demine/internal/fact"
)

// Look is what deserves a closer look.
type Look struct {
	Images []fact.Ref  // processes, those that used most CPU first
	Files  []fact.Path // files that facts name
}

// A process is busy when it used this much of one CPU over its life or now.
// A throttled miner lies far above it; it only decides what is read, never
// what is said.
const busyPercent = 5

// WorthALook names the processes whose image is worth reading: the busy ones,
// and those that run from where programs are not installed.
func WorthALook(x *Index) Look {
	var l Look
	var ps []*fact.Process
	for i := range x.S.Process {
		p := &x.S.Process[i]
		if p.Kernel || p.Exe == "" || p.PID == x.S.Host.Self {
			continue
		}
		if p.CPULife >= busyPercent || p.CPUNow >= busyPercent || p.ExeDeleted || Uninstalled(p.Exe) {
			ps = append(ps, p)
		}
	}
	sort.SliceStable(ps, func(i, j int) bool { return max(ps[i].CPULife, ps[i].CPUNow) > max(ps[j].CPULife, ps[j].CPUNow) })
	for _, p := range ps {
		l.Images = append(l.Images, p.Ref)
	}
	return l
}

// Uninstalled reports whether a path lies where packages and administrators do
// not install programs: world-writable, volatile or hidden places.
func Uninstalled(p fact.Path) bool {
	s := string(p)
	for _, dir := range []string{"/tmp/", "/var/tmp/", "/dev/", "/run/user/", "/var/lock/", "/memfd:"} {
		if strings.HasPrefix(s, dir) {
			return true
		}
	}
	return strings.Contains(s, "/.")
}
