package respond

import (
	"os"
	"os/exec"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// A descriptor that the caller left open is not handed on, whichever way the kernel
// has for it.
func TestCloseOnExec(t *testing.T) {
	for name, mark := range map[string]func() error{"close_range": closeOnExec, "one by one": closeListedOnExec} {
		t.Run(name, func(t *testing.T) {
			fd, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_DIRECTORY, 0) // without O_CLOEXEC, as a shell does
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			handedOn := func() bool {
				c := exec.Command("/bin/sh", "-c", `for f in /proc/self/fd/*; do [ "$(readlink $f)" = "$1" ] && exit 3; done; exit 0`, "sh", readlink(t, fd))
				err := c.Run()
				if code := c.ProcessState.ExitCode(); code != 0 && code != 3 {
					t.Fatal(err)
				}
				return c.ProcessState.ExitCode() == 3
			}
			if !handedOn() {
				t.Fatal("it is not handed on to begin with")
			}
			if err := mark(); err != nil || handedOn() {
				t.Errorf("it is handed on: %v", err)
			}
		})
	}
}

func readlink(t *testing.T, fd int) string {
	t.Helper()
	s, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
