package host

import (
	"runtime"
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
