package host

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Without /proc it is not known which tables there are: that is a gap, not a
// host without a packet filter.
func TestTablesWithoutProc(t *testing.T) {
	type result struct {
		sets, gaps int
		err        error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its mounts
		if err := hideProc(); err != nil {
			done <- result{err: err}
			return
		}
		sets, gaps := readXT("ip")
		done <- result{sets: len(sets), gaps: len(gaps)}
	}()
	if r := <-done; r.err != nil || r.sets != 0 || r.gaps != 1 {
		t.Errorf("%+v, want a gap", r)
	}
}

// hideProc gives the calling thread an empty /proc.
func hideProc() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return unix.Mount("none", "/proc", "tmpfs", 0, "")
}
