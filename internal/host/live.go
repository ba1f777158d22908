package host

import (
	"context"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// Live is the machine that demine runs on.
func Live() *Host {
	return &Host{Name: "live", Files: liveFiles{}, Kernel: liveKernel{}, Now: time.Now, Wait: wait}
}

// bootTime is to the millisecond; btime of /proc/stat is cut to a second, and
// start times are told from schedules by seconds.
func bootTime() time.Time {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(up.Nano())).Round(time.Millisecond)
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

type liveKernel struct{}

func (liveKernel) Identity() (fact.HostInfo, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fact.HostInfo{}, err
	}
	return fact.HostInfo{
		BootTime: bootTime(),
		Name:     unix.ByteSliceToString(u.Nodename[:]),
		Kernel:   unix.ByteSliceToString(u.Release[:]),
		Arch:     unix.ByteSliceToString(u.Machine[:]),
		Root:     "/",
		CPUs:     runtime.NumCPU(),
		UID:      os.Geteuid(),
		Self:     os.Getpid(),
	}, nil
}

func (liveKernel) Firewall(ctx context.Context) ([]fact.Ruleset, []fact.Gap) {
	return ReadFirewall(ctx)
}

func (liveKernel) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

func (liveKernel) Addresses() ([]net.IP, error) {
	as, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var out []net.IP
	for _, a := range as {
		if n, ok := a.(*net.IPNet); ok {
			out = append(out, n.IP)
		}
	}
	return out, nil
}
