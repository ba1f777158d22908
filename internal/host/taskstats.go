package host

import (
	"context"
	"slices"

	"golang.org/x/sys/unix"

	"demine/internal/format/taskstats"
)

// Accounted asks the kernel's accounting of tasks over generic netlink, many
// numbers at a time. Who asks needs CAP_NET_ADMIN; the kernel has it only in the
// first network namespace, and demine's numbers are its own only in the first
// pid namespace.
func (liveKernel) Accounted(ctx context.Context, pids []int) ([]int, error) {
	if !initialPIDs() {
		return nil, ErrUnavailable
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, ErrUnavailable
	}
	defer unix.Close(fd)
	a := accounts{fd: fd, buf: make([]byte, 64<<10)}
	if err := a.findFamily(); err != nil {
		return nil, err
	}
	var out []int
	for some := range slices.Chunk(pids, atATime) {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if out, err = a.ask(some, out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// atATime is how many answers fit into a socket's default buffer (208 KiB),
// where each takes about 1.3 KiB of the kernel's memory.
const atATime = 96

type accounts struct {
	fd     int
	family uint16
	buf    []byte
	out    []byte
}

func (a *accounts) findFamily() error {
	err := a.exchange(taskstats.AskFamilies(), func(x taskstats.Answer) bool {
		if id, ok := x.Family(); ok {
			a.family = id
		}
		return !x.Done && x.Errno == 0
	})
	if err != nil || a.family == 0 {
		return ErrUnavailable
	}
	return nil
}

// ask adds those of the numbers that are processes. What is not answered, as
// when the buffer was too small, is not known to be one.
func (a *accounts) ask(pids, out []int) ([]int, error) {
	a.out = a.out[:0]
	for _, pid := range pids {
		a.out = taskstats.Ask(a.out, a.family, uint32(pid))
	}
	refused := false
	err := a.exchange(a.out, func(x taskstats.Answer) bool {
		tgid, ok := x.Task()
		if ok && (tgid == 0 || tgid == x.Sequence) {
			out = append(out, int(x.Sequence))
		}
		refused = refused || x.Errno == int(unix.EPERM)
		return !refused
	})
	if refused {
		err = ErrUnavailable
	}
	return out, err
}

// exchange sends questions and tells the answers until tell has heard enough.
// The kernel has answered when sendto(2) returns: nothing is waited for.
func (a *accounts) exchange(questions []byte, tell func(taskstats.Answer) bool) error {
	if err := unix.Sendto(a.fd, questions, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return ErrUnavailable
	}
	for {
		n, _, err := unix.Recvfrom(a.fd, a.buf, unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR || err == unix.ENOBUFS:
			continue
		case err == unix.EAGAIN:
			return nil
		case err != nil:
			return ErrUnavailable
		}
		for x, err := range taskstats.Answers(a.buf[:n]) {
			if err != nil {
				return ErrUnavailable
			}
			if !tell(x) {
				return nil
			}
		}
	}
}
