package host

import (
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A namespace keeps its name, and another one has another.
func TestNetNS(t *testing.T) {
	names := make(chan string, 3)
	name := func() {
		s, err := NetNS()
		if err != nil {
			t.Error(err)
		}
		names <- s
	}
	name()
	name()
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends in its namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
		}
		name()
	}()
	a, b, other := <-names, <-names, <-names
	if a == "" || a != b || a == other {
		t.Errorf("%q, %q, and elsewhere %q", a, b, other)
	}
}

// Each other namespace of a process is visited once, the thread's own is not, and
// what goes wrong there is told.
func TestInOtherNetNS(t *testing.T) {
	own, err := NetNS()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // two processes of one namespace each
		c := exec.Command("sh", "-c", "sleep infinity & echo; wait")
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Setpgid: true}
		out, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = unix.Kill(-c.Process.Pid, unix.SIGKILL)
			_ = c.Wait()
		})
		_, _ = out.Read(make([]byte, 1)) // both are there
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	seen, odd := map[string]int{}, errors.New("odd")
	err = InOtherNetNS(func() error {
		name, err := NetNS()
		seen[name]++
		return errors.Join(err, odd)
	})
	if !errors.Is(err, odd) || len(seen) < 2 || seen[own] > 0 {
		t.Errorf("%v, own %s: %v", seen, own, err)
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s: %d times", name, n)
		}
	}
}
