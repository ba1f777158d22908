package respond

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/format/xtables"
	"demine/internal/host"
)

// The options of linux/netfilter_ipv4/ip_tables.h, the same numbers in
// ip6_tables.h, and the sizes of struct ipt_replace, of the head of struct
// xt_counters_info, and of struct xt_counters on a 64-bit kernel.
const (
	soSetReplace     = 64
	soSetAddCounters = 65
	xtReplaceHead    = 96
	xtCountersHead   = 40
	xtCounterSize    = 16
)

// xtLock is the file by which the iptables programs take turns (XT_LOCK_NAME of
// iptables/xshared.h).
const (
	xtLock     = "/run/xtables.lock"
	xtLockWait = 5 * time.Second
)

// editXT changes one table of iptables-legacy: f gets it as it is and edits it;
// it is asked again when the table changed meanwhile.
func editXT(family, name string, f func(*xtables.Table, []fact.Chain) error) error {
	unlock, err := lockXT()
	if err != nil {
		return err
	}
	defer unlock()
	for range 10 {
		if err = tryXT(family, name, f); !errors.Is(err, unix.EAGAIN) {
			return err
		}
	}
	return err
}

func tryXT(family, name string, f func(*xtables.Table, []fact.Chain) error) error {
	info, blob, err := host.XTable(family, name)
	if err != nil {
		return err
	}
	chains, err := xtables.Parse(family, name, info, blob)
	if err != nil {
		return err
	}
	t, err := xtables.Load(family, info, blob)
	if err != nil {
		return err
	}
	if err := f(t, chains); err != nil {
		return err
	}
	return replaceXT(family, name, t, int(info.Entries))
}

// lockXT waits for its turn. Where the file cannot be had (a read-only root, an
// old iptables) the kernel's own check must do.
func lockXT() (func(), error) {
	fd, err := unix.Open(xtLock, unix.O_RDONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return func() {}, nil
	}
	for end := time.Now().Add(xtLockWait); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { unix.Close(fd) }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			unix.Close(fd)
			return nil, &os.PathError{Op: "lock", Path: xtLock, Err: err}
		}
	}
}

// replaceXT puts a table in force instead of one with had entries, and gives the
// rules their counters back. EAGAIN: the table in force has another number of
// entries.
func replaceXT(family, name string, t *xtables.Table, had int) error {
	fd, level, err := xtSocket(family)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	info, blob := t.Blob()
	old := make([]byte, max(had, 1)*xtCounterSize) // the kernel writes here what was counted until the very change
	req := make([]byte, xtReplaceHead, xtReplaceHead+len(blob))
	copy(req, name)
	for i, v := range slices.Concat([]uint32{info.ValidHooks, info.Entries, info.Size}, info.HookEntry[:], info.Underflow[:], []uint32{uint32(had)}) {
		binary.NativeEndian.PutUint32(req[32+4*i:], v)
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&old[0])
	binary.NativeEndian.PutUint64(req[88:], uint64(uintptr(unsafe.Pointer(&old[0]))))
	if err := unix.SetsockoptString(fd, level, soSetReplace, string(append(req, blob...))); err != nil {
		return fmt.Errorf("IPT_SO_SET_REPLACE: %w", err)
	}
	return addCounters(fd, level, name, t.Counters(counters(old)))
}

func counters(b []byte) []xtables.Counter {
	out := make([]xtables.Counter, len(b)/xtCounterSize)
	for i := range out {
		out[i] = xtables.Counter{Packets: binary.NativeEndian.Uint64(b[i*xtCounterSize:]), Bytes: binary.NativeEndian.Uint64(b[i*xtCounterSize+8:])}
	}
	return out
}

// addCounters adds to the counters of a table that begins to count from zero.
// That somebody has changed the table since is no failure of the change before.
func addCounters(fd, level int, name string, cs []xtables.Counter) error {
	req := make([]byte, xtCountersHead)
	copy(req, name)
	binary.NativeEndian.PutUint32(req[32:], uint32(len(cs)))
	for _, c := range cs {
		req = binary.NativeEndian.AppendUint64(req, c.Packets)
		req = binary.NativeEndian.AppendUint64(req, c.Bytes)
	}
	if err := unix.SetsockoptString(fd, level, soSetAddCounters, string(req)); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("IPT_SO_SET_ADD_COUNTERS: %w", err)
	}
	return nil
}

func xtSocket(family string) (fd, level int, err error) {
	domain, level := unix.AF_INET, unix.IPPROTO_IP
	if family == "ip6" {
		domain, level = unix.AF_INET6, unix.IPPROTO_IPV6
	}
	fd, err = unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return 0, 0, fmt.Errorf("raw socket: %w", err)
	}
	return fd, level, nil
}
