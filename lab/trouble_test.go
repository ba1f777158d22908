//go:build lab

package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// attacked boots a host, puts demine into /root, and plays the incident on it. The job's command is run at once: the
// first tick is not waited for.
func attacked(t *testing.T, c Config) *Host {
	t.Helper()
	c.Scenario, c.NoLoad, c.Threads = "quiet", true, 1
	h := withProduct(t, c)
	attack(t, h)
	return h
}

// withProduct boots a host with demine in /root.
func withProduct(t *testing.T, c Config) *Host {
	t.Helper()
	bin := product(t)
	h := boot(t, c)
	if err := h.CopyIn(t.Context(), bin, "/root/demine"); err != nil {
		t.Fatal(err)
	}
	return h
}

// attack is what scenario seed does to a quiet host, but for the waiting: the cron daemon stands still, so that no tick
// comes in between.
func attack(t *testing.T, h *Host) {
	t.Helper()
	if err := h.throughRedis(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.Config.Cron == Debian {
		if err := h.throughSSH(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.findJob(t.Context()); err != nil {
		t.Fatal(err)
	}
	unit, _ := h.Config.Cron.unit()
	inside(t, h, "systemctl kill -s STOP "+unit)
	mine(t, h)
}

// mine starts the stand-in, as the job does, unless it runs.
func mine(t *testing.T, h *Host) {
	t.Helper()
	inside(t, h, "if test -x "+minerPath+"; then pgrep -x minerd || setsid "+minerPath+" -threads 1 & else setsid sh -c '"+payload+"' & fi </dev/null >/dev/null 2>&1")
	err := until(t.Context(), 20*time.Second, "the stand-in", func() (err error) {
		h.Facts.Miner.PID, err = strconv.Atoi(inside(t, h, "pgrep -x minerd || true"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Facts.Miner.Exe = minerPath
}

// outcome is what a run's JSON says, as far as tests read it.
type outcome struct {
	Step         int
	State, Error string
	Detail       message
	Until        time.Time
}

type plan struct {
	Kind  string
	Steps []struct {
		ID                int
		Do, Phase, Target string
		What              message
	}
	Left []message
}

type run struct {
	ID, State string
	Plan      plan
	Outcomes  []outcome
}

// journal is what `demine history --json` lists.
func journal(t *testing.T, h *Host) []run {
	t.Helper()
	var v struct{ Runs []run }
	parse(t, demineIn(t, h, 0, "history", "--json").Stdout, &v)
	return v.Runs
}

func parse(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v: %.3000s", err, text)
	}
}

// demineIn runs demine in the host and wants an exit status; -1 is any.
func demineIn(t *testing.T, h *Host, exit int, args ...string) Result {
	t.Helper()
	r, err := h.Run(t.Context(), append([]string{"/root/demine"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	if exit >= 0 && r.Exit != exit {
		t.Fatalf("demine %s: exit %d, want %d\n%s%s", strings.Join(args, " "), r.Exit, exit, r.Stdout, r.Stderr)
	}
	return r
}

func stateOf(t *testing.T, h *Host) State {
	t.Helper()
	s, err := h.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sameState: nothing is otherwise than it was.
func sameState(t *testing.T, h *Host, before State, when string, except ...string) {
	t.Helper()
	for _, d := range Diff(before, stateOf(t, h), except...) {
		t.Errorf("%s: %s", when, d)
	}
}

// says wants all of these in a text.
func says(t *testing.T, who, text string, wants ...string) {
	t.Helper()
	flat := strings.Join(strings.Fields(text), " ")
	for _, w := range wants {
		if !strings.Contains(flat, w) {
			t.Errorf("%s does not say %q: %s", who, w, text)
		}
	}
}

// checkGone wants no trace of the implant.
func checkGone(t *testing.T, h *Host, when string) {
	t.Helper()
	left := inside(t, h, "set +e; "+strings.Join([]string{
		"ps -o pid=,ppid=,stat=,lstart=,args= -C minerd", "ls " + minerPath, "ls " + h.Facts.Intruder.CronFile, "ls " + h.Facts.Intruder.JobFile,
		"grep -al -e root@vps -e REDIS " + keysFile, "redis-cli -p 6380 KEYS 'backup*'",
		"redis-cli -p 6380 CONFIG GET dir | grep " + path.Dir(h.Facts.Intruder.CronFile), "redis-cli -p 6380 CONFIG GET dbfilename | grep -x root",
	}, " 2>/dev/null; ")+"; true")
	if left != "" {
		r := demineIn(t, h, 0, "show")
		t.Errorf("%s: there is still %s\n%s%s", when, left, r.Stdout, inside(t, h, "date; tail -n 5 /var/log/cron"))
	}
}

// undoAll undoes runs in their order, as history lists them: newest first. The implant and the door come back, too.
func undoAll(t *testing.T, h *Host, runs []run) {
	t.Helper()
	for _, r := range runs {
		demineIn(t, h, 0, "undo", r.ID, "--restore-implant", "--reopen", "--host", "shop01")
	}
}

// TestTrouble: a plan that is stale, two at once, and a login that ends in the middle.
func TestTrouble(t *testing.T) {
	t.Parallel()
	h := attacked(t, Config{Name: "tr-trouble"})
	_ = t.Run("stale", func(t *testing.T) { checkStale(t, h) }) &&
		t.Run("two at once", func(t *testing.T) { checkTwo(t, h) }) &&
		t.Run("lost login", func(t *testing.T) { checkLost(t, h) })
}

// checkStale: a plan of a host that is otherwise now, or of another time, boot or host, changes nothing.
func checkStale(t *testing.T, h *Host) {
	const file = "/root/plan.json"
	store := func() { inside(t, h, "/root/demine clean --dry-run --json > "+file) }
	refused := func(what, why string) {
		t.Helper()
		r := demineIn(t, h, 5, "apply", file, "--yes")
		says(t, what, r.Stderr, "nothing has been changed", why)
		if runs := journal(t, h); len(runs) != 0 {
			t.Errorf("%s: there is a run: %+v", what, runs)
		}
	}
	cron := h.Facts.Intruder.CronFile
	store()
	inside(t, h, "cp -a "+cron+" /root/cron.was; echo '0 5 * * * true' >> "+cron)
	before := stateOf(t, h)
	refused("a line more in the crontab", "Take "+cron)
	sameState(t, h, before, "a line more in the crontab")
	inside(t, h, "cp -a /root/cron.was "+cron)
	store()
	inside(t, h, "rm "+minerPath+"; cp /bin/true "+minerPath)
	before = stateOf(t, h)
	refused("another program in the implant's place", minerPath+" is another file now")
	sameState(t, h, before, "another program in the implant's place")
	inside(t, h, "kill $(pgrep -x minerd); rm "+minerPath+" /root/cron.was")
	mine(t, h)
	store()
	var fresh map[string]json.RawMessage
	parse(t, inside(t, h, "cat "+file), &fresh)
	for _, old := range []struct {
		name, why string
		value     any
	}{
		{"made", "it was made at", time.Now().Add(-11 * time.Minute)},
		{"made", "it was made at", time.Now().Add(11 * time.Minute)},
		{"boot", "started anew", "0"},
		{"host", "a plan of host shop02", "shop02"},
	} {
		put(t, h, file, fresh, old.name, old.value)
		refused(fmt.Sprintf("%s %v", old.name, old.value), old.why)
	}
	put(t, h, file, fresh, "kind", "clean")
	r := demineIn(t, h, 0, "apply", file, "--yes")
	says(t, "a fresh plan", r.Stdout, "done")
	checkGone(t, h, "a fresh plan was applied")
	undoAll(t, h, journal(t, h))
	mine(t, h)
}

// put stores a plan with one value changed.
func put(t *testing.T, h *Host, file string, plan map[string]json.RawMessage, name string, value any) {
	t.Helper()
	p := maps.Clone(plan)
	var err error
	if p[name], err = json.Marshal(value); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.put(t.Context(), strings.NewReader(string(raw)), file, 0o600); err != nil {
		t.Fatal(err)
	}
}

// begun is a clean-up that was begun from the office and stands still, and what ends its connection.
type begun struct {
	pid string
	run string
	cut func()
}

// beginAndStop starts a clean-up over ssh and stops it (SIGSTOP) once its run has begun. how are the ssh client's options.
func beginAndStop(t *testing.T, h *Host, how string) begun {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	argv := sshArgs(OperatorV4, "owner", how, "root@"+HostV4, "/root/demine clean --yes --no-wait")
	cmd := h.Command(ctx, true, argv...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var l struct {
		PID int
		Run string
	}
	file := fmt.Sprintf("/proc/%d/root/run/demine/lock", h.Inside.PID)
	for end := time.Now().Add(time.Minute); l.Run == ""; {
		raw, _ := os.ReadFile(file)
		if json.Unmarshal(raw, &l) != nil {
			l.Run = "" // it is being written
		}
		if time.Now().After(end) {
			t.Fatal("no run begins")
		}
	}
	if err := syscall.Kill(machinePID(t, h, l.PID), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	return begun{strconv.Itoa(l.PID), l.Run, func() { cancel(); _ = cmd.Wait() }}
}

// machinePID is the number that a process of the host has on this machine (NSpid in proc_pid_status(5)).
func machinePID(t *testing.T, h *Host, pid int) int {
	t.Helper()
	space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", h.Inside.PID))
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		status, _ := os.ReadFile(p + "/status")
		_, ids, _ := strings.Cut(string(status), "\nNSpid:")
		ids, _, _ = strings.Cut(ids, "\n")
		if f := strings.Fields(ids); len(f) == 2 && f[1] == strconv.Itoa(pid) {
			if own, err := os.Readlink(p + "/ns/pid"); err == nil && own == space {
				n, _ := strconv.Atoi(f[0])
				return n
			}
		}
	}
	t.Fatalf("the host has no process %d", pid)
	return 0
}

// checkTwo: while one is at it, another ends at once and says who; who only asks is answered; and when the first is
// killed, nothing is in the way.
func checkTwo(t *testing.T, h *Host) {
	before := stateOf(t, h)
	first := beginAndStop(t, h, "-T")
	half := stateOf(t, h)
	for _, args := range []string{"clean --yes --no-wait", "harden --yes", "undo", "keep"} {
		r := demineIn(t, h, 1, strings.Fields(args)...)
		says(t, args, r.Stderr, "another demine is at work on this host (pid "+first.pid+", since ", "operator at "+OperatorV4)
	}
	sameState(t, h, half, "four that came second")
	r := demineIn(t, h, 0, "status")
	says(t, "status", r.Stderr, "at it: clean, pid "+first.pid+", from "+OperatorV4+", since ")
	says(t, "status", r.Stdout, first.run+", demine clean on shop01: AT WORK OR CUT OFF")
	says(t, "history", demineIn(t, h, 0, "history").Stdout, first.run)
	inside(t, h, "kill -KILL "+first.pid)
	first.cut()
	if r := demineIn(t, h, 0, "status"); strings.Contains(r.Stderr, "at it") {
		t.Errorf("the first was killed, and status says: %s", r.Stderr)
	}
	demineIn(t, h, 0, "clean", "--yes", "--no-wait")
	checkGone(t, h, "after the first was killed")
	undoAll(t, h, since(t, h, first.run))
	mine(t, h)
	sameState(t, h, before, "all of it undone")
}

// since are the runs from one on, newest first.
func since(t *testing.T, h *Host, first string) []run {
	t.Helper()
	all := journal(t, h)
	i := slices.IndexFunc(all, func(r run) bool { return r.ID == first })
	return all[:i+1]
}

// checkLost: a clean-up whose login ends goes on, and a new login is told how it went.
func checkLost(t *testing.T, h *Host) {
	for _, how := range []string{"-tt", "-T"} {
		b := beginAndStop(t, h, how)
		b.cut()
		inside(t, h, "kill -HUP "+b.pid+"; kill -CONT "+b.pid)
		err := until(t.Context(), 30*time.Second, "the run to be done", func() error {
			if r := since(t, h, b.run)[0]; r.State != "done" {
				return fmt.Errorf("%s is %s: %+v", r.ID, r.State, r.Outcomes)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		checkGone(t, h, how)
		for _, args := range []string{"status", "show", "show " + b.run} {
			says(t, how+" "+args, operator(t, h, args, 0), b.run+", demine clean on shop01: done", "from "+OperatorV4)
		}
		undoAll(t, h, since(t, h, b.run))
		mine(t, h)
	}
}
