package host

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// NetNS names the network namespace of this process: by its cookie, which no other
// one of the same boot has (SO_NETNS_COOKIE of socket(7), Linux 5.14), before that
// by the inode of /proc/self/ns/net, which another one may have once it is gone.
func NetNS() (string, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("network namespace: %w", err)
	}
	defer unix.Close(fd)
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err == nil {
		return fmt.Sprintf("cookie-%d", cookie), nil
	}
	if !errors.Is(err, unix.ENOPROTOOPT) {
		return "", fmt.Errorf("network namespace: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return "", fmt.Errorf("network namespace: %w", err)
	}
	return fmt.Sprintf("inode-%d", st.Ino), nil
}
