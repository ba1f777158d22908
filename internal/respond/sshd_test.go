package respond

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

// realSSHD starts sshd with a configuration of the test's own.
func realSSHD(t *testing.T, config string) (fact.Path, sshDaemon) {
	t.Helper()
	dir := folderFor(t)
	ok(t, os.MkdirAll("/run/sshd", 0o755)) // its privilege separation folder; the package's unit makes it
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	key := dir + "/key"
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	p := plant(t, dir+"/sshd_config", fmt.Sprintf("HostKey %s\nPort %d\nListenAddress 127.0.0.1\nPidFile none\n%s", key, port, config))
	c := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", string(p))
	c.Stderr = t.Output()
	ok(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	d := sshDaemon{PID: c.Process.Pid, Exe: "/usr/sbin/sshd", Ports: []int{port}}
	for end := time.Now().Add(10 * time.Second); ; {
		if greeting(t.Context(), fileWriter(), "127.0.0.1:"+strconv.Itoa(port)) == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("sshd does not start")
		}
	}
	d.Start = startOf(t, c.Process.Pid)
	return p, d
}

// startOf is field 22 of /proc/PID/stat.
func startOf(t *testing.T, pid int) uint64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	ok(t, err)
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	n, err := strconv.ParseUint(fields[19], 10, 64)
	ok(t, err)
	return n
}

// The real sshd is reloaded with the changed line, keeps its pid and answers;
// undone, it reads the old line again.
func TestRootLogin(t *testing.T) {
	p, d := realSSHD(t, "  PermitRootLogin\tyes # for now\r\nPasswordAuthentication yes\n")
	was, text := stateAt(t, p), contentOf(t, p)
	x := try(t, sshdRootLogin, sshdSetting{Config: p, File: p, Line: 5, Name: "permitrootlogin", From: "yes", To: "prohibit-password", Daemon: d})
	x.w.Proc = liveProcesses{}
	ok(t, x.apply())
	if got, want := contentOf(t, p), strings.Replace(text, "  PermitRootLogin\tyes # for now\r\n", "  PermitRootLogin prohibit-password\r\n", 1); got != want {
		t.Errorf("%q", got)
	}
	out, err := exec.Command("/usr/sbin/sshd", "-T", "-f", string(p)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "permitrootlogin without-password\n") {
		t.Errorf("sshd -T: %v %s", err, out)
	}
	if startOf(t, d.PID) != d.Start {
		t.Error("sshd was restarted")
	}
	ok(t, x.back())
	if diff := cmp.Diff(was, stateAt(t, p), lasting); diff != "" {
		t.Error(diff)
	}
}

// An sshd that does not come back is an error, so that the engine puts the
// line back.
func TestReloadNotices(t *testing.T) {
	p, d := realSSHD(t, "")
	plant(t, string(p), contentOf(t, p)+"NoSuchKeyword yes\n")
	w := fileWriter()
	w.Proc = liveProcesses{}
	if err := reloadSSHD(t.Context(), w, sshdSetting{Daemon: d}); err == nil {
		t.Error("an sshd that ended is said to answer")
	}
	if err := reloadSSHD(t.Context(), w, sshdSetting{Daemon: sshDaemon{PID: d.PID, Start: d.Start + 1}}); !errors.Is(err, ErrGone) {
		t.Errorf("another process was signalled: %v", err)
	}
}

func TestFindSetting(t *testing.T) {
	dir := folderFor(t)
	sub := plant(t, dir+"/50-cloud.conf", "PermitRootLogin yes\n")
	main := plant(t, dir+"/sshd_config", "Include "+dir+"/*.conf\nPermitRootLogin yes\nAuthorizedKeysCommand /tmp/.k %u\nMatch User git\n  AuthorizedKeysCommand /tmp/.k %u\n  X11Forwarding no\n")
	h := fileWriter().Host
	set := func(file fact.Path, line int, name, from, to string) string {
		es, err := findSetting(h, sshdSetting{Config: main, File: file, Line: line, Name: name, From: from, To: to}, file, []byte(contentOf(t, file)))
		if err != nil {
			return refusedAs(err)
		}
		next, err := editLines([]byte(contentOf(t, file)), es)
		ok(t, err)
		return string(next)
	}
	if got := set(sub, 1, "permitrootlogin", "yes", "prohibit-password"); got != "PermitRootLogin prohibit-password\n" {
		t.Errorf("the line in force: %q", got)
	}
	if got := set(main, 2, "permitrootlogin", "yes", "prohibit-password"); got != "refuse.sshd.no-effect" {
		t.Errorf("a line that another one hides: %q", got)
	}
	want := strings.ReplaceAll(strings.ReplaceAll(contentOf(t, main), "\nAuth", "\n#Auth"), "  Auth", "#  Auth")
	if got := set(main, 3, "authorizedkeyscommand", "/tmp/.k %u", ""); got != want {
		t.Errorf("%q", got)
	}
	if got := set(main, 3, "authorizedkeyscommand", "/other", ""); got != ErrNothing.Error() {
		t.Errorf("%q", got)
	}
}

func TestSpelling(t *testing.T) {
	dir := t.TempDir()
	old := plant(t, dir+"/old", "\x7fELF without-password")
	h := fileWriter().Host
	for exe, want := range map[fact.Path]string{"/usr/sbin/sshd": "prohibit-password", old: "without-password", "/no/such": "without-password"} {
		if got := (sshDaemon{Exe: exe}).spelling(h, "prohibit-password"); got != want {
			t.Errorf("%s: %s", exe, got)
		}
	}
}

// The unit is where systemd finds it at the next boot, its copy of the program
// is whole, and all is gone afterwards.
func TestBootRevert(t *testing.T) {
	dir := folderFor(t)
	ownMounts(t, func() {
		for _, d := range []string{"/etc/systemd", "/run"} {
			if err := errors.Join(os.MkdirAll(d, 0o755), mountTmpfs(d)); err != nil {
				t.Error(err)
				return
			}
		}
		w := fileWriter()
		w.State = dir
		if got := refusedAs(InstallBootRevert(w)); got != "refuse.sshd.no-boot-revert" {
			t.Errorf("without systemd: %s", got)
		}
		if err := errors.Join(os.MkdirAll("/run/systemd/system", 0o755), os.MkdirAll("/etc/systemd/system", 0o755)); err != nil {
			t.Error(err)
		}
		volatile := *w
		volatile.State = "/run"
		if got := refusedAs(InstallBootRevert(&volatile)); got != "refuse.revert.volatile" {
			t.Errorf("with a state that a reboot empties: %s", got)
		}
		for range 2 {
			if err := InstallBootRevert(w); err != nil {
				t.Error(err)
			}
		}
		f, err := os.Open("/etc/systemd/system/multi-user.target.wants/demine-revert.service")
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		found := false
		for s := bufio.NewScanner(f); s.Scan(); {
			found = found || s.Text() == `ExecStart="`+dir+`/demine" revert --boot`
		}
		if !found {
			t.Error("the unit does not run the copy")
		}
		if i, err := os.Stat(dir + "/demine"); err != nil || i.Mode().Perm() != 0o700 || i.Size() < 1<<20 {
			t.Errorf("the copy: %v %v", i, err)
		}
		for range 2 {
			if err := RemoveBootRevert(w); err != nil {
				t.Error(err)
			}
		}
		if left, _ := filepath.Glob("/etc/systemd/system/*.service"); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

// Root keeps its password unless somebody has logged in as root with a key that
// nothing is said against.
func TestPlanRootLogin(t *testing.T) {
	host := func(log, pid1 string) string {
		return `
-- /etc/passwd --
root:x:0:0:root:/root:/bin/bash
-- /etc/shadow --
root:$6$x$y:19000::::::
-- /etc/ssh/sshd_config --
PermitRootLogin yes
PasswordAuthentication yes
-- /proc/1/stat --
1 (` + pid1 + `) S 0 1 1 0 -1 4194560 0 0 0 0 100 100 0 0 20 0 1 0 10 170000000 3000
-- /proc/1/status --
Uid:	0	0	0	0
-- /root/.ssh/authorized_keys mode=0600 --
` + ownersLine + `-- /var/log/auth.log mtime=2026-11-22T19:30:00Z --
` + log
	}
	used := "Nov 20 09:00:00 shop sshd[700]: Accepted publickey for root from 203.0.113.9 port 50000 ssh2: ED25519 " + ownersKey + "\n"
	p := Make(scanOf(t, host(used, "systemd")), Request{Kind: KindHarden})
	if len(p.Steps) != 1 || p.Steps[0].Do != "sshd.root-login" || p.Steps[0].Revert != 300 || p.Steps[0].Group != "sshd" {
		t.Fatalf("%v %v", stepsOf(p), leftOf(p))
	}
	with, err := decode[sshdSetting](p.Steps[0].With)
	ok(t, err)
	want := sshdSetting{Config: "/etc/ssh/sshd_config", File: "/etc/ssh/sshd_config", Line: 1, Name: "permitrootlogin", From: "yes", To: "prohibit-password"}
	if d := cmp.Diff(want, with); d != "" {
		t.Error(d)
	}
	for name, text := range map[string]string{
		"refuse.sshd.no-key-login":   host("Nov 20 09:00:00 shop sshd[700]: Failed password for root from 203.0.113.9 port 1 ssh2\n", "systemd"),
		"refuse.sshd.no-boot-revert": host(used, "init"),
	} {
		if p := Make(scanOf(t, text), Request{Kind: KindHarden}); len(p.Steps) != 0 || !strings.Contains(strings.Join(leftOf(p), " "), name) {
			t.Errorf("%s: %v %v", name, stepsOf(p), leftOf(p))
		}
	}
}

// Lines that weaken sshd become comments; the package's own values stay.
func TestPlanSSHDDefault(t *testing.T) {
	p := Make(scanOf(t, `
-- /etc/ssh/sshd_config --
PermitRootLogin no
PermitEmptyPasswords yes
PermitUserEnvironment no
StrictModes no
-- /proc/1/stat --
1 (systemd) S 0 1 1 0 -1 4194560 0 0 0 0 100 100 0 0 20 0 1 0 10 170000000 3000
-- /proc/1/status --
Uid:	0	0	0	0
`), Request{Kind: KindHarden})
	var got []string
	for _, s := range p.Steps {
		with, err := decode[sshdSetting](s.With)
		ok(t, err)
		if s.Do != "sshd.default" || !s.Lasting || s.Revert != 300 || with.To != "" {
			t.Errorf("%+v", s)
		}
		got = append(got, with.Name+" "+with.From)
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{"permitemptypasswords yes", "strictmodes no"}, got); d != "" {
		t.Error(d)
	}
}
