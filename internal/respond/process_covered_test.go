package respond

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A process over whose folder something is mounted is frozen, continued and
// ended like any other.
func TestProcessCovered(t *testing.T) {
	tr := newTree(t)
	root := tr.start(nil, programCopy(t, "busybox", "busybox-minerd"), "sleep", "1000")
	w, fam := liveWriter(), familyNow(t, root)
	ownMounts(t, func() {
		folder := fmt.Sprintf("/proc/%d", root.PID)
		if err := mountTmpfs(folder); err != nil {
			t.Error(err)
			return
		}
		if _, err := os.Stat(folder + "/stat"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("nothing is covered: %v", err)
		}
		if p, err := procOf(w.Host, root.PID); err != nil || p.id() != root.id() || p.ExeID != root.ExeID {
			t.Errorf("%+v %v", p, err)
		}
		s, undo, o := applyStep(t, processFreeze, w, fam)
		if o.State != Done || !stands(w, root) {
			t.Errorf("not frozen: %+v", o)
		}
		if err := processFreeze.Undo(t.Context(), w, s, undo); err != nil || stands(w, root) {
			t.Errorf("not continued: %v", err)
		}
		if _, _, o := applyStep(t, processKill, w, fam); o.State != Done {
			t.Errorf("not ended: %+v", o)
		}
		if err := w.Proc.Signal(root, unix.SIGSTOP); !errors.Is(err, ErrGone) {
			t.Errorf("it is still there: %v", err)
		}
	})
}

func stands(w *Writer, p Proc) bool {
	state, err := stateOf(w.Host, p.id())
	return err == nil && state == 'T'
}
