//go:build lab

package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestHostile: nothing of the host is run or changed while demine looks, and a host whose libc, PATH and tools lie
// changes nothing of what demine sees.
func TestHostile(t *testing.T) {
	bin := product(t)
	h := boot(t, Config{Name: "hostile", Scenario: "seed", Threads: 1})
	if err := h.CopyIn(t.Context(), bin, "/root/demine"); err != nil {
		t.Fatal(err)
	}
	t.Run("tracer", func(t *testing.T) { checkTracer(t, h) })
	t.Run("trace", func(t *testing.T) { checkTrace(t, h, "/root/demine", "scan", "--json") })

	before := examine(t, h)
	filter := inside(t, h, "iptables-legacy -S; ip6tables-legacy -S")
	real := inside(t, h, "/usr/bin/ps -e -o comm=")
	if !slices.Contains(strings.Fields(real), filepath.Base(h.Facts.Miner.Exe)) {
		t.Fatalf("ps of the honest host does not show the stand-in: %s", real)
	}
	plantLies(t, h)
	for name, argv := range hostileRuns() {
		t.Run(name, func(t *testing.T) { same(t, before, seen(t, h, argv)) })
	}
	t.Run("trace of a hostile host", func(t *testing.T) { checkTrace(t, h, hostileRuns()["environment"]...) })
	checkLies(t, h)
	if now := inside(t, h, "iptables-legacy -S; ip6tables-legacy -S"); now != filter {
		t.Errorf("the packet filter is now %q, was %q", now, filter)
	}
}

// What is planted, and where its traces go.
const (
	liarDir   = "/var/tmp/hostile"        // first in PATH, everybody may write
	liarLib   = "/usr/lib/hider.so"       // in ld.so.preload
	fakeRun   = "/run/lab-fakes"          // a file for each fake tool that ran
	loadedRun = "/run/lab-preloaded"      // a file for each program that the library was loaded into
	sourced   = "/run/lab-fakes/bash-env" // BASH_ENV was read
)

var fakeTools = []string{"ps", "iptables", "iptables-save", "nft", "crontab", "ss", "systemctl", "dpkg", "redis-cli", "getent", "ldd"}

// hostileRuns are ways to start demine on a host that lies.
func hostileRuns() map[string][]string {
	return map[string][]string{
		"plain": {"/root/demine", "scan", "--json"},
		"environment": {"env", "-C", liarDir, "PATH=" + liarDir + ":.", "LD_PRELOAD=" + liarLib, "LD_AUDIT=" + liarLib, "LD_LIBRARY_PATH=" + liarDir,
			"BASH_ENV=" + liarDir + "/rc", "ENV=" + liarDir + "/rc", "PROMPT_COMMAND=" + liarDir + "/ps", "SHELL=" + liarDir + "/ps",
			"GODEBUG=inittrace=1,gctrace=1,schedtrace=100,netdns=cgo,invalidptr=0", "GOTRACEBACK=crash", "GOGC=1", "GOMEMLIMIT=1MiB", "GOMAXPROCS=1",
			"TZ=" + liarDir + "/zone", "ZONEINFO=" + liarDir, "TZDIR=" + liarDir, "LANG=../../x", "LC_ALL=\x1b[2J", "HOME=" + liarDir, "TMPDIR=" + liarDir,
			"HOSTALIASES=" + liarDir + "/rc", "RES_OPTIONS=debug", "http_proxy=http://127.0.0.1:1", "GCONV_PATH=" + liarDir, "COLUMNS=-1", "TERM=../../x",
			"/root/demine", "scan", "--json"},
		"found by PATH": {"env", "PATH=" + liarDir + ":/root", "demine", "scan", "--json"},
	}
}

// hiderC is what libprocesshider is: it takes the miner's folder out of what readdir gives. It also leaves a trace of
// every program that it is loaded into.
const hiderC = `
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

__attribute__((constructor)) static void loaded(void) {
	char name[256];
	snprintf(name, sizeof name, "%s/%s", LOADED, program_invocation_short_name);
	int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
	if (fd >= 0) close(fd);
}

struct dirent *readdir(DIR *d) {
	static struct dirent *(*next)(DIR *);
	if (!next) next = dlsym(RTLD_NEXT, "readdir");
	struct dirent *e;
	do e = next(d); while (e && !strcmp(e->d_name, HIDDEN));
	return e;
}

struct dirent64 *readdir64(DIR *d) {
	static struct dirent64 *(*next)(DIR *);
	if (!next) next = dlsym(RTLD_NEXT, "readdir64");
	struct dirent64 *e;
	do e = next(d); while (e && !strcmp(e->d_name, HIDDEN));
	return e;
}
`

// plantLies makes the host lie, the preload last: from then on it is in every program that starts.
func plantLies(t *testing.T, h *Host) {
	t.Helper()
	dir := t.TempDir()
	src, so := filepath.Join(dir, "hider.c"), filepath.Join(dir, "hider.so")
	if err := os.WriteFile(src, []byte(hiderC), 0o600); err != nil {
		t.Fatal(err)
	}
	cc := exec.CommandContext(t.Context(), "gcc", "-shared", "-fPIC", "-O1", "-o", so, src, "-ldl",
		fmt.Sprintf("-DHIDDEN=%q", fmt.Sprint(h.Facts.Miner.PID)), fmt.Sprintf("-DLOADED=%q", loadedRun))
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	put := func(path, text string, mode os.FileMode) {
		if err := h.put(t.Context(), strings.NewReader(text), path, mode); err != nil {
			t.Fatal(err)
		}
	}
	inside(t, h, "mkdir -m 1777 "+fakeRun+" "+loadedRun+"; mkdir "+liarDir+"; chmod 777 "+liarDir)
	fakes := slices.Concat(fakeTools, []string{"sh", "bash", "env", "cat", "id", "hostname", "ldconfig"})
	for _, name := range fakes {
		text := "#!/bin/sh\n: >> " + fakeRun + "/" + name + "\necho all is well\n"
		put(liarDir+"/"+name, text, 0o755)
		if slices.Contains(fakeTools, name) {
			put("/usr/local/sbin/"+name, text, 0o755)
		}
	}
	put(liarDir+"/rc", ": >> "+sourced+"\nalias ls=false\n", 0o644)
	put(liarDir+"/libc.so.6", "not a library", 0o755)
	put(liarDir+"/zone", "TZif2 not a zone", 0o644)
	if err := h.CopyIn(t.Context(), so, liarLib); err != nil {
		t.Fatal(err)
	}
	put("/etc/ld.so.preload", liarLib+"\n", 0o644)
}

// checkLies: the lies work on the host's own programs, and none of them reached demine. It comes last, for the
// fakes leave their traces in it.
func checkLies(t *testing.T, h *Host) {
	t.Helper()
	if ran := inside(t, h, "ls "+fakeRun); ran != "" {
		t.Errorf("demine ran or read of the host: %s", ran)
	}
	loaded := strings.Fields(inside(t, h, "ls "+loadedRun))
	if slices.Contains(loaded, "demine") {
		t.Error("the host's library was loaded into demine")
	}
	if !slices.Contains(loaded, "env") || !slices.Contains(loaded, "strace") {
		t.Errorf("the library was not loaded into the programs around demine, only into %v: this test proves nothing", loaded)
	}
	if got := inside(t, h, "/usr/bin/ps -e -o comm="); slices.Contains(strings.Fields(got), filepath.Base(h.Facts.Miner.Exe)) || !strings.Contains(got, "systemd") {
		t.Errorf("the preload does not hide the stand-in from the real ps: %s", got)
	}
	if got := inside(t, h, fmt.Sprintf("test -d /proc/%d; ls /proc", h.Facts.Miner.PID)); slices.Contains(strings.Fields(got), fmt.Sprint(h.Facts.Miner.PID)) {
		t.Error("the preload does not hide the stand-in from ls")
	}
	for _, tool := range fakeTools {
		if got := inside(t, h, tool); got != "all is well" {
			t.Errorf("%s in PATH says %q", tool, got)
		}
	}
	want := slices.Sorted(slices.Values(fakeTools))
	if ran := strings.Fields(inside(t, h, "ls "+fakeRun)); !slices.Equal(ran, want) {
		t.Errorf("the fakes left traces of %v, want %v", ran, want)
	}
}

// seen is what demine says, whatever its coverage.
func seen(t *testing.T, h *Host, argv []string) (s scan) {
	t.Helper()
	r, err := h.Run(t.Context(), argv...)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		t.Fatalf("exit %d, %v: %.2000s%.2000s", r.Exit, err, r.Stdout, r.Stderr)
	}
	return s
}

// same: the verdict, the findings, the way in, the doors and the coverage are as they were. What was planted since
// may be accused as well.
func same(t *testing.T, a, b scan) {
	t.Helper()
	if a.Verdict != b.Verdict || a.Exit != b.Exit || a.Exposed != b.Exposed {
		t.Errorf("verdict %s (exit %d, exposed %d), want %s (%d, %d)", b.Verdict, b.Exit, b.Exposed, a.Verdict, a.Exit, a.Exposed)
	}
	differ(t, "finding", findingSet(a), findingSet(b))
	differ(t, "exposure", exposureSet(a), exposureSet(b))
	differ(t, "coverage", coverageSet(a), coverageSet(b))
	if len(b.Incidents) == 0 || len(b.Incidents[0].Causes) == 0 || b.Incidents[0].Causes[0].ID != a.Incidents[0].Causes[0].ID {
		t.Errorf("incidents: %+v, want the first cause %s", b.Incidents, a.Incidents[0].Causes[0].ID)
	}
}

func findingSet(s scan) (out []string) {
	for _, f := range s.Findings {
		if !slices.ContainsFunc([]string{liarDir, liarLib, "ld.so.preload", "/usr/local/sbin/"}, func(p string) bool {
			return strings.Contains(f.Subject+f.Origin.Path, p)
		}) {
			out = append(out, fmt.Sprintf("%s %s %s %s:%d", f.Rule, f.Certainty, f.Subject, f.Origin.Path, f.Origin.Line))
		}
	}
	return out
}

func exposureSet(s scan) (out []string) {
	for _, e := range s.Exposure {
		out = append(out, fmt.Sprintf("%s %s %s %q %s %s %d %v", e.Listener, e.Service, e.From, e.Because, e.Auth, e.Backend, e.RuleN, e.Saved))
	}
	return out
}

func coverageSet(s scan) (out []string) {
	for _, c := range s.Coverage {
		out = append(out, c.Observer+" "+c.State)
	}
	return out
}

func differ(t *testing.T, what string, a, b []string) {
	t.Helper()
	if len(a) == 0 {
		t.Errorf("no %s to compare", what)
	}
	for _, x := range a {
		if !slices.Contains(b, x) {
			t.Errorf("%s is missing now: %s", what, x)
		}
	}
	for _, x := range b {
		if !slices.Contains(a, x) {
			t.Errorf("%s is new: %s", what, x)
		}
	}
}

// checkTrace: of all system calls that touch files, processes or the kernel's settings, demine makes only harmless
// ones, and it starts nothing.
func checkTrace(t *testing.T, h *Host, argv ...string) {
	t.Helper()
	calls := trace(t, h, argv...)
	// What env does before demine starts is not demine's.
	start := slices.IndexFunc(calls, func(c call) bool { return c.name == "execve" && strings.HasPrefix(c.args, `"/root/demine"`) })
	if start < 0 {
		t.Fatalf("demine's start is not in the trace of %d calls", len(calls))
	}
	calls = calls[start+1:]
	for _, o := range offences(calls) {
		t.Errorf("demine: %s", o)
	}
	opened := func(what string) bool {
		return slices.ContainsFunc(calls, func(c call) bool { return c.name == "openat" && strings.Contains(c.args, what) })
	}
	for _, want := range []string{`"/etc/passwd"`, `, "1", O_RDONLY`, `"stat"`, `"` + h.Facts.Intruder.CronFile + `"`} {
		if !opened(want) {
			t.Errorf("the trace of %d calls has no opening of %s: this test proves nothing", len(calls), want)
		}
	}
}

// checkTracer: a program that does what demine must not do is caught.
func checkTracer(t *testing.T, h *Host) {
	got := strings.Join(offences(trace(t, h, "bash", "-c", "echo x > /run/x; /bin/true; kill -0 1; rm /run/x")), "\n")
	for _, want := range []string{"execve", "O_WRONLY", "kill(", "unlink", "starts a process"} {
		if !strings.Contains(got, want) {
			t.Errorf("the tracer does not catch %s: %s", want, got)
		}
	}
}

// call is a line of strace.
type call struct {
	pid, name, args string
}

// traced are the classes and calls that can change or start something.
const traced = "trace=%file,%process,kill,tkill,tgkill,rt_sigqueueinfo,rt_tgsigqueueinfo,pidfd_send_signal,ptrace,process_vm_readv," +
	"process_vm_writev,process_madvise,setns,unshare,mount_setattr,bpf,init_module,finit_module,delete_module,perf_event_open," +
	"fanotify_init,sethostname,settimeofday,clock_settime,reboot,swapon,syslog,setsockopt,ftruncate,fallocate,fchmod,fchown,fsetxattr,bind,listen"

var callRE = regexp.MustCompile(`^(\d+) +(\w+)\((.*)`)

func trace(t *testing.T, h *Host, argv ...string) (calls []call) {
	t.Helper()
	const file = "/run/lab-trace"
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, err := h.Run(ctx, append([]string{"strace", "-f", "-qq", "-s", "200", "-e", "signal=none", "-o", file, "-e", traced}, argv...)...)
	if err != nil {
		t.Fatal(err)
	}
	text := inside(t, h, "cat "+file+"; rm "+file)
	for line := range strings.Lines(text) {
		if m := callRE.FindStringSubmatch(line); m != nil {
			calls = append(calls, call{m[1], m[2], m[3]})
		}
	}
	if len(calls) == 0 {
		t.Fatalf("strace saw nothing: exit %d: %.1000s", r.Exit, r.Stderr)
	}
	return calls
}

// reading are calls that change nothing whatever their arguments.
var reading = strings.Fields("stat fstat lstat newfstatat statx statfs readlink readlinkat access faccessat faccessat2 getcwd chdir exit exit_group " +
	"wait4 waitid rt_sigreturn process_vm_readv")

var (
	writeRE  = regexp.MustCompile(`O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)`)
	mayWrite = regexp.MustCompile(`^AT_FDCWD, "(/proc/self/autogroup|/dev/null|/dev/tty)", `)
	replace  = regexp.MustCompile(`^\d+, SOL_IPV?6?, (IP6?T_SO_SET|0x40|0x41|64|65)`)
)

// offences are the calls that a program which only looks does not make.
func offences(calls []call) (out []string) {
	self := ""
	if len(calls) > 0 {
		self = calls[0].pid
	}
	for _, c := range calls {
		bad := false
		switch c.name {
		case "open", "openat", "openat2":
			bad = writeRE.MatchString(c.args) && !mayWrite.MatchString(c.args)
		case "clone", "clone3", "fork", "vfork":
			if !strings.Contains(c.args, "CLONE_THREAD") {
				out = append(out, "starts a process: "+c.name+"("+c.args)
			}
		case "tgkill": // the runtime preempts its own threads
			bad = !strings.HasPrefix(c.args, self+", ") || !strings.Contains(c.args, "SIGURG")
		case "open_tree": // a copy of the mount of /proc that is attached nowhere
			bad = !strings.HasPrefix(c.args, `AT_FDCWD, "/proc", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC`)
		case "setns": // sockets of another network namespace
			bad = !strings.Contains(c.args, "CLONE_NEWNET")
		case "setsockopt":
			bad = replace.MatchString(c.args)
		case "bind": // netlink and the probe for IPv6; a service is not offered
			bad = false
		default:
			bad = !slices.Contains(reading, c.name)
		}
		if bad {
			out = append(out, c.name+"("+c.args)
		}
	}
	return out
}
