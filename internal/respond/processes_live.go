package respond

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"demine/internal/format/proc"
	"demine/internal/host"
)

// LiveProcesses signals processes of the running kernel.
func LiveProcesses() Processes { return liveProcesses{} }

type liveProcesses struct {
	byPID bool // as on kernels without pidfd_open (before 5.3)
}

func (l liveProcesses) Signal(p Proc, sig unix.Signal) error {
	if p.PID <= 1 || p.Start == 0 {
		return fmt.Errorf("signal %d to process %d: not a process that may be signalled", sig, p.PID)
	}
	err := l.signal(p, sig)
	if errors.Is(err, unix.ESRCH) {
		err = ErrGone
	}
	if err != nil && !errors.Is(err, ErrGone) {
		err = fmt.Errorf("signal %d to process %d: %w", sig, p.PID, err)
	}
	return err
}

func (l liveProcesses) signal(p Proc, sig unix.Signal) error {
	if l.byPID {
		return signalByPID(p, sig)
	}
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err == unix.ENOSYS || err == unix.EPERM { // EPERM: an old container runtime's seccomp, which does not know it
		return signalByPID(p, sig)
	}
	if err == unix.ENOENT || err == unix.EINVAL { // the number is a thread's now; EINVAL before Linux 6.15
		return ErrGone
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// The process of that start time was there before the descriptor was
	// opened. If it is there now, the descriptor is its.
	dir, err := openProc(p.PID)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := sameStart(dir, p); err != nil {
		return err
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// signalByPID checks the start time right before kill(2). What is left is the
// time between two system calls, in which the process would have to end and
// its pid be given anew: pids are given in turn, so all others would have to be
// used up first.
func signalByPID(p Proc, sig unix.Signal) error {
	dir, err := openProc(p.PID)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := sameStart(dir, p); err != nil {
		return err
	}
	return unix.Kill(p.PID, sig)
}

// openProc opens /proc/PID: the descriptor stays that process's.
func openProc(pid int) (int, error) {
	fd, err := host.OpenProcess(pid)
	if err == unix.ENOENT {
		err = ErrGone
	}
	return fd, err
}

func sameStart(dir int, p Proc) error {
	fd, err := unix.Openat(dir, "stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return ErrGone
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var buf [4096]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return err
	}
	st, err := proc.Stat(buf[:n])
	if err != nil {
		return err
	}
	if st.PID != p.PID || st.Start != p.Start {
		return ErrGone
	}
	return nil
}
