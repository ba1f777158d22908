//go:build lab

package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSeedBoots proves with the hosts' own tools that what Facts says was done is so, and that nothing of a host is
// left afterwards. The layouts run at once: most of the time goes by waiting for 19:00.
func TestSeedBoots(t *testing.T) {
	for cron, kind := range map[Cron]Firewall{RHEL: IptablesLegacy, Busybox: Nft, Debian: IptablesNft} {
		t.Run(string(cron), func(t *testing.T) {
			t.Parallel()
			h := boot(t, Config{Name: "test-" + string(cron), Scenario: "seed", Cron: cron, Firewall: kind, Threads: 1})
			checkMiner(t, h)
			checkPlanted(t, h)
			checkDoor(t, h)
			checkLogins(t, h)
			checkReturn(t, h)
		})
	}
}

// TestSwitchFirewall walks through all kinds on one host.
func TestSwitchFirewall(t *testing.T) {
	h := boot(t, Config{Name: "test-switch", Scenario: "quiet", NoLoad: true})
	for _, kind := range []Firewall{Nft, IptablesNft, IptablesLegacy} {
		if err := h.SwitchFirewall(t.Context(), kind); err != nil {
			t.Fatal(err)
		}
		checkDoor(t, h)
	}
}

// boot is Up, with a Down that proves that nothing is left.
func boot(t *testing.T, c Config) *Host {
	t.Helper()
	c.Step = func(s Step) { t.Logf("%5.1f s %s", s.After.Seconds(), s.What) }
	start, err := startTicks(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	c.Owner = Process{PID: os.Getpid(), Start: start}
	h, err := Up(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var spaces []string // As they are now: those of before a boot of the host may be another host's today.
		for _, p := range []Process{h.Inside, h.World} {
			if p.alive() {
				spaces = append(spaces, namespaces(p.PID)...)
			}
		}
		before := members(spaces)
		if err := h.Down(); err != nil {
			t.Error(err)
		}
		if h.Inside.alive() || h.World.alive() {
			t.Error("a first process is still there")
		}
		for _, d := range append(h.Cgroups, h.Folder) {
			if _, err := os.Stat(d); err == nil {
				t.Errorf("%s is left", d)
			}
		}
		if left := holding(h.Folder); left != nil {
			t.Errorf("mounts of the host are left: %v", left)
		}
		// The kernel gives the number of a namespace that is gone to the next one, so only what was there before counts.
		// Who looks at every namespace of the machine, another test or a look of demine's, is in one for a moment.
		if err := until(context.Background(), 5*time.Second, "the host's namespaces to be left", func() error {
			return heldBy(slices.DeleteFunc(members(spaces), func(l string) bool { return !slices.Contains(before, l) }))
		}); err != nil {
			t.Error(err)
		}
	})
	return h
}

// namespaces are those of a process that are not our own.
func namespaces(pid int) (all []string) {
	for _, kind := range []string{"mnt", "pid", "net", "uts", "ipc", "cgroup"} {
		theirs, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
		ours, _ := os.Readlink("/proc/self/ns/" + kind)
		if theirs != ours && theirs != "" {
			all = append(all, theirs)
		}
	}
	return all
}

// heldBy tells what holds a namespace, with the command of a process.
func heldBy(left []string) error {
	var errs []error
	for _, l := range left {
		argv, _ := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(l)), "cmdline"))
		errs = append(errs, fmt.Errorf("%s %q", l, argv))
	}
	return errors.Join(errs...)
}

// members names the processes of this machine that are in one of the namespaces, and mounts that keep one.
func members(spaces []string) (left []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/ns/*")
	for _, l := range links {
		if space, err := os.Readlink(l); err == nil && slices.Contains(spaces, space) {
			left = append(left, l)
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for _, s := range spaces {
		if strings.Contains(string(mounts), s) {
			left = append(left, "a mount of "+s)
		}
	}
	return left
}

// holding names the processes of this machine that see the overlay of folder in their mounts.
func holding(folder string) (pids []string) {
	tables, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
	for _, f := range tables {
		if raw, err := os.ReadFile(f); err == nil && strings.Contains(string(raw), folder+"/") {
			pids = append(pids, f)
		}
	}
	return pids
}

// inside runs a script in the host and wants it to succeed.
func inside(t *testing.T, h *Host, script string) string {
	t.Helper()
	r, err := h.Run(t.Context(), "sh", "-euc", script)
	if err != nil {
		t.Fatal(err)
	}
	if r.Exit != 0 {
		t.Fatalf("%s: exit %d: %s%s", script, r.Exit, r.Stdout, r.Stderr)
	}
	return strings.TrimSpace(r.Stdout)
}

func checkMiner(t *testing.T, h *Host) {
	t.Helper()
	m := h.Facts.Miner
	if exe := inside(t, h, fmt.Sprintf("readlink /proc/%d/exe", m.PID)); exe != m.Exe {
		t.Errorf("exe of the stand-in: %q, want %q", exe, m.Exe)
	}
	busy := func() string {
		return inside(t, h, fmt.Sprintf("cut -d' ' -f14 /proc/%d/stat", m.PID))
	}
	first := busy()
	if err := until(t.Context(), 20*time.Second, "the stand-in to burn CPU time", func() error {
		if now := busy(); now == first {
			return fmt.Errorf("still at %s ticks", now)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if mask := inside(t, h, fmt.Sprintf("ls /proc/%d/fd | while read f; do readlink /proc/%d/fd/$f; done", m.PID, m.PID)); strings.Contains(mask, "socket:") {
		t.Errorf("the stand-in has a connection: %s", mask)
	}
	// Two of the constants by which RandomX is known, in the file that runs.
	inside(t, h, `LC_ALL=C grep -qaP '\x0d\x2c\xb5\x92\xde\x56\xa8\x9f\x47\xdb\x82\xcc\xad\x3a\x98\xd7' `+m.Exe)
	inside(t, h, `LC_ALL=C grep -qaP '\x5c\x49\x22\xbf\x1c\xb9\x26\x81' `+m.Exe)
	if hour := inside(t, h, fmt.Sprintf("date -d @%d +%%H:%%M", m.Started.Unix()+1)); hour != "19:00" {
		t.Errorf("the stand-in started at %s in the host, want 19:00", hour)
	}
}

func checkPlanted(t *testing.T, h *Host) {
	t.Helper()
	f := h.Facts.Intruder
	for _, file := range []string{f.CronFile, f.KeysFile} {
		if head := inside(t, h, "head -c 5 "+file); head != "REDIS" {
			t.Errorf("%s begins with %q: not written by Redis", file, head)
		}
		if mode := inside(t, h, "stat -c '%a %U' "+file); mode != "644 root" {
			t.Errorf("%s is %s, want 644 root", file, mode)
		}
	}
	if line := inside(t, h, fmt.Sprintf("sed -n %dp %s", f.JobLine, f.JobFile)); line != f.Job {
		t.Errorf("line %d of %s: %q, want %q", f.JobLine, f.JobFile, line, f.Job)
	}
	if want := h.Config.Cron != Debian; f.CronRuns != want || f.LoggedIn == want {
		t.Errorf("cron runs Redis's table: %v, intruder logged in: %v (cron said %s)", f.CronRuns, f.LoggedIn, f.CronLog)
	}
	dir := inside(t, h, "redis-cli -p 6380 CONFIG GET dir; redis-cli -p 6380 CONFIG GET dbfilename; redis-cli -p 6380 EXISTS "+strings.Join(f.RedisKeys, " "))
	if want := "dir\n" + f.RedisDirNow + "\ndbfilename\n" + f.RedisFileNow + "\n2"; dir != want {
		t.Errorf("Redis says %q, want %q", dir, want)
	}
	prints := inside(t, h, "ssh-keygen -l -f "+f.KeysFile+" 2>/dev/null || true")
	for _, k := range []string{h.Facts.OwnerKey, f.Key} {
		if !strings.Contains(prints, k) {
			t.Errorf("%s lacks %s: %s", f.KeysFile, k, prints)
		}
	}
}

// checkDoor tries the firewall from outside, for both families, and finds the door where Facts has it.
func checkDoor(t *testing.T, h *Host) {
	t.Helper()
	for _, c := range []struct {
		from, to string
		port     int
		open     bool
	}{
		{IntruderV4, HostV4, 6380, true}, {IntruderV6, HostV6, 6380, true},
		{IntruderV4, HostV4, 3306, false}, {IntruderV6, HostV6, 3306, false},
		{OperatorV4, HostV4, 3306, true}, {OperatorV6, HostV6, 3306, true},
		{IntruderV4, HostV4, 22, true}, {Customers[0], HostV4, 8080, true}, {Customers[3], HostV6, 8080, true},
	} {
		r, err := h.Outside(t.Context(), "nc", "-z", "-w", "2", "-s", c.from, c.to, fmt.Sprint(c.port))
		if err != nil {
			t.Fatal(err)
		}
		if (r.Exit == 0) != c.open {
			t.Errorf("%s: %s → %s:%d: open %v, want %v", h.Config.Firewall, c.from, c.to, c.port, r.Exit == 0, c.open)
		}
	}
	list := map[Firewall]string{
		IptablesLegacy: "iptables-legacy -S INPUT | tail -n +2", IptablesNft: "iptables-nft -S INPUT | tail -n +2",
		Nft: "nft list chain inet filter input | grep -v -e '{' -e '}' -e policy",
	}[h.Config.Firewall]
	rules := strings.Split(inside(t, h, list), "\n")
	d := h.Facts.Door
	if at := slices.IndexFunc(rules, func(r string) bool { return strings.TrimSpace(r) == d.Rule }); at+1 != d.Position {
		t.Errorf("%s: the door %q is rule %d, want %d of %q", h.Config.Firewall, d.Rule, at+1, d.Position, rules)
	}
	inside(t, h, "grep -q 6380 "+d.Persisted)
}

func checkLogins(t *testing.T, h *Host) {
	t.Helper()
	log := inside(t, h, "grep -a 'Accepted publickey' /var/log/auth.log")
	if !strings.Contains(log, h.Facts.OwnerFrom) || !strings.Contains(log, h.Facts.OwnerKey) {
		t.Errorf("the owner's logins are not in auth.log: %s", log)
	}
	if got := strings.Contains(log, h.Facts.Intruder.Key); got != h.Facts.Intruder.LoggedIn {
		t.Errorf("the intruder's key in auth.log: %v, want %v: %s", got, h.Facts.Intruder.LoggedIn, log)
	}
	if last := inside(t, h, "last -f /var/log/wtmp"); strings.Count(last, OperatorV4) < len(visits)+1 {
		t.Errorf("last says %s", last)
	}
}

// checkReturn proves that Redis brings a removed crontab back when it is stopped in the ordinary way.
func checkReturn(t *testing.T, h *Host) {
	t.Helper()
	f := h.Facts.Intruder.CronFile
	inside(t, h, "rm "+f+"; systemctl stop redis-6380; grep -qa '/api/report' "+f)
}

// TestState finds a host as another process would, and gets the same facts.
func TestState(t *testing.T) {
	h := boot(t, Config{Name: "test-state", Scenario: "quiet", Dir: t.TempDir(), NoLoad: true})
	again, err := Load(h.Config.Dir, "test-state")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(h.Facts)
	got, _ := json.Marshal(again.Facts)
	if string(got) != string(want) || !again.Running() {
		t.Errorf("loaded %s, running %v; want %s", got, again.Running(), want)
	}
	if _, err := Up(context.Background(), h.Config); err == nil || !strings.Contains(err.Error(), "demine-lab down") {
		t.Errorf("a second host of the same name: %v", err)
	}
}
