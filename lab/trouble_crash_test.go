//go:build lab

package lab

import (
	"fmt"
	"strings"
	"testing"
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
			cut := killAt(t, h, lines)
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

// killAt begins a clean-up on a slow disk and kills it when its journal has so many lines. It gives the run's name.
func killAt(t *testing.T, h *Host, lines int) string {
	t.Helper()
	next := fmt.Sprintf("R%d", len(journal(t, h))+1)
	out := inside(t, h, strings.NewReplacer("RUN", next, "LINES", fmt.Sprint(lines)).Replace(`
		strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:delay_exit=15000 /root/demine clean --yes --no-wait >/run/cut.out 2>&1 &
		n=0
		until test "$(cat /var/lib/demine/runs/RUN/journal.jsonl 2>/dev/null | wc -l)" -ge LINES; do
			n=$((n+1)); test $n -lt 20000 || { cat /run/cut.out; exit 1; }
		done
		kill -KILL $(sed 's/.*"pid":\([0-9]*\).*/\1/' /run/demine/lock)
		wait || true
		cat /var/lib/demine/runs/RUN/journal.jsonl | wc -l`))
	t.Logf("%s was killed; its journal has %s lines", next, out)
	return next
}
