package observe

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/host/fixture"
)

const procMount = "23 22 0:21 / /proc rw - proc proc rw\n"

// hiddenOn gives what is hidden on a host made of text, as "pid how views".
func hiddenOn(t *testing.T, text string) ([]string, fact.Coverage) {
	t.Helper()
	h, err := fixture.Parse([]byte("-- kernel/identity --\nself=900\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	s, c := lookAtHost(t, h, fact.Snapshot{}, hostinfo, account, process, hidden)
	return hiddenIn(s), c
}

func hiddenIn(s *fact.Snapshot) []string {
	var out []string
	for _, p := range s.Process {
		if len(p.Hidden) > 0 {
			out = append(out, fmt.Sprint(p.PID, " ", strings.Join(p.Hidden, ","), " ", strings.Join(p.KnownBy, ",")))
		}
	}
	return out
}

func TestHidden(t *testing.T) {
	all := running(1, 1) + running(900, 900)
	unlisted := func(pid int) string {
		return fmt.Sprintf("-- /proc/%d type=dir listed=no --\n", pid) + running(pid, pid)
	}
	unified := "-- /proc/self/mountinfo --\n" + procMount + "25 24 0:23 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
	hybrid := "-- /proc/self/mountinfo --\n" + procMount + "30 24 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" +
		"31 24 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
	for name, c := range map[string]struct {
		text string
		want []string
		gaps string
	}{
		"nothing": {all + "-- kernel/alive --\n1 900\n", nil, ""},
		"number":  {all + unlisted(7) + "-- kernel/alive --\n1 7 900\n", []string{"7 list number"}, ""},
		"a number above the last one, without cgroups": {all + unlisted(4000) + "-- /proc/sys/kernel/pid_max --\n32768\n-- /proc/loadavg --\n0 0 0 1/9 950\n-- kernel/alive --\n1 900 4000\n",
			[]string{"4000 list number"}, ""},
		"a number above the last one that cgroups do not know": {all + unlisted(4000) + unified + "-- /sys/fs/cgroup/cgroup.procs --\n1\n900\n" +
			"-- /proc/sys/kernel/pid_max --\n32768\n-- kernel/alive --\n1 900 4000\n", nil, ""},
		"cgroup": {all + unlisted(4000) + unified + "-- /sys/fs/cgroup/cgroup.procs --\n1\n900\n-- /sys/fs/cgroup/a.slice/cpu.evil/cgroup.procs --\n0\n4000\n" +
			"-- kernel/alive --\n1 900 4000\n", []string{"4000 list cgroup,number"}, ""},
		"an older hierarchy": {all + unlisted(4000) + hybrid + "-- /sys/fs/cgroup/cpu/cgroup.procs --\n1\n-- /sys/fs/cgroup/systemd/a/cgroup.procs --\n1\n900\n4000\n" +
			"-- kernel/alive --\n1 900 4000\n", []string{"4000 list cgroup,number"}, ""},
		"child, nothing to read": {all + strings.Replace(running(901, 901), "S 1 1 1", "S 77 1 1", 1) + "-- kernel/alive --\n1 77 900 901\n", []string{"77 list child,number"}, ""},
		"ended":                  {all + strings.Replace(running(901, 901), "S 1 1 1", "S 77 1 1", 1) + "-- kernel/alive --\n1 900 901\n", nil, ""},
		"thread":                 {all + "-- /proc/7 type=dir listed=no --\n-- /proc/7/status --\nTgid:\t900\n-- kernel/alive --\n1 7 900\n", nil, ""},
		"mount":                  {all + running(7, 7) + "-- /proc/self/mountinfo --\n" + procMount + "9 23 0:9 / /proc/7 rw - tmpfs none rw\n-- kernel/alive --\n1 7 900\n", []string{"7 mount mount,number"}, ""},
		"mount over a part":      {all + running(7, 7) + "-- /proc/self/mountinfo --\n" + procMount + "9 23 0:9 / /proc/7/exe rw - tmpfs none rw\n", []string{"7 mount mount"}, ""},
		"mounts of runtimes": {all + running(7, 7) + "-- /proc/self/mountinfo --\n" + procMount + "9 23 0:9 / /proc/7/attr rw - tmpfs none rw\n9 23 0:9 / /proc/kcore rw - tmpfs none rw\n" +
			"9 23 0:9 / /proc rw - tmpfs none rw\n9 23 0:9 / /srv/proc/7 rw - tmpfs none rw\n9 23 0:9 / /proc/-7 rw - tmpfs none rw\n", nil, ""},
		"hidepid": {running(900, 900) + unlisted(7) + "-- kernel/alive --\n1 7 900\n", nil, "no-permission /proc"},
	} {
		t.Run(name, func(t *testing.T) {
			got, cov := hiddenOn(t, c.text)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if got := strings.Join(gaps(cov), ", "); got != c.gaps {
				t.Errorf("gaps %q, want %q", got, c.gaps)
			}
		})
	}
}

// Views that no number is asked of are compared where demine sees the machine's
// own pids.
func TestHiddenViews(t *testing.T) {
	all := running(1, 1) + running(900, 900) + "-- kernel/alive --\n1 2 900\n"
	kthreadd := "-- /proc/2/stat --\n2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0" + strings.Repeat(" 0", 28) + "\n-- /proc/2/status --\nUid:\t0\t0\t0\t0\n"
	for name, c := range map[string]struct {
		text   string
		unseen float64
		want   []string
	}{
		"they agree":                {kthreadd + "-- kernel/tasks --\n1 2 900\n-- kernel/taskstats --\n1 2 900\n", 0, nil},
		"a walk alone knows it":     {kthreadd + "-- kernel/tasks --\n1 2 7 900\n", 0, []string{"7 list bpf"}},
		"in a pid namespace":        {"-- kernel/alive --\n1 900\n-- kernel/tasks --\n1 2 7 900\n-- kernel/taskstats --\n1 2 7 900\n", 0, nil},
		"it began and ended":        {kthreadd + "-- kernel/tasks --\n1 2 7 900\n1 2 900\n", 0, nil},
		"it ended before the end":   {kthreadd + "-- kernel/tasks --\n1 2 7 900\n1 2 7 900\n1 2 7 900\n1 2 900\n", 0, nil},
		"both know it":              {kthreadd + "-- kernel/tasks --\n1 2 7 900\n-- kernel/taskstats --\n1 2 7 900\n", 0, []string{"7 list bpf,taskstats"}},
		"no walk":                   {kthreadd + "-- kernel/taskstats --\n1 2 7 900\n", 0, []string{"7 list taskstats"}},
		"no walk, ended":            {kthreadd + "-- kernel/taskstats --\n1 2 7 900\n1 2 900\n", 0, nil},
		"no walk, a thread":         {kthreadd + "-- /proc/7 type=dir listed=no --\n-- /proc/7/status --\nTgid:\t900\n-- kernel/taskstats --\n1 2 7 900\n", 0, nil},
		"accounts are not asked":    {kthreadd + "-- kernel/tasks --\n1 2 900\n-- kernel/taskstats --\n1 2 7 900\n", 0, nil},
		"the CPUs did more":         {kthreadd + "-- kernel/tasks --\n1 2 900\n-- kernel/taskstats --\n1 2 7 900\n", 25, []string{"7 list taskstats"}},
		"where one hides, two hide": {kthreadd + "-- kernel/tasks --\n1 2 6 900\n-- kernel/taskstats --\n1 2\n1 2 7 900\n", 0, []string{"6 list bpf", "7 list taskstats"}},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := fixture.Parse([]byte("-- kernel/identity --\nself=900\n" + all + "-- /proc/loadavg --\n0 0 0 1/9 950\n" + c.text))
			if err != nil {
				t.Fatal(err)
			}
			s, cov := lookAtHost(t, h, fact.Snapshot{Load: fact.Load{Unseen: c.unseen}}, hostinfo, account, process, hidden)
			if d := cmp.Diff(c.want, hiddenIn(s)); d != "" {
				t.Error(d)
			}
			if got := gaps(cov); len(got) > 0 {
				t.Errorf("gaps %q: a view that is not there is none", got)
			}
		})
	}
}

// Who was found before keeps what is known of it by now.
func TestHiddenAgain(t *testing.T) {
	h, err := fixture.Parse([]byte(running(1, 1) + running(5, 5) + "-- kernel/alive --\n1 4 5\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := lookAtHost(t, h, fact.Snapshot{}, hostinfo, account, process, hidden)
	s.Process[len(s.Process)-1].CPUNow = 95
	s, _ = lookAtHost(t, h, *s, hidden)
	if got := hiddenIn(s); !slices.Equal(got, []string{"4 list number"}) || s.Process[len(s.Process)-1].CPUNow != 95 {
		t.Errorf("%q %+v", got, s.Process)
	}
}

// Of a process that cannot be read it is at least said that it is there.
func TestHiddenUnreadable(t *testing.T) {
	h, err := fixture.Parse([]byte(running(1, 1) + running(5, 5) + "-- kernel/alive --\n1 4 5\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := lookAtHost(t, h, fact.Snapshot{}, hostinfo, account, process, hidden)
	p := s.Process[len(s.Process)-1]
	if p.PID != 4 || p.CPUNow != -1 || !slices.Contains(p.Gaps, "exe") {
		t.Errorf("%+v", p)
	}
}

// Numbers that there was no time for are said.
func TestHiddenOutOfTime(t *testing.T) {
	h, err := fixture.Parse([]byte(running(1, 1) + "-- /proc/sys/kernel/pid_max --\n4194304\n"))
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	h.Now = func() time.Time { return time.Unix(0, 0).Add(time.Duration(calls.Add(1)) * probeTime / 8) }
	_, c := lookAtHost(t, h, fact.Snapshot{}, hostinfo, account, process, hidden)
	if got := strings.Join(gaps(c), ", "); got != "not-probed /proc" {
		t.Errorf("gaps %q", got)
	}
}

// inChild runs the test again as a process with a mount namespace of its own,
// and reports whether this is that process.
func inChild(t *testing.T) bool {
	if os.Getenv("DEMINE_TEST_CHILD") == t.Name() {
		return true
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), "DEMINE_TEST_CHILD="+t.Name())
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v (run it as root)\n%s", err, out)
	}
	return false
}

// A real mount over a real process: it is seen, with all that it is; and no
// other process is taken for hidden.
func TestHiddenHere(t *testing.T) {
	if !inChild(t) {
		return
	}
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	if err := syscall.Mount("none", fmt.Sprintf("/proc/%d", c.Process.Pid), "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	s, cov := lookAtHost(t, host.Live(), fact.Snapshot{}, hostinfo, account, process, hidden)
	i := slices.IndexFunc(s.Process, func(p fact.Process) bool { return p.PID == c.Process.Pid })
	if i < 0 {
		t.Fatalf("process %d is not seen: %+v", c.Process.Pid, cov)
	}
	p := s.Process[i]
	if !slices.Equal(p.Hidden, []string{"mount"}) || p.Comm != "sleep" || !strings.HasSuffix(string(p.Exe), "/sleep") || p.ExeID == (fact.FileID{}) {
		t.Errorf("%+v", p)
	}
	if got := hiddenIn(s); len(got) != 1 {
		t.Errorf("hidden: %q", got)
	}
	t.Logf("%s %v, %d µs", cov.State, gaps(cov), cov.TookUS)
}

// What begins and ends while it is looked at is not taken for hidden: programs
// that are started by the dozen, and threads.
func TestHiddenInStorm(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			for ctx.Err() == nil {
				_ = exec.CommandContext(ctx, "sh", "-c", "true & (true) & wait").Run()
			}
		}()
		go func() {
			defer wg.Done()
			for ctx.Err() == nil {
				ended := make(chan bool)
				go func() {
					runtime.LockOSThread() // never unlocked: the thread ends with it
					close(ended)
				}()
				<-ended
			}
		}()
	}
	for i := range 20 {
		gap := fact.Snapshot{Load: fact.Load{Unseen: float64(50 * (i % 2))}} // then all views are asked
		s, _ := lookAtHost(t, host.Live(), gap, hostinfo, account, process, hidden)
		if got := hiddenIn(s); got != nil {
			t.Errorf("hidden: %q", got)
		}
	}
	stop()
	wg.Wait()
}

// silent is a host whose list of processes leaves one out, as code in the
// kernel arranges it.
type silent struct {
	host.Files
	pid int
}

func (s silent) Names(p fact.Path) ([]string, error) {
	names, err := s.Files.Names(p)
	if p == "/proc" {
		names = slices.DeleteFunc(names, func(n string) bool { return n == fmt.Sprint(s.pid) })
	}
	return names, err
}

// mute is a kernel whose system calls by number know nothing of one.
type mute struct {
	host.Kernel
	pid int
}

func (m mute) Alive(pid int) bool { return pid != m.pid && m.Kernel.Alive(pid) }

// A real process that neither the list nor the system calls know is found.
func TestHiddenFromCalls(t *testing.T) {
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	h := host.Live()
	h.Files, h.Kernel = silent{h.Files, c.Process.Pid}, mute{h.Kernel, c.Process.Pid}
	s, _ := lookAtHost(t, h, fact.Snapshot{}, hostinfo, account, process, hidden)
	got := hiddenIn(s)
	if len(got) != 1 || !strings.HasPrefix(got[0], fmt.Sprint(c.Process.Pid, " list ")) || !strings.HasSuffix(got[0], "bpf,taskstats") {
		t.Errorf("hidden: %q", got)
	}
}

// A real process that is not listed is found with all that it is.
func TestHiddenFromList(t *testing.T) {
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	h := host.Live()
	h.Files = silent{h.Files, c.Process.Pid}
	s, _ := lookAtHost(t, h, fact.Snapshot{}, hostinfo, account, process, hidden)
	i := slices.IndexFunc(s.Process, func(p fact.Process) bool { return p.PID == c.Process.Pid })
	if i < 0 {
		t.Fatal("it is not found")
	}
	p := s.Process[i]
	if !slices.Equal(p.Hidden, []string{"list"}) || !slices.Contains(p.KnownBy, "number") ||
		!slices.Contains(p.KnownBy, "bpf") || !slices.Contains(p.KnownBy, "taskstats") || !strings.HasSuffix(string(p.Exe), "/sleep") {
		t.Errorf("%+v", p)
	}
	if got := hiddenIn(s); len(got) != 1 {
		t.Errorf("hidden: %q", got)
	}
	t.Logf("known by %v", p.KnownBy)
}
