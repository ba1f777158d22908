package proc

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"demine/internal/fact"

	"github.com/google/go-cmp/cmp"
)

const (
	statLine = "13433 (cat) R 13426 13426 4937 34816 -1 4194304 100 0 0 0 7 3 0 0 20 -5 2 0 146425 3133440 382 18446744073709551615 94354889654272 94354889674153 140733725858928 0 0\n"
	evilLine = "9 (a) S 1 (b)\n) S 1 1 1 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0 0\n"
)

func TestStat(t *testing.T) {
	got, err := Stat([]byte(statLine))
	want := StatLine{PID: 13433, PPID: 13426, Comm: "cat", State: 'R', Session: 4937, TTY: 34816, Flags: 4194304,
		UTime: 7, STime: 3, Nice: -5, Threads: 2, Start: 146425, RSS: 382 * pageSize}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
	got, err = Stat([]byte(evilLine))
	if err != nil || got.Comm != "a) S 1 (b)\n" || got.PPID != 1 || got.Flags&FlagKernelThread == 0 {
		t.Errorf("%+v %v", got, err)
	}
	for _, bad := range []string{"", "1", "1 (x)", "1 (x) ", "1 (x) R", "x (x) R 1 1", statLine[:60], "(x) R 1", ") (", "1 (x) R 1 1 a 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"} {
		if s, err := Stat([]byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, s)
		}
	}
}

func TestStatus(t *testing.T) {
	got := Status([]byte("Name:\tredis-server\nUmask:\t0022\nState:\tS (sleeping)\nTracerPid:\t7\nUid:\t0\t105\t105\t105\nGid:\t1\t2\t2\t2\nNSpid:\t812\t1\nVmRSS:\t  2048 kB\nThreads:\t5\n"))
	want := StatusInfo{UID: 0, EUID: 105, GID: 1, EGID: 2, RSS: 2 << 20, Threads: 5, NSPID: []int{812, 1}, Tracer: 7}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSchedstat(t *testing.T) {
	for in, want := range map[string][2]uint64{"123 456 7\n": {123, 456}, "0 0 0": {}, "": {}, "5": {}, "5 6\n": {5, 6}} {
		if r, w := Schedstat([]byte(in)); r != want[0] || w != want[1] {
			t.Errorf("%q: %d %d", in, r, w)
		}
	}
}

var id = strings.Repeat("0123456789abcdef", 4)

func TestCgroupOwner(t *testing.T) {
	for in, want := range map[string][3]string{
		"/": {}, "": {}, "/init.scope": {"init.scope"},
		"/system.slice/redis-server.service":                                {"redis-server.service"},
		"/system.slice/system-getty.slice/getty@tty1.service":               {"getty@tty1.service"},
		"/system.slice/redis.service/ssh.service":                           {"redis.service"},
		"/user.slice/user-0.slice/session-4.scope":                          {"session-4.scope", "4"},
		"/user.slice/user-0.slice/session-c1.scope":                         {"session-c1.scope", "c1"},
		"/user.slice/user-1000.slice/user@1000.service/app.slice/x.service": {"user@1000.service/x.service"},
		"/user.slice/user-1000.slice/user@1000.service":                     {"user@1000.service"},
		"/docker/" + id:                         {"", "", id},
		"/system.slice/docker-" + id + ".scope": {"docker-" + id + ".scope", "", id},
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podx.slice/cri-containerd-" + id + ".scope": {"cri-containerd-" + id + ".scope", "", id},
		"/kubepods/burstable/pod1234/" + id:                                         {"", "", id},
		"/machine.slice/libpod-" + id + ".scope/container":                          {"libpod-" + id + ".scope", "", id},
		"/machine.slice/libpod-conmon-" + id + ".scope":                             {"libpod-conmon-" + id + ".scope"},
		"/crio-" + id + ".scope":                                                    {"crio-" + id + ".scope", "", id},
		"/system.slice/containerd.service/kubepods-podx.slice:cri-containerd:" + id: {"containerd.service", "", id},
		"/../../docker/" + id:                                                       {"", "", id},
		"/lxc/web/init.scope":                                                       {"", "", "web"},
		"/lxc.payload.web/system.slice/x.service":                                   {"", "", "web"},
		"/machine.slice/machine-a\\x2db.scope":                                      {"machine-a\\x2db.scope", "", "a\\x2db"},
		"/system.slice/dev-mapper-a\\x2db.swap":                                     {"dev-mapper-a\\x2db.swap"},
		"/docker/" + id + "/docker/" + id[1:] + "f":                                 {"", "", id[1:] + "f"},
	} {
		u, s, c := CgroupOwner(in)
		if d := cmp.Diff(want, [3]string{u, s, c}); d != "" {
			t.Errorf("%s: %s", in, d)
		}
	}
}

func TestCgroup(t *testing.T) {
	for in, want := range map[string]string{
		"0::/system.slice/x.service\n": "/system.slice/x.service",
		"8:pids:/a\n1:name=systemd:/user.slice/user-0.slice/session-4.scope\n0::/\n": "/user.slice/user-0.slice/session-4.scope",
		"4:memory:/docker/" + id + "\n1:name=systemd:/\n0::/\n":                      "/docker/" + id,
		"0::/a:b (deleted)\n": "/a:b",
		"0::/":                "/",
		"":                    "",
		"junk\n1:x":           "",
	} {
		if got := Cgroup([]byte(in)); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestCmdlineAndEnv(t *testing.T) {
	if d := cmp.Diff([]string{"sh", "", "-c"}, Cmdline([]byte("sh\x00\x00-c\x00\x00\x00"))); d != "" {
		t.Error(d)
	}
	if Cmdline(nil) != nil || Cmdline([]byte{0}) != nil {
		t.Error("nothing gave something")
	}
	env := []byte("A=1\x00XLD_PRELOAD=/no\x00LD_PRELOAD=/tmp/x.so\x00LD_PRELOAD=/y\x00E")
	if v, ok := EnvGet(env, "LD_PRELOAD"); v != "/tmp/x.so" || !ok {
		t.Error(v, ok)
	}
	if _, ok := EnvGet(env, "E"); ok {
		t.Error("E has no value")
	}
}

func TestMachine(t *testing.T) {
	got := CPUStat([]byte("cpu  1 2 3 4 5 6 7 8 9 9\ncpu0 1 2 3 4 5 6 7 8\ncpu2 1\nintr 5\nbtime 1700000000\nprocs_running 3\nprocs_blocked 4\n"))
	c := CPU{-1, 1, 2, 3, 4, 5, 6, 7, 8}
	c0 := c
	c0.N = 0
	want := CPUStats{All: c, CPUs: []CPU{c0, {N: 2, User: 1}}, Boot: 1700000000, Running: 3, Blocked: 4}
	if d := cmp.Diff(want, got); d != "" || got.All.Total() != 36 {
		t.Error(d)
	}
	psi := PSI([]byte("some avg10=0.33 avg60=2.26 avg300=4.58 total=65411391\nfull avg10=0.00 avg60=1 avg300=x\n"), "cpu")
	if d := cmp.Diff([]fact.PSI{
		{Resource: "cpu", Kind: "some", Avg10: 0.33, Avg60: 2.26, Avg300: 4.58}, {Resource: "cpu", Kind: "full", Avg60: 1},
	}, psi); d != "" {
		t.Error(d)
	}
	if m := Meminfo([]byte("MemTotal:       2 kB\nHugePages_Total:   1280\nX")); m["MemTotal"] != 2048 || m["HugePages_Total"] != 1280 || len(m) != 2 {
		t.Error(m)
	}
	avg, r, total := Loadavg([]byte("0.50 1.25 2.00 3/456 789\n"))
	if avg != [3]float64{0.5, 1.25, 2} || r != 3 || total != 456 || LastPID([]byte("0.50 1.25 2.00 3/456 789\n")) != 789 {
		t.Error(avg, r, total)
	}
	if v := VMStat([]byte("pswpi 1\npswpin 23\npswpinx 4\n"), "pswpin"); v != 23 {
		t.Error(v)
	}
}

func TestMountinfo(t *testing.T) {
	got := Mountinfo([]byte("36 35 98:0 /mnt1 /a\\040b\\134 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\nbad\n22 27 0:21 / /proc rw - proc proc rw,hidepid=2\n"))
	want := []Mount{
		{36, 35, "/mnt1", `/a b\`, "ext3", "/dev/root", []string{"rw", "noatime"}, []string{"rw", "errors=continue"}},
		{22, 27, "/", "/proc", "proc", "proc", []string{"rw"}, []string{"rw", "hidepid=2"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestHere reads this process from the running kernel.
func TestHere(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile("/proc/self/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	s, err := Stat(read("stat"))
	if err != nil || s.PID != os.Getpid() || s.PPID != os.Getppid() || s.Start == 0 || s.RSS < 1<<20 || s.Flags&FlagKernelThread != 0 {
		t.Errorf("%+v %v", s, err)
	}
	st := Status(read("status"))
	if st.UID != os.Getuid() || st.EUID != os.Geteuid() || st.Threads == 0 || st.RSS == 0 {
		t.Errorf("%+v", st)
	}
	if d := cmp.Diff(os.Args, Cmdline(read("cmdline"))); d != "" {
		t.Error(d)
	}
	if v, _ := EnvGet(read("environ"), "PATH"); v != os.Getenv("PATH") {
		t.Errorf("PATH=%q", v)
	}
	if m := Mountinfo(read("mountinfo")); len(m) != strings.Count(string(read("mountinfo")), "\n") {
		t.Errorf("%d mounts", len(m))
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte(statLine))
	f.Add([]byte(evilLine))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Stat(b)
		if err == nil && (!strings.HasPrefix(strings.TrimLeft(string(b), "0"), strconv.Itoa(s.PID)) && s.PID != 0 ||
			!strings.Contains(string(b), "("+s.Comm+") "+string(s.State)) || s.RSS < 0) {
			t.Fatalf("%q: %+v", b, s)
		}
	})
}

// FuzzTexts gives the same bytes to all the others.
func FuzzTexts(f *testing.F) {
	for _, n := range []string{"status", "cgroup", "mountinfo", "environ", "cmdline", "schedstat", "../stat", "../meminfo", "../loadavg", "../vmstat"} {
		if b, err := os.ReadFile("/proc/self/" + n); err == nil {
			f.Add(b)
		}
	}
	f.Add([]byte("36 35 98:0 /mnt1 /a\\040b rw master:1 - ext3 /dev/root rw\n"))
	f.Add([]byte("some avg10=0.33 avg60=2.26 avg300=4.58 total=65411391\n"))
	f.Add([]byte("0::/user.slice/user-0.slice/session-4.scope\n1:name=systemd:/docker/" + id))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a := Cmdline(b); len(a) > 0 && strings.Join(a, "\x00") != strings.TrimRight(string(b), "\x00") {
			t.Fatal("arguments were lost")
		}
		if p := Cgroup(b); p != "" && (p[0] != '/' || !strings.Contains(string(b), p)) {
			t.Fatalf("cgroup %q", p)
		}
		for _, m := range Mountinfo(b) {
			if len(m.Point) > len(b) || len(m.Root) > len(b) {
				t.Fatalf("%+v", m)
			}
		}
		for _, v := range Meminfo(b) {
			if v < 0 {
				t.Fatal("negative memory")
			}
		}
		if st := Status(b); st.RSS < 0 || len(st.NSPID) > 256 {
			t.Fatalf("%+v", st)
		}
		if len(PSI(b, "cpu")) > 2 || len(CPUStat(b).CPUs) > maxCPUs || CPUStat(b).Boot < 0 {
			t.Fatal("caps")
		}
		if v, ok := EnvGet(b, "LD_PRELOAD"); ok && !strings.Contains(string(b), "LD_PRELOAD="+v) {
			t.Fatal(v)
		}
		Loadavg(b)
		LastPID(b)
		Schedstat(b)
		VMStat(b, "pswpin")
	})
}

func BenchmarkStat(b *testing.B) {
	b.ReportAllocs()
	in := []byte(statLine)
	for b.Loop() {
		if _, err := Stat(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSchedstat(b *testing.B) {
	b.ReportAllocs()
	in := []byte("123456789012 3456789012 77777\n")
	for b.Loop() {
		Schedstat(in)
	}
}

func BenchmarkStatus(b *testing.B) {
	b.ReportAllocs()
	in, _ := os.ReadFile("/proc/self/status")
	for b.Loop() {
		Status(in)
	}
}
