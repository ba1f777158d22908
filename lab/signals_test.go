//go:build lab

package lab

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestSignals: whom contain and clean send signals to, as the kernel sees it: nobody on an honest host, the implant's
// family on an infected one, and nobody else is ended or stopped.
func TestSignals(t *testing.T) {
	t.Parallel()
	h := withProduct(t, Config{Name: "tr-sig", Scenario: "quiet", NoLoad: true, Threads: 1, Firewall: IptablesNft})
	t.Run("quiet", func(t *testing.T) { checkNoSignals(t, h) })
	attack(t, h)
	t.Run("press", func(t *testing.T) { checkPress(t, h) })
	t.Run("seed", func(t *testing.T) { checkSignals(t, h) })
}

func TestSignalsLookAlikes(t *testing.T) {
	t.Parallel()
	checkNoSignals(t, withProduct(t, Config{Name: "tr-sig-alike", Scenario: "lookalikes", NoLoad: true}))
}

func TestSignalsTwins(t *testing.T) {
	t.Parallel()
	h := withProduct(t, Config{Name: "tr-sig-twins", Scenario: "twins", NoLoad: true, Cron: Debian, Firewall: Nft})
	// Their jobs are only likely and stay: one whose time comes just then would start its twin once more.
	unit, _ := h.Config.Cron.unit()
	inside(t, h, "systemctl kill -s STOP "+unit)
	checkSignals(t, h)
}

// checkNoSignals: there is nothing to do, and nothing is done.
func checkNoSignals(t *testing.T, h *Host) {
	before, ps := stateOf(t, h), standing(t, h)
	for _, args := range []string{"contain", "clean --yes --no-wait"} {
		if sent := signalled(t, h, args); len(sent) != 0 {
			t.Errorf("%s sent signals: %v", args, sent)
		}
	}
	if runs := journal(t, h); len(runs) != 0 {
		t.Errorf("there are runs: %+v", runs)
	}
	if p := dryRun(t, h, "clean"); len(p.Steps) != 0 {
		t.Errorf("clean would do %+v", p.Steps)
	}
	sameState(t, h, before, "nothing to do")
	ps.unharmed(t, h)
}

// checkSignals: only the implants' families get any.
func checkSignals(t *testing.T, h *Host) {
	family := implants(t, h)
	images := map[int]string{}
	for _, pid := range family {
		images[pid] = inside(t, h, fmt.Sprintf("readlink /proc/%d/exe || true", pid))
	}
	ps := standing(t, h)
	for _, pid := range family {
		delete(ps, pid)
	}
	for _, c := range []struct{ args, signal string }{{"contain", "SIGSTOP"}, {"clean --yes --no-wait", "SIGKILL"}} {
		sent := signalled(t, h, c.args)
		ended := 0
		for _, s := range sent {
			if !slices.Contains(family, s.pid) {
				t.Errorf("%s sent %s to process %d, which is none of %v", c.args, s.name, s.pid, family)
			}
			if s.name == c.signal {
				ended++
			}
		}
		if ended == 0 {
			t.Errorf("%s sent no %s: %v", c.args, c.signal, sent)
		}
		t.Logf("%s sent %v", c.args, sent)
		ps.unharmed(t, h)
		for _, s := range sent {
			if image := images[s.pid]; s.name == "SIGKILL" && inside(t, h, "ls '"+image+"' 2>/dev/null || true") != "" {
				t.Errorf("process %d was ended, and %s is still there", s.pid, image)
			}
		}
	}
}

// implants are the processes that run the stand-in, wherever it lies, and their descendants.
func implants(t *testing.T, h *Host) (all []int) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(h.Folder, "bin", "standin"))
	if err != nil {
		t.Fatal(err)
	}
	sum, parents := fmt.Sprintf("%x", sha256.Sum256(raw)), map[int]int{}
	for line := range strings.Lines(inside(t, h, "ps -eo pid=,ppid= | while read pid ppid; do echo $pid $ppid $(sha256sum /proc/$pid/exe 2>/dev/null); done")) {
		f := strings.Fields(line)
		pid, _ := strconv.Atoi(f[0])
		parents[pid], _ = strconv.Atoi(f[1])
		if len(f) > 2 && f[2] == sum {
			all = append(all, pid)
		}
	}
	if len(all) == 0 {
		t.Fatal("no implant runs")
	}
	for pid := range parents {
		for at := parents[pid]; at > 1; at = parents[at] {
			if slices.Contains(all, at) && !slices.Contains(all, pid) {
				all = append(all, pid)
			}
		}
	}
	return all
}

// process is one that stands on a host: its name, when it started, and whether it is stopped.
type process struct {
	name, start string
	stopped     bool
}

type processes map[int]process

var statRE = regexp.MustCompile(`(?s)^(\d+) \((.*)\) (\S) (.*)$`)

// standing are the processes that are there to stay: those seen twice, with some time in between.
func standing(t *testing.T, h *Host) processes {
	t.Helper()
	all := running(t, h)
	demineIn(t, h, -1, "--json")
	later := running(t, h)
	maps.DeleteFunc(all, func(pid int, p process) bool { return later[pid].start != p.start })
	if len(all) < 10 {
		t.Fatalf("only %d processes: %v", len(all), all)
	}
	return all
}

func running(t *testing.T, h *Host) processes {
	t.Helper()
	all := processes{}
	for line := range strings.Lines(inside(t, h, "cat /proc/[0-9]*/stat 2>/dev/null || true")) {
		m := statRE.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			t.Fatalf("stat %q", line)
		}
		pid, _ := strconv.Atoi(m[1])
		all[pid] = process{m[2], strings.Fields(m[4])[18], m[3] == "T"}
	}
	return all
}

// unharmed wants all of them to be there, and none that went on to be stopped.
func (ps processes) unharmed(t *testing.T, h *Host) {
	t.Helper()
	now := running(t, h)
	for pid, p := range ps {
		if is, ok := now[pid]; !ok || is.start != p.start {
			t.Errorf("%s (%d) has ended", p.name, pid)
		} else if is.stopped != p.stopped {
			t.Errorf("%s (%d) is stopped: %v", p.name, pid, is.stopped)
		}
	}
}

// signal is one that was sent.
type signal struct {
	name string
	pid  int
}

var (
	sentRE = regexp.MustCompile(`(?m)^(\d+) +(kill|tkill|tgkill|pidfd_send_signal|rt_sigqueueinfo|rt_tgsigqueueinfo)\((-?\d+)(<pid:(-?\d+)>)?, (?:(-?\d+), )?(\w+)`)
	anyRE  = regexp.MustCompile(`(?m)^(\d+) +(kill|tkill|tgkill|pidfd_send_signal|rt_sigqueueinfo|rt_tgsigqueueinfo)\(`)
)

// signalled runs demine and gives all signals that it sent to others than itself.
func signalled(t *testing.T, h *Host, args string) (sent []signal) {
	t.Helper()
	const file = "/run/lab-signals"
	argv := append(strings.Fields("strace -f -qq --decode-fds=pidfd -e signal=none -o "+file+
		" -e trace=kill,tkill,tgkill,pidfd_send_signal,rt_sigqueueinfo,rt_tgsigqueueinfo,execve /root/demine"), strings.Fields(args)...)
	r, err := h.Run(t.Context(), argv...)
	if err != nil {
		t.Fatal(err)
	}
	if r.Exit != 0 && r.Exit != 6 {
		t.Errorf("%s: exit %d: %s%s", args, r.Exit, r.Stdout, r.Stderr)
	}
	text := inside(t, h, "cat "+file+"; rm "+file)
	self, _, _ := strings.Cut(text, " ")
	found := sentRE.FindAllStringSubmatch(text, -1)
	if n := len(anyRE.FindAllString(text, -1)); n != len(found) || !strings.Contains(text, "execve(") {
		t.Fatalf("%d of %d signals are understood: %.5000s", len(found), n, text)
	}
	for _, m := range found {
		to := m[3]
		if m[2] == "pidfd_send_signal" {
			to = m[5]
		}
		name := m[7]
		if to == self && name == "SIGURG" { // the runtime preempts its own threads
			continue
		}
		pid, err := strconv.Atoi(to)
		if err != nil {
			t.Fatalf("%s: whom is %q for?", args, m[0])
		}
		sent = append(sent, signal{name, pid})
	}
	return sent
}

func (s signal) String() string { return fmt.Sprintf("%s to %d", s.name, s.pid) }
