//go:build lab

package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// checkPress: after the first screen c contains, in both languages, and any other key changes nothing.
func checkPress(t *testing.T, h *Host) {
	before := stateOf(t, h)
	for _, key := range []string{"x", "\r", "\x03", "\x1b", "q"} {
		screen := press(t, h, "C.UTF-8", "Press c to freeze it", key)
		if strings.Contains(screen, "contain on shop01") {
			t.Errorf("%q: %s", key, screen)
		}
	}
	if got := states(t, h, "-C minerd"); got == "T" {
		t.Error("another key than c has stopped the stand-in")
	}
	sameState(t, h, before, "other keys than c")
	if runs := journal(t, h); len(runs) != 0 {
		t.Errorf("other keys than c: %+v", runs)
	}
	for _, c := range []struct{ lang, prompt, key, said string }{
		{"C.UTF-8", "Press c to freeze it", "c", "demine contain on shop01: done"},
		{"zh_CN.UTF-8", "按 c 冻结它", "C", "demine contain"},
	} {
		screen := press(t, h, c.lang, c.prompt, c.key)
		says(t, c.lang, screen, c.said)
		if got := states(t, h, "-C minerd"); got != "T" {
			t.Errorf("%s: c was pressed, and the stand-in is %s: %s", c.lang, got, screen)
		}
		if how := knock(t, h); strings.HasPrefix(how, "open") {
			t.Errorf("%s: c was pressed, and the door is %s", c.lang, how)
		}
		undoAll(t, h, journal(t, h)[:1])
		sameState(t, h, before, c.lang+" undone")
		if got := states(t, h, "-C minerd"); got == "T" {
			t.Errorf("%s: undone, and the stand-in is %s", c.lang, got)
		}
	}
}

// press runs demine on a terminal, presses a key once it is asked for one, and gives what the terminal showed. The exit
// status is the verdict's, and the terminal is as it was.
func press(t *testing.T, h *Host, lang, prompt, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	master, slave := terminal(t)
	was, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	cmd := h.Command(ctx, false, "env", "LANG="+lang, "/root/demine")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var shown screen
	go shown.read(master)
	err = until(ctx, 30*time.Second, fmt.Sprintf("%q", prompt), func() error { return shown.has(prompt) })
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// What is typed before demine listens is thrown away, so the key is pressed until it is heard.
	err = until(ctx, 30*time.Second, "the end", func() error {
		select {
		case <-ended:
			return nil
		default:
			if raw(slave) {
				_, _ = master.WriteString(key)
			}
			return fmt.Errorf("it still runs: %s", shown.String())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("%q: exit %d, want 3: %s", key, code, shown.String())
	}
	if now, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS); err != nil || now.Lflag != was.Lflag {
		t.Errorf("%q: the terminal was %x, is %x (%v)", key, was.Lflag, now.Lflag, err)
	}
	return shown.String()
}

// raw: somebody reads single keys from the terminal.
func raw(tty *os.File) bool {
	now, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	return err == nil && now.Lflag&unix.ICANON == 0
}

// screen is what a terminal has shown.
type screen struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *screen) read(master *os.File) {
	b := make([]byte, 4096)
	for {
		n, err := master.Read(b)
		s.mu.Lock()
		s.all.Write(b[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

func (s *screen) has(text string) error {
	if shown := s.String(); !strings.Contains(shown, text) {
		return fmt.Errorf("shown is %q", shown)
	}
	return nil
}
