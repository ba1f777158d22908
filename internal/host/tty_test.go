package host

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What was typed before is not there to be read; what is typed after is.
func TestDropTyped(t *testing.T) {
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer keyboard.Close()
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	line := func(s string) {
		if _, err := keyboard.WriteString(s + "\n"); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(5 * time.Second); ; { // the terminal hands it over when it can
			if n, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCINQ); err != nil || n > 0 || time.Now().After(end) {
				return
			}
		}
	}
	line("cd /tmp")
	DropTyped(tty)
	line("y")
	var b [64]byte
	if n, err := tty.Read(b[:]); err != nil || string(b[:n]) != "y\n" {
		t.Errorf("read %q, %v", b[:n], err)
	}
}
