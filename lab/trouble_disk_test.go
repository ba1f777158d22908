//go:build lab

package lab

import (
	"strings"
	"testing"
)

// mounts are made by the tests themselves.
const mounts = "unit *.mount"

// TestNoDisk: demine's own disk is full, fills up in the middle, or cannot be written; and the whole host is read-only.
func TestNoDisk(t *testing.T) {
	t.Parallel()
	h := attacked(t, Config{Name: "tr-disk", Firewall: Nft})
	inside(t, h, "mkdir -p /var/lib/demine; chmod 700 /var/lib/demine")
	before := stateOf(t, h)
	for _, d := range []struct{ what, on, off, says string }{
		{"full", "mount -t tmpfs -o size=64k,mode=700 none /var/lib/demine; ! cat /dev/zero > /var/lib/demine/full", "umount /var/lib/demine", "is on a full disk"},
		{"read-only", "mount --bind /var/lib/demine /var/lib/demine; mount -o remount,bind,ro /var/lib/demine", "umount /var/lib/demine", "is read-only"},
		{"full in the middle", "mount -t tmpfs -o size=4m,mode=700 none /var/lib/demine", "umount /var/lib/demine", "is on a full disk"},
	} {
		ok := t.Run(d.what, func(t *testing.T) {
			inside(t, h, d.on+" 2>/dev/null")
			contained := checkContain(t, h)
			demineIn(t, h, 0, "undo", contained, "--restore-implant", "--reopen", "--host", "shop01")
			sameState(t, h, before, "contained and undone", mounts)
			r := demineIn(t, h, 0, "clean", "--yes", "--no-wait")
			says(t, "clean", r.Stderr, "/var/lib/demine "+d.says, "undo is lost at the next boot")
			checkGone(t, h, d.what)
			undoAll(t, h, journal(t, h)[:1])
			mine(t, h)
			sameState(t, h, before, "cleaned and undone", mounts)
			inside(t, h, d.off+"; rm -rf /run/demine/runs /run/demine/vault")
		})
		if !ok {
			return
		}
	}
	t.Run("no place at all", func(t *testing.T) { checkNoPlace(t, h) })
	t.Run("the whole host", func(t *testing.T) { checkReadOnly(t, h) })
}

// checkContain contains, and gives the run.
func checkContain(t *testing.T, h *Host) string {
	t.Helper()
	r := demineIn(t, h, 0, "contain")
	says(t, "contain", r.Stderr, "in memory: undo is lost at the next boot")
	if state := inside(t, h, "ps -o stat= -C minerd"); !strings.HasPrefix(state, "T") {
		t.Errorf("contained, and the stand-in is %s", state)
	}
	if open, how, err := h.Knock(t.Context(), IntruderV4, HostV4, DoorPort); err != nil || open {
		t.Errorf("contained, and the door is %s (%v)", how, err)
	}
	run := journal(t, h)[0]
	inside(t, h, "test -s /run/demine/runs/"+run.ID+"/journal.jsonl")
	return run.ID
}

// checkNoPlace: neither the disk nor memory takes a journal, and without one nothing is changed.
func checkNoPlace(t *testing.T, h *Host) {
	before := stateOf(t, h)
	inside(t, h, "for d in /var/lib/demine /run/demine; do mount -t tmpfs -o size=64k,mode=700 none $d; ! cat /dev/zero > $d/full; done 2>/dev/null")
	for _, args := range []string{"contain", "clean --yes --no-wait"} {
		r := demineIn(t, h, 1, strings.Fields(args)...)
		says(t, args, r.Stderr, "space")
	}
	sameState(t, h, before, "no place for a journal", mounts)
	if state := inside(t, h, "ps -o stat= -C minerd"); strings.HasPrefix(state, "T") {
		t.Errorf("no place for a journal, and the stand-in is %s", state)
	}
	inside(t, h, "umount /run/demine /var/lib/demine")
}

// readOnly are all folders in which a clean-up edits; Redis keeps its own.
const readOnly = "/var/lib/demine /var/tmp /var/spool /etc /root /usr /opt /home /srv"

// checkReadOnly: on a read-only host the miner is stopped and the door is shut; what cannot be removed is told, stays
// whole, and is removed once it can be.
func checkReadOnly(t *testing.T, h *Host) {
	before := stateOf(t, h)
	inside(t, h, "for d in "+readOnly+"; do mount --rbind $d $d; mount -o remount,bind,ro $d; done")
	r := demineIn(t, h, 6, "clean", "--yes", "--no-wait")
	says(t, "clean", r.Stderr, "/var/lib/demine is read-only", "undo is lost at the next boot")
	says(t, "clean", r.Stdout, "NOT ALL DONE", "read-only file system")
	inside(t, h, "! pgrep -x minerd")
	for _, f := range []string{minerPath, h.Facts.Intruder.CronFile, keysFile} {
		if got, want := describeIn(t, h, f), before["file "+f]; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s was %s, is %s", f, want, got)
		}
	}
	inside(t, h, "for d in "+readOnly+"; do umount -l $d; done")
	demineIn(t, h, 0, "clean", "--yes", "--no-wait")
	checkGone(t, h, "cleaned once it could be written")
	undoAll(t, h, journal(t, h)[:2])
	mine(t, h)
	sameState(t, h, before, "both undone", mounts)
}

func describeIn(t *testing.T, h *Host, file string) []string {
	t.Helper()
	return stateOf(t, h)["file "+file]
}
