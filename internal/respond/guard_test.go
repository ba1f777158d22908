package respond

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/format/proc"
	"demine/internal/host"
	"demine/internal/host/fixture"
)

// procText is a process of a fixture.
func procText(pid, ppid int, comm, exe string, flags int, nspid string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "-- /proc/%d/stat --\n%d (%s) S %d %d %d 0 -1 %d 0 0 0 0 1 1 0 0 20 0 1 0 %d 0 0\n", pid, pid, comm, ppid, pid, pid, flags, 100+pid)
	fmt.Fprintf(&b, "-- /proc/%d/status --\nName:\t%s\nNSpid:\t%s\n", pid, comm, nspid)
	if exe != "" {
		fmt.Fprintf(&b, "-- /proc/%d/exe -> %s --\n-- %s --\nELF\n", pid, exe, exe)
	}
	return b.String()
}

// guardedHost: java → sh → minerd → curl, and all that must be left alone.
func guardedHost(t *testing.T) *host.Host {
	t.Helper()
	text := "-- kernel/identity --\nself=50\n" +
		"-- kernel/sockets --\n" +
		"tcp LISTEN 0.0.0.0:8080 inode=7 netns=1\ntcp ESTABLISHED 10.0.0.1:8080 10.0.0.9:5000 inode=8 netns=1\n" +
		"tcp LISTEN 0.0.0.0:9090 inode=9 netns=1\n" +
		"-- /proc/self/ns/net -> net:[1] --\n"
	for _, p := range []struct {
		pid, ppid int
		comm, exe string
		flags     int
		ns        string
	}{
		{1, 0, "systemd", "/usr/lib/systemd/systemd", 0, "1"},
		{2, 0, "kthreadd", "", proc.FlagKernelThread, "2"},
		{30, 1, "sshd", "/usr/sbin/sshd", 0, "30"},
		{31, 30, "sshd", "/usr/lib/openssh/sshd-session", 0, "31"},
		{40, 31, "bash", "/bin/bash", 0, "40"},
		{45, 40, "sudo", "/opt/own/elevate", 0, "45"},
		{50, 45, "demine", "/root/demine", 0, "50"},
		{51, 1, "demine", "/root/demine", 0, "51"},
		{60, 1, "containerd-shim", "/usr/bin/containerd-shim-runc-v2", 0, "60"},
		{61, 60, "app", "/app/main", 0, "61 1"},
		{62, 61, "worker", "/app/worker", 0, "62 7"},
		{63, 1, "minerd", "/var/tmp/boxed", 0, "63 1"},
		{64, 1, "minerd", "/var/tmp/boxed", 0, "64 1"},
		{70, 1, "java", "/opt/jdk/bin/java", 0, "70"},
		{71, 70, "sh", "/bin/dash", 0, "71"},
		{72, 71, "minerd", "/var/tmp/minerd", 0, "72"},
		{73, 72, "curl", "/usr/bin/curl", 0, "73"},
		{74, 72, "web", "/usr/bin/web", 0, "74"},
		{75, 74, "web", "/usr/bin/web-worker", 0, "75"},
		{76, 72, "idle", "/usr/bin/idle", 0, "76"},
		{77, 72, "java", "/opt/other/java", 0, "77"},
		{78, 72, "fpm", "/usr/sbin/php-fpm8.2", 0, "78"},
		{80, 1, "sshd", "/tmp/sshd", 0, "80"},
	} {
		text += procText(p.pid, p.ppid, p.comm, p.exe, p.flags, p.ns)
	}
	text += "-- /proc/74/fd/3 -> socket:[7] --\n-- /proc/74/ns/net -> net:[1] --\n" +
		"-- /proc/76/fd/3 -> socket:[9] --\n-- /proc/76/ns/net -> net:[1] --\n" +
		"-- /proc/63/cgroup --\n0::/system.slice/docker-" + strings.Repeat("0a", 32) + ".scope\n" +
		"-- /proc/64/cgroup --\n0::/user.slice\n"
	h, err := fixture.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestGuards(t *testing.T) {
	h := guardedHost(t)
	ps, err := processes(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGuards(t.Context(), h, []procID{{76, 176}})
	if err != nil {
		t.Fatal(err)
	}
	// What is said of each as an accused process, and as a descendant of one.
	want := map[int][2]string{
		1: {"refuse.init", "refuse.init"}, 2: {"refuse.kernel", "refuse.kernel"},
		30: {"refuse.self", "refuse.self"}, 31: {"refuse.self", "refuse.self"}, 40: {"refuse.self", "refuse.self"},
		45: {"refuse.self", "refuse.self"}, 50: {"refuse.self", "refuse.self"}, 51: {"refuse.self", "refuse.self"},
		60: {"refuse.system", "refuse.system"},
		61: {"refuse.container-init", "refuse.container-init"}, 62: {},
		63: {"refuse.container-init", "refuse.container-init"}, 64: {"", "refuse.container-init"}, // made the namespace itself
		70: {"refuse.server", "refuse.server"}, 71: {}, 72: {}, 73: {},
		74: {"", "refuse.serves"}, 75: {}, 76: {"refuse.serves", "refuse.serves"},
		77: {"refuse.server", "refuse.server"}, 78: {"refuse.server", "refuse.server"}, 80: {},
	}
	got := map[int][2]string{}
	for _, p := range ps {
		var ids [2]string
		for i, own := range []bool{true, false} {
			if no := g.ask(p, own); no != nil {
				ids[i] = no.ID
			}
		}
		got[p.PID] = ids
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// java → sh → miner: only the miner and what it started, less what serves.
func TestGuardsFamily(t *testing.T) {
	h := guardedHost(t)
	ps, err := processes(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(ps, func(p Proc) bool { return p.PID == 72 })
	g, err := newGuards(t.Context(), h, nil)
	if err != nil {
		t.Fatal(err)
	}
	fam := family{Exe: ps[at].Exe, ID: ps[at].ExeID, Roots: []procID{ps[at].id()}}
	k := fam.resolve(h, ps, nil, g)
	var pids, spared []int
	for _, p := range k.members {
		pids = append(pids, p.PID)
	}
	for _, r := range k.spared {
		spared = append(spared, r.Args["pid"].(int))
	}
	if diff := cmp.Diff([]int{72, 73, 76}, pids); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{74, 77, 78}, spared); diff != "" {
		t.Errorf("spared (-want +got):\n%s", diff)
	}
}

// A family of which nothing may be stopped is refused in words.
func TestGuardsRefuse(t *testing.T) {
	tr := newTree(t)
	p := procNow(t, os.Getpid())
	_, _, o := applyStep(t, processFreeze, liveWriter(), familyNow(t, p))
	if o.State != Refused || o.Detail.ID != "refuse.self" {
		t.Errorf("demine itself: %+v", o)
	}
	boxed := tr.start(&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}, programCopy(t, "busybox", "busybox-minerd"),
		"sh", "-c", "/usr/bin/sleep 1000 & wait")
	tr.grown(2)
	h := host.Live()
	ps, err := processes(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGuards(t.Context(), h, nil)
	if err != nil {
		t.Fatal(err)
	}
	if no := g.ask(boxed, false); no == nil || no.ID != "refuse.container-init" {
		t.Errorf("first of a pid namespace: %v", no)
	}
	for _, q := range ps { // as before Linux 4.1
		d, err := h.Files.OpenDir(pidPath(q.PID))
		if err != nil {
			continue
		}
		if q.PID == boxed.PID && !g.oldestOfNamespace(q, d) || q.PPID == boxed.PID && g.oldestOfNamespace(q, d) {
			t.Errorf("%d: oldest of its namespace: %v", q.PID, g.oldestOfNamespace(q, d))
		}
		d.Close()
	}
}

// A descendant that a client is connected to goes on, and is named.
func TestGuardsServes(t *testing.T) {
	tr := newTree(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	root := tr.start(nil, programCopy(t, "busybox", "busybox-minerd"), "sh", "-c",
		"/usr/bin/busybox httpd -f -p 127.0.0.1:"+port+" -h "+t.TempDir()+" & /usr/bin/sleep 1000; :")
	var c net.Conn
	pollFor(t, "it listens", func() bool { c, err = net.Dial("tcp", "127.0.0.1:"+port); return err == nil })
	defer c.Close()
	_, _, o := applyStep(t, processFreeze, liveWriter(), familyNow(t, root))
	if o.State != Done || o.Detail.ID != "process.but" || !halted(root.PID) {
		t.Fatalf("%+v", o)
	}
	for pid, state := range tr.all() {
		if p := procNow(t, pid); (p.Exe == "/usr/bin/busybox") == (state == 'T') {
			t.Errorf("%s (%d) is %c", p.Exe, pid, state)
		}
	}
}
