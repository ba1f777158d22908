//go:build lab

package lab

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCutOff: demine is killed in the middle of a clean-up, at one point after another. What was begun is told, the
// next clean-up completes it, and undoing both leaves the host as it was.
func TestCutOff(t *testing.T) {
	t.Parallel()
	h := attacked(t, Config{Name: "tr-cut", Cron: RHEL, Firewall: IptablesNft})
	before := stateOf(t, h)
	inside(t, h, "! timeout -s KILL 0.4 /root/demine clean --yes --no-wait")
	sameState(t, h, before, "killed while it looked")
	// The journal of the whole run has 18 lines: its begin and end, and two a step.
	for _, lines := range []int{1, 4, 7, 10, 12, 15, 17} {
		ok := t.Run(fmt.Sprintf("at line %d", lines), func(t *testing.T) {
			cut := killAt(t, h, lines, "clean --yes --no-wait")
			says(t, "status", demineIn(t, h, 0, "status").Stdout, cut+", demine clean on shop01: AT WORK OR CUT OFF")
			demineIn(t, h, 0, "clean", "--yes", "--no-wait")
			checkGone(t, h, "cut off and cleaned again")
			for _, r := range journal(t, h) {
				if r.State == "running" {
					t.Errorf("%s is still not ended", r.ID)
				}
			}
			undoAll(t, h, since(t, h, cut))
			mine(t, h)
			sameState(t, h, before, "all of it undone")
		})
		if !ok {
			return
		}
	}
}

// killAt runs demine on a slow disk and kills it when the journal of its run has so many lines. It gives the run's name.
func killAt(t *testing.T, h *Host, lines int, args string) string {
	t.Helper()
	id := fmt.Sprintf("R%d", len(journal(t, h))+1)
	argv := strings.Fields("strace -f -b execve -qq -o /dev/null -e trace=fsync -e inject=fsync:delay_exit=15000 /root/demine " + args)
	cmd := h.Command(t.Context(), false, argv...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf("/proc/%d/root/var/lib/demine/runs/%s/journal.jsonl", h.Inside.PID, id)
	have := 0
	for end := time.Now().Add(time.Minute); have < lines; {
		raw, _ := os.ReadFile(file)
		if have = bytes.Count(raw, []byte{'\n'}); time.Now().After(end) {
			t.Fatalf("the journal of %s has %d lines, not %d", id, have, lines)
		}
	}
	// nsenter became strace, whose child is demine.
	if err := syscall.Kill(onlyChild(t, onlyChild(t, cmd.Process.Pid)), syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	t.Logf("%s was killed; its journal had %d lines", id, have)
	return id
}
