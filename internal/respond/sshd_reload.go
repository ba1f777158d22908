package respond

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/host"
)

// sshDaemon is a listening sshd. The zero one does not run.
type sshDaemon struct {
	PID   int       `json:"pid,omitempty"`
	Start uint64    `json:"start,omitempty"`
	Exe   fact.Path `json:"exe,omitempty"`
	Unit  string    `json:"unit,omitempty"`
	Ports []int     `json:"ports,omitempty"`
	Boot  string    `json:"boot,omitempty"` // in which it was seen
}

// reloadSSHD has sshd read its configuration anew and sees that it answers.
// SIGHUP keeps all sessions: sshd starts itself anew under the same pid.
func reloadSSHD(ctx context.Context, w *Writer, s sshdSetting) error {
	d := s.Daemon
	if d.PID == 0 {
		return nil
	}
	runs, err := true, ErrGone
	if d.Boot == "" || d.Boot == bootOf(w.Host) { // at another boot pid and start may be another's
		err = w.Proc.Signal(Proc{PID: d.PID, Start: d.Start}, unix.SIGHUP)
	}
	if errors.Is(err, ErrGone) && d.Unit != "" {
		runs, err = d.reloadUnit(ctx, w)
	}
	if err != nil {
		return fmt.Errorf("reload sshd: %w", err)
	}
	if !runs {
		return nil
	}
	return d.answers(ctx, w)
}

// reloadUnit is for an sshd that has ended: another one in its place is
// reloaded; where there is none, because somebody's configuration is wrong, it
// is started. At the next boot there is none yet: it reads the file when it
// starts, and only starts when demine has reverted, so that to wait for it
// would keep it away.
func (d sshDaemon) reloadUnit(ctx context.Context, w *Writer) (runs bool, err error) {
	state, err := w.Units.Show(ctx, d.Unit, "ActiveState")
	switch {
	case err != nil:
		return false, err
	case state == "active" || state == "reloading" || state == "activating":
		return true, w.Units.Reload(ctx, d.Unit)
	case d.Boot != "" && d.Boot != bootOf(w.Host):
		return false, nil
	}
	return true, w.Units.Start(ctx, d.Unit)
}

// bootOf is the id of this boot of the kernel, random(4).
func bootOf(h *host.Host) string {
	b, _, _ := h.Files.ReadFile("/proc/sys/kernel/random/boot_id", 64)
	return strings.TrimSpace(string(b))
}

// Time that sshd has to answer again, and between two questions.
const (
	sshdPatience = 5 * time.Second
	sshdPause    = 200 * time.Millisecond
)

// answers waits until sshd says its greeting on one of its ports.
func (d sshDaemon) answers(ctx context.Context, w *Writer) error {
	last := errors.New("it listens nowhere")
	for until := w.Host.Now().Add(sshdPatience); w.Host.Now().Before(until); {
		if err := w.Host.Wait(ctx, sshdPause); err != nil {
			return err
		}
		for _, port := range d.Ports {
			if last = greets(ctx, w, port); last == nil {
				return nil
			}
		}
	}
	return fmt.Errorf("sshd (pid %d) does not answer: %w", d.PID, last)
}

func greets(ctx context.Context, w *Writer, port int) error {
	addrs, err := w.Host.Kernel.Addresses()
	if err != nil {
		return err
	}
	err = errors.New("no address")
	for _, a := range append([]net.IP{net.IPv4(127, 0, 0, 1)}, addrs...) {
		if err = greeting(ctx, w, net.JoinHostPort(a.String(), strconv.Itoa(port))); err == nil {
			return nil
		}
	}
	return err
}

func greeting(ctx context.Context, w *Writer, addr string) error {
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	c, err := w.Host.Kernel.Dial(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if t, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(t)
	}
	line, err := bufio.NewReaderSize(c, 256).ReadSlice('\n')
	if err == nil && !strings.HasPrefix(string(line), "SSH-") {
		err = errors.New("it does not greet")
	}
	return err
}
