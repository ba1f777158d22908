//go:build lab

package lab

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// unlike is what a full undo does not put back, and why.
var unlike = []string{
	"file /root/demine",            // the product itself
	"file /etc/systemd/system/*.d", // an empty folder that was made is removed; this is for its parents' times
	"redis 6380 setting save",      // told by Redis in its own order
}

// TestUndoIdentity: contain, clean and harden, all of it kept; then everything undone, the implant and the door too,
// leaves the host as it was before. A default undo leaves the implant in quarantine and the door shut.
func TestUndoIdentity(t *testing.T) {
	bin := product(t)
	for _, cron := range []Cron{RHEL, Debian} {
		for _, kind := range Firewalls {
			t.Run(fmt.Sprintf("%s/%s", cron, kind), func(t *testing.T) {
				t.Parallel()
				h := boot(t, Config{Name: fmt.Sprintf("undo-%s-%s", cron, kind), Scenario: "seed", Cron: cron, Firewall: kind, NoLoad: true, Threads: 1})
				if err := h.CopyIn(t.Context(), bin, "/root/demine"); err != nil {
					t.Fatal(err)
				}
				checkIdentity(t, h)
			})
		}
	}
}

func checkIdentity(t *testing.T, h *Host) {
	before, err := h.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"contain", "clean --yes --no-wait", "harden --yes", "keep"} {
		operator(t, h, args, 0)
	}
	hardened, err := h.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(Diff(before, hardened)) == 0 {
		t.Fatal("nothing was changed")
	}
	runs := runsOf(t, h)
	for i := len(runs) - 1; i >= 0; i-- {
		operator(t, h, "undo "+runs[i], 0)
	}
	checkStillShut(t, h)
	for i := len(runs) - 1; i >= 0; i-- {
		operator(t, h, "undo "+runs[i]+" --restore-implant --reopen --host shop01", 0)
	}
	after, err := h.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Diff(before, after, unlike...) {
		t.Errorf("not as before: %s", d)
	}
}

// operator runs demine over ssh and wants an exit status.
func operator(t *testing.T, h *Host, args string, exit int) string {
	t.Helper()
	r, err := h.login(t.Context(), "/root/demine "+args)
	if err != nil {
		t.Fatal(err)
	}
	if r.Exit != exit {
		t.Fatalf("demine %s: exit %d, want %d\n%s%s", args, r.Exit, exit, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

func runsOf(t *testing.T, h *Host) (ids []string) {
	t.Helper()
	var v struct {
		Runs []struct{ ID string } `json:"runs"`
	}
	if err := json.Unmarshal([]byte(operator(t, h, "history --json", 0)), &v); err != nil {
		t.Fatal(err)
	}
	for _, r := range v.Runs {
		ids = append(ids, r.ID)
	}
	return ids
}

// checkStillShut: after a default undo.
func checkStillShut(t *testing.T, h *Host) {
	t.Helper()
	for from, to := range map[string]string{IntruderV4: HostV4, IntruderV6: HostV6} {
		if open, how, err := h.Knock(t.Context(), from, to, DoorPort); err != nil || open {
			t.Errorf("after a default undo the door is %s (%v)", how, err)
		}
	}
	r, err := h.Run(t.Context(), "sh", "-c", "ls "+minerPath+" "+h.Facts.Intruder.JobFile+"; pgrep -x minerd; grep -a root@vps "+keysFile)
	if err != nil {
		t.Fatal(err)
	}
	if left := strings.TrimSpace(r.Stdout); left != "" && left != droppedJob {
		t.Errorf("after a default undo the implant is back: %s", left)
	}
}
