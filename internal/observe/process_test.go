package observe

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/host/fixture"
)

// running is a folder of /proc in which stat says that it is process pid.
func running(folder, pid int) string {
	return fmt.Sprintf("-- /proc/%d/stat --\n%d (x) S 1 1 1 0 -1 4194560 0 0 0 0 5 5 0 0 20 0 1 0 4711 0 0%s\n", folder, pid, strings.Repeat(" 0", 28)) +
		fmt.Sprintf("-- /proc/%d/status --\nUid:\t0\t0\t0\t0\n-- /proc/%d/cmdline --\nx\n", folder, folder)
}

// What /proc shows of the processes but not in them is said, and only then.
func TestProcessesNotSeen(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"all seen":       {running(1, 1) + running(900, 900), ""},
		"hidepid=2":      {running(900, 900), "no-permission /proc"},
		"hidepid=1":      {running(1, 1) + running(900, 900) + "-- /proc/7 type=dir error=permission --\n", "no-permission /proc/7"},
		"no descriptor":  {running(1, 1) + running(900, 900) + "-- /proc/8/stat --\n8 (x) S 1" + strings.Repeat(" 0", 48) + "\n-- /proc/8/status error=io --\n", "unreadable /proc/8/status"},
		"no descriptors": {running(1, 1) + running(900, 900) + "-- /proc/900/fd error=io --\n", "unreadable /proc/900/fd"},
		"bind mount":     {running(1, 1) + running(900, 900) + running(7, 1), "unreadable /proc/7/stat"},
		"ended":          {running(1, 1) + running(900, 900) + "-- /proc/7 type=dir --\n", ""},
		"nothing":        {"-- /proc type=dir --\n", "unreadable /proc"},
		"no /proc":       {"-- /etc/hostname --\n", "unreadable /proc"},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := fixture.Parse([]byte("-- kernel/identity --\nself=900\n" + c.text))
			if err != nil {
				t.Fatal(err)
			}
			s, cov := lookAtHost(t, h, fact.Snapshot{}, hostinfo, account, process)
			if got := strings.Join(gaps(cov), ", "); got != c.want || cov.Complete() != (c.want == "") {
				t.Errorf("%s: %q, want %q", cov.State, got, c.want)
			}
			if slices.ContainsFunc(s.Process, func(p fact.Process) bool { return p.PID == 7 }) {
				t.Error("what is not process 7 is taken for it")
			}
		})
	}
}

// inContainerOnly is a host on which nothing lies below /mnt, as containers see it.
type inContainerOnly struct{ host.Files }

func (m inContainerOnly) Stat(p fact.Path) (host.Info, error) {
	if strings.HasPrefix(string(p), "/mnt/") {
		return host.Info{}, fs.ErrNotExist
	}
	return m.Files.Stat(p)
}

// A container's program that is a file of the host's is called by its name there; one of the container's own is not, also
// where the host has another file of that name.
func TestProgramOfHostInContainer(t *testing.T) {
	const cgroup = "0::/docker/14ee3a995349752ba3e36e46a77b4a7a498c258e2c4a2373add06b0414477197\n"
	for name, c := range map[string]struct{ exe, cgroup, want string }{
		"host's file":      {"/mnt/var/tmp/x", cgroup, "/var/tmp/x"},
		"container's own":  {"/mnt/own/bin/sh", cgroup, "/mnt/own/bin/sh"},
		"no container":     {"/mnt/var/tmp/x", "0::/system.slice/x.service\n", "/mnt/var/tmp/x"},
		"mounted too deep": {"/mnt/1/2/3/4/5/var/tmp/x", cgroup, "/mnt/1/2/3/4/5/var/tmp/x"},
	} {
		h, err := fixture.Parse([]byte(running(1, 1) + running(7, 7) + "-- /proc/7/cgroup --\n" + c.cgroup + "-- /proc/7/exe -> " + c.exe + " --\n" +
			"-- /mnt/own/bin/sh --\nown\n-- /bin/sh --\nanother\n-- /var/tmp/x --\nx\n-- /mnt/var -> /var --\n-- /mnt/1/2/3/4/5/var -> /var --\n"))
		if err != nil {
			t.Fatal(err)
		}
		h.Files = inContainerOnly{h.Files}
		s, _ := lookAtHost(t, h, fact.Snapshot{}, hostinfo, account, process)
		i := slices.IndexFunc(s.Process, func(p fact.Process) bool { return p.PID == 7 })
		if i < 0 || string(s.Process[i].Exe) != c.want {
			t.Errorf("%s: %+v, want %s", name, s.Process, c.want)
		}
	}
}

// mounted is a host with another file system over one path.
type mounted struct {
	host.Files
	at fact.Path
}

func (m mounted) OpenDir(p fact.Path) (host.Dir, error) {
	d, err := m.Files.OpenDir(p)
	if p == m.at {
		d = mountedDir{d}
	}
	return d, err
}

type mountedDir struct{ host.Dir }

func (d mountedDir) Stat(name string) (host.Info, error) {
	i, err := d.Dir.Stat(name)
	i.ID.Dev += 99
	return i, err
}

// A mount over the folder of a process hides it, with files of its own in it
// or none.
func TestProcessBehindMount(t *testing.T) {
	h, err := fixture.Parse([]byte(running(1, 1) + running(7, 7)))
	if err != nil {
		t.Fatal(err)
	}
	h.Files = mounted{h.Files, "/proc/7"}
	s, c := lookAtHost(t, h, fact.Snapshot{}, hostinfo, account, process)
	if want := "unreadable /proc/7"; len(s.Process) != 1 || strings.Join(gaps(c), ", ") != want {
		t.Errorf("%d processes, gaps %q, want 1 and %q", len(s.Process), gaps(c), want)
	}
}

// So does a file that is mounted there.
func TestProcessBehindFile(t *testing.T) {
	h, err := fixture.Parse([]byte(running(1, 1) + "-- /proc/7 --\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, c := lookAtHost(t, h, fact.Snapshot{}, hostinfo, account, process); strings.Join(gaps(c), ", ") != "unreadable /proc/7" {
		t.Errorf("%s %q", c.State, gaps(c))
	}
}

// Without processes neither the load nor a server is "not on this host".
func TestNotAbsentWithoutProcesses(t *testing.T) {
	h, err := fixture.Parse([]byte("-- /etc/hostname --\nx\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []*Observer{load, redis} {
		if _, c := lookAtHost(t, h, fact.Snapshot{}, o); c.Complete() || strings.Join(gaps(c), ", ") != "unreadable /proc" {
			t.Errorf("%s: %s %q", o.Name, c.State, gaps(c))
		}
	}
}
