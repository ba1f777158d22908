//go:build lab

package lab

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
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
	harden := "harden --yes"
	if all := h.Config.Cron == RHEL && h.Config.Firewall == Nft; all { // what is done only when asked for, too
		harden += " --redis-password --client-config /etc/shop/shop.env --lock-keys"
	}
	for _, args := range []string{"contain", "clean --yes --no-wait", harden, "keep"} {
		operator(t, h, args, 0)
	}
	checkShopServes(t, h)
	hardened, err := h.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(Diff(before, hardened)) == 0 {
		t.Fatal("nothing was changed")
	}
	runs := runsOf(t, h)
	defer checkShopServes(t, h)
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
	if t.Failed() {
		log, _ := h.sh(t.Context(), "tail -n 60 /var/log/redis-6380.log")
		t.Log(log, operator(t, h, "history", 0))
	}
}

// checkShopServes: with the settings that are there now, as after its restart.
func checkShopServes(t *testing.T, h *Host) {
	t.Helper()
	if _, err := h.sh(t.Context(), "systemctl restart shop"); err != nil {
		t.Fatal(err)
	}
	err := until(t.Context(), 20*time.Second, "the shop to serve", func() error {
		_, err := h.sh(t.Context(), "curl -fsS http://127.0.0.1:8080/health")
		return err
	})
	if err != nil {
		t.Error(err)
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

// runsOf names the runs, oldest first.
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
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
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
