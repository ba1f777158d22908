package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"demine/internal/fact"
	"demine/internal/format/xtables"

	"golang.org/x/sys/unix"
)

// The options of linux/netfilter_ipv4/ip_tables.h, the same numbers in
// ip6_tables.h, and the sizes of struct ipt_getinfo and of the head of struct
// ipt_get_entries on a 64-bit kernel.
const (
	soGetInfo     = 64
	soGetEntries  = 65
	xtNameLen     = 32
	xtInfoSize    = xtNameLen + 4*(1+5+5+2)
	xtEntriesHead = 40
	maxXTBlob     = 64 << 20
)

// readXT reads the iptables-legacy tables of a family, "ip" or "ip6". Only
// tables that /proc/net/ip_tables_names already lists are asked for, because
// asking for any other one loads or makes it.
func readXT(family string) ([]fact.Ruleset, []fact.Gap) {
	tables, err := XTables(family)
	if err != nil { // without /proc it is not known which tables there are
		return nil, []fact.Gap{sysGap("iptables-legacy "+family, err)}
	}
	if len(tables) == 0 {
		return nil, nil
	}
	s, err := newXTSocket(family)
	if err != nil {
		return nil, []fact.Gap{sysGap("iptables-legacy "+family, err)}
	}
	defer unix.Close(s.fd)
	var sets []fact.Ruleset
	var gaps []fact.Gap
	for _, t := range tables {
		r, err := s.table(family, t)
		if err != nil {
			gaps = append(gaps, sysGap("iptables-legacy "+family+" "+t, err))
		}
		if r.Chains != nil {
			sets = append(sets, r)
		}
	}
	return sets, gaps
}

// XTables names the tables of iptables-legacy that are there, for a family "ip"
// or "ip6" in the calling thread's network namespace.
func XTables(family string) ([]string, error) {
	names, err := os.ReadFile(threadFile("net/" + family + "_tables_names"))
	if errors.Is(err, os.ErrNotExist) {
		_, err = os.Stat(threadFile("net"))
	}
	return strings.Fields(string(names)), err
}

// sysGap turns the error of a system call into a gap with a stable code.
func sysGap(what string, err error) fact.Gap {
	g := fact.Gap{Code: "unreadable", What: what, Detail: err.Error()}
	switch {
	case errors.Is(err, os.ErrPermission):
		g.Code = "no-permission"
	case errors.Is(err, errTooLarge):
		g.Code = "too-large"
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		g.Code = "refused"
	}
	return g
}

var errTooLarge = errors.New("more than demine reads")

type xtSocket struct{ fd, level int }

func newXTSocket(family string) (xtSocket, error) {
	domain, level := unix.AF_INET, unix.IPPROTO_IP
	if family == "ip6" {
		domain, level = unix.AF_INET6, unix.IPPROTO_IPV6
	}
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return xtSocket{}, fmt.Errorf("raw socket: %w", err)
	}
	return xtSocket{fd, level}, nil
}

// table reads one table.
func (s xtSocket) table(family, name string) (fact.Ruleset, error) {
	r := fact.Ruleset{Ref: fact.RulesetRef("iptables-legacy", family, name, ""), Backend: "iptables-legacy", Family: family, Table: name}
	if len(name) >= xtNameLen {
		return r, unix.EINVAL
	}
	info, blob, err := s.whole(name)
	if err != nil {
		return r, err
	}
	r.Chains, err = xtables.Parse(family, name, info, blob)
	SettleLists(family, r.Chains)
	return r, err
}

// whole is a table as it was at one moment. The kernel answers EAGAIN when it
// changed between the two questions; then both are asked again.
func (s xtSocket) whole(name string) (info xtables.Info, blob []byte, err error) {
	for range 10 {
		if info, err = s.info(name); err != nil {
			return info, nil, err
		}
		blob, err = s.entries(name, info.Size)
		if !errors.Is(err, unix.EAGAIN) {
			break
		}
	}
	return info, blob, err
}

// XTable gives one table of iptables-legacy of the calling thread's network
// namespace as the kernel has it, for a family "ip" or "ip6". Where the table
// is not there yet, the question makes it.
func XTable(family, name string) (xtables.Info, []byte, error) {
	if len(name) >= xtNameLen {
		return xtables.Info{}, nil, unix.EINVAL
	}
	s, err := newXTSocket(family)
	if err != nil {
		return xtables.Info{}, nil, err
	}
	defer unix.Close(s.fd)
	return s.whole(name)
}

func (s xtSocket) info(name string) (info xtables.Info, err error) {
	var buf [xtInfoSize]byte
	copy(buf[:], name)
	if _, err = s.get(soGetInfo, buf[:]); err != nil {
		return info, fmt.Errorf("IPT_SO_GET_INFO: %w", err)
	}
	_, err = binary.Decode(buf[xtNameLen:], binary.NativeEndian, &info)
	return info, err
}

func (s xtSocket) entries(name string, size uint32) ([]byte, error) {
	if size > maxXTBlob {
		return nil, fmt.Errorf("table of %d bytes: %w", size, errTooLarge)
	}
	buf := make([]byte, xtEntriesHead+int(size))
	copy(buf, name)
	binary.NativeEndian.PutUint32(buf[xtNameLen:], size)
	n, err := s.get(soGetEntries, buf)
	if err != nil {
		return nil, fmt.Errorf("IPT_SO_GET_ENTRIES: %w", err)
	}
	return buf[xtEntriesHead:max(n, xtEntriesHead)], nil
}

// get is getsockopt with a buffer that is read and written.
func (s xtSocket) get(option int, buf []byte) (int, error) {
	n := uint32(len(buf))
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), uintptr(s.level), uintptr(option),
		uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&n)), 0)
	if e != 0 {
		return 0, e
	}
	return min(int(n), len(buf)), nil
}
