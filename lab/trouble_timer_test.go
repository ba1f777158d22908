//go:build lab

package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	siteConf   = "/etc/ssh/sshd_config.d/10-site.conf"
	revertUnit = "demine-revert.service"
)

// TestRevert: what harden does undoes itself unless a new login confirms it, whatever becomes of the login, of demine and
// of the host.
func TestRevert(t *testing.T) {
	t.Parallel()
	h := withProduct(t, Config{Name: "tr-timer", Scenario: "quiet", NoLoad: true})
	inside(t, h, "echo root:flash-sale-02 | chpasswd; printf 'PermitRootLogin yes\\nPasswordAuthentication yes\\n' > "+siteConf+"; systemctl reload ssh")
	before := stateOf(t, h)
	for _, c := range []struct {
		what  string
		check func(*testing.T, *Host, State)
	}{
		{"login ended", checkLoginEnded}, {"cut off", checkCutOff}, {"timer killed", checkTimerKilled},
		{"kept", checkKept}, {"rebooted", checkRebooted},
	} {
		if !t.Run(c.what, func(t *testing.T) { c.check(t, h, before) }) {
			return
		}
	}
}

// hardening is the command that closes the door and keeps root's password out: what undoes itself.
func hardening(t *testing.T, h *Host) string {
	t.Helper()
	var s struct{ Findings []struct{ ID, Rule string } }
	parse(t, demineIn(t, h, -1, "--json").Stdout, &s)
	command := "harden --yes"
	for _, f := range s.Findings {
		if f.Rule == "redis/open" || f.Rule == "ssh/root-password" {
			command += " --finding " + f.ID
		}
	}
	return command
}

// harden hardens over ssh and gives the run. It is in force then, and waits.
func harden(t *testing.T, h *Host, revert string) run {
	t.Helper()
	var r run
	parse(t, operator(t, h, hardening(t, h)+" --json --revert "+revert, 0), &r)
	if r.State != "unconfirmed" {
		t.Fatalf("%s is %s", r.ID, r.State)
	}
	var did []string
	for i, s := range r.Plan.Steps {
		if r.Outcomes[i].State == "done" {
			did = append(did, s.Do)
		}
	}
	for _, want := range []string{"firewall.close", "sshd.root-login"} {
		if !slices.Contains(did, want) {
			t.Fatalf("harden did %v, not %s", did, want)
		}
	}
	if how := knock(t, h); strings.HasPrefix(how, "open") {
		t.Fatalf("hardened, and the door is %s", how)
	}
	if how := rootLogin(t, h); how != "without-password" {
		t.Fatalf("hardened, and sshd has permitrootlogin %s", how)
	}
	// Not in the control group of the login, with which logind may end it.
	inside(t, h, "systemctl is-enabled "+revertUnit+"; grep -qE 'name=systemd:/$|^0::/$' /proc/$(pgrep -f '[r]evert "+r.ID+"')/cgroup")
	return r
}

func knock(t *testing.T, h *Host) string {
	t.Helper()
	_, how, err := h.Knock(t.Context(), IntruderV4, HostV4, DoorPort)
	if err != nil {
		t.Fatal(err)
	}
	return how
}

// rootLogin is what the files of sshd say; that it was told is in its log.
func rootLogin(t *testing.T, h *Host) string {
	t.Helper()
	return strings.TrimPrefix(inside(t, h, "sshd -T 2>/dev/null | grep -i ^permitrootlogin"), "permitrootlogin ")
}

func lastUntil(r run) (last time.Time) {
	for _, o := range r.Outcomes {
		if o.Until.After(last) {
			last = o.Until
		}
	}
	return last
}

// reverted waits until a run has undone itself, and wants the host as it was.
func reverted(t *testing.T, h *Host, id string, before State) {
	t.Helper()
	err := until(t.Context(), 30*time.Second, id+" to undo itself", func() error {
		r := since(t, h, id)
		if last := r[len(r)-1]; last.State == "unconfirmed" || last.State == "running" {
			return fmt.Errorf("%s is %s: %+v", id, last.State, last.Outcomes)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sameState(t, h, before, "undid itself")
	says(t, "status", demineIn(t, h, 0, "status").Stdout, id, "undone")
	inside(t, h, "! systemctl cat "+revertUnit+" 2>/dev/null; ! ls /var/lib/demine/demine 2>/dev/null")
}

func checkLoginEnded(t *testing.T, h *Host, before State) {
	r := harden(t, h, "8s")
	err := until(t.Context(), 20*time.Second, "the door to be open again", func() error {
		if how := knock(t, h); !strings.HasPrefix(how, "open") {
			return fmt.Errorf("it is %s", how)
		}
		return nil
	})
	if late := time.Since(lastUntil(r)); err != nil || late.Abs() > 3*time.Second {
		t.Errorf("undid itself %s after its time: %v", late, err)
	}
	reverted(t, h, r.ID, before)
}

// checkCutOff: the demine that hardens is killed in the middle; only the process that holds the timer is left.
func checkCutOff(t *testing.T, h *Host, before State) {
	id := killAt(t, h, 4, hardening(t, h)+" --revert 5s")
	inside(t, h, "pgrep -f '[r]evert "+id+"'")
	reverted(t, h, id, before)
}

// checkTimerKilled: without the process that holds the timer, the next command that changes something undoes what is due.
func checkTimerKilled(t *testing.T, h *Host, before State) {
	r := harden(t, h, "6s")
	inside(t, h, "kill -KILL $(pgrep -f '[r]evert "+r.ID+"')")
	err := until(t.Context(), 20*time.Second, "its time", func() error {
		if left := time.Until(lastUntil(r)); left > 0 {
			return fmt.Errorf("%s left", left)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	says(t, "status", demineIn(t, h, 0, "status").Stdout, r.ID, "NOT CONFIRMED")
	demineIn(t, h, 0, "clean", "--yes", "--no-wait")
	reverted(t, h, r.ID, before)
}

// checkKept: a login that was there before proves nothing; a new one does, and then it stays, also in the files.
func checkKept(t *testing.T, h *Host, before State) {
	inside(t, h, "rm -f /run/go; mkfifo /run/go")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var older strings.Builder
	cmd := h.Command(ctx, true, sshArgs(OperatorV4, "owner", "root@"+HostV4, "echo here; cat /run/go; /root/demine keep 2>&1; echo exit $?")...)
	cmd.Stdout = &older
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	err := until(ctx, 20*time.Second, "the older login", func() error {
		return map[bool]error{false: fmt.Errorf("nobody reads"), true: nil}[inside(t, h, "pgrep -fc '^cat /run/go' || true") == "1"]
	})
	if err != nil {
		t.Fatal(err)
	}
	same, err := h.login(t.Context(), "/root/demine "+hardening(t, h)+" --revert 60s >/dev/null && /root/demine keep")
	if err != nil || same.Exit != 1 {
		t.Fatalf("keep from the same login: exit %d %v %s", same.Exit, err, same.Stderr)
	}
	says(t, "keep from the same login", same.Stderr, "log in from a NEW window")
	inside(t, h, "echo > /run/go; rm /run/go")
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	says(t, "keep from an older login", older.String(), "log in from a NEW window", "exit 1")
	if how := knock(t, h); strings.HasPrefix(how, "open") {
		t.Errorf("a keep was refused, and the door is %s", how)
	}
	says(t, "keep from a new login", operator(t, h, "keep", 0), "confirmed")
	id := journal(t, h)[0].ID
	err = until(t.Context(), 20*time.Second, "the timer to end", func() error {
		if out := inside(t, h, "pgrep -f '[r]evert "+id+"' || true"); out != "" {
			return fmt.Errorf("it is process %s", out)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if how := knock(t, h); strings.HasPrefix(how, "open") {
		t.Errorf("kept, and the door is %s", how)
	}
	inside(t, h, "! grep -e '--dport 6380 -j ACCEPT' /etc/iptables/rules.v4 /etc/iptables/rules.v6; ! systemctl cat "+revertUnit+" 2>/dev/null")
	demineIn(t, h, 0, "undo", id, "--reopen", "--host", "shop01")
	sameState(t, h, before, "kept and undone")
}

// checkRebooted: the power goes before anybody confirms.
func checkRebooted(t *testing.T, h *Host, before State) {
	r := harden(t, h, "300s")
	if err := h.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if how := knock(t, h); !strings.HasPrefix(how, "open") {
		t.Errorf("rebooted, and the door is %s", how)
	}
	reverted(t, h, r.ID, before)
	if how := rootLogin(t, h); how != "yes" {
		t.Errorf("rebooted, and sshd has permitrootlogin %s", how)
	}
}
