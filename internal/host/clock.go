package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// SinceBoot is the time since the kernel started, suspends included. Nobody can
// set it (CLOCK_BOOTTIME, clock_gettime(2)).
func SinceBoot() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0, fmt.Errorf("time since boot: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

// tfdCancelOnSet is TFD_TIMER_CANCEL_ON_SET of linux/timerfd.h: a read fails
// with ECANCELED when the wall clock was set (Linux 3.0).
const tfdCancelOnSet = 1 << 1

// never is so late that the timer, which is only there to be cancelled, does not
// go off: in the year 2262.
const never = 1<<63/1_000_000_000 - 1

// WallClock tells when somebody sets the wall clock.
type WallClock struct{ fd int }

// WatchWall begins to watch the wall clock.
func WatchWall() (*WallClock, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch the clock: %w", err)
	}
	w := &WallClock{fd}
	if err := w.arm(); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *WallClock) arm() error {
	spec := unix.ItimerSpec{Value: unix.Timespec{Sec: never}}
	if err := unix.TimerfdSettime(w.fd, unix.TFD_TIMER_ABSTIME|tfdCancelOnSet, &spec, nil); err != nil {
		return fmt.Errorf("watch the clock: %w", err)
	}
	return nil
}

// step is how long a wait does not look at its context.
const step = 200 * time.Millisecond

// Wait waits until the time has gone by, and shorter when the wall clock was
// set, which it reports.
func (w *WallClock) Wait(ctx context.Context, d time.Duration) (set bool, err error) {
	for end := time.Now().Add(d); ctx.Err() == nil; {
		left := time.Until(end)
		if left <= 0 {
			return false, nil
		}
		fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(min(left, step).Milliseconds())+1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return false, fmt.Errorf("watch the clock: %w", err)
		case n > 0:
			var b [8]byte
			_, _ = unix.Read(w.fd, b[:]) // ECANCELED
			return true, w.arm()
		}
	}
	return false, ctx.Err()
}

// Close ends the watch.
func (w *WallClock) Close() { _ = unix.Close(w.fd) }
