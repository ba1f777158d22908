// Package host is the machine that is examined: its files, and what its kernel
// tells. It is the only reader of system calls, netlink and /proc, and it never
// changes anything. The same observers run over the live machine (Live) and
// over a fixture (package fixture).
package host

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// Host is one machine. Files and Kernel are never nil.
type Host struct {
	Name   string
	Files  Files
	Kernel Kernel
	Now    func() time.Time
	Wait   func(ctx context.Context, d time.Duration) error // sleeps on a live host
}

// Errors that callers branch on. Missing files are fs.ErrNotExist, missing
// rights fs.ErrPermission, as everywhere in Go.
var (
	// ErrUnavailable: the kernel or this kind of host cannot tell.
	ErrUnavailable = errors.New("not available on this host")
	// ErrTooLarge comes with the bytes up to the limit.
	ErrTooLarge = errors.New("larger than is read")
	// ErrNotRegular: a FIFO, device, socket or directory where a file was expected.
	ErrNotRegular = errors.New("not a regular file")
)

// Gone reports whether an error says that the thing is not there (any more): a
// process that ended answers ESRCH to reads through an open descriptor.
func Gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

// ErrNotFolder: a regular file, or another thing that nothing can lie in, where
// a path goes through a directory or a directory was to be listed.
var ErrNotFolder error = unix.ENOTDIR

// Missing reports whether an error says that nothing has that path: below a
// regular file there is nothing either.
func Missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNotFolder)
}

// Info is what stat tells about a file.
type Info struct {
	Type     string // regular, dir, link, fifo, socket, device
	Mode     uint32 // permission, set-id and sticky bits
	UID, GID int
	Size     int64
	Links    uint64
	ID       fact.FileID
	Modified time.Time
	Changed  time.Time
	Born     time.Time // zero where the file system does not keep it
}

// File is an open regular file.
type File interface {
	io.ReaderAt
	io.Closer
}

// Dir is an open directory, for reading many small files below it: the open
// descriptor guarantees that all of them belong to the same directory, also
// when its name is reused (a pid in /proc).
type Dir interface {
	// ReadFile appends the whole file to buf[:0], at most cap(buf) bytes unless
	// it is empty, and returns it; longer files are cut without an error.
	ReadFile(name string, buf []byte) ([]byte, error)
	Readlink(name string) (string, error)
	// Names lists a directory below, or the directory itself for ".".
	Names(name string) ([]string, error)
	// Stat follows links, Lstat does not.
	Stat(name string) (Info, error)
	Lstat(name string) (Info, error)
	// Open and Sub open a regular file and a directory in this one. They follow
	// no link, so that a walk stays in its tree.
	Open(name string) (File, Info, error)
	Sub(name string) (Dir, Info, error)
	io.Closer
}

// Files reads the files of a host. Nothing blocks: FIFOs and devices are
// refused with ErrNotRegular.
type Files interface {
	// ReadFile reads a regular file, at most limit bytes.
	ReadFile(p fact.Path, limit int) ([]byte, Info, error)
	// ReadTail reads the last limit bytes of a regular file and tells at which
	// offset they begin.
	ReadTail(p fact.Path, limit int) ([]byte, int64, error)
	Open(p fact.Path) (File, Info, error)
	OpenDir(p fact.Path) (Dir, error)
	// Names lists a directory, sorted.
	Names(p fact.Path) ([]string, error)
	Readlink(p fact.Path) (fact.Path, error)
	// Stat follows links, Lstat does not.
	Stat(p fact.Path) (Info, error)
	Lstat(p fact.Path) (Info, error)
	// Flags are the immutable and append-only flags, where they are kept.
	Flags(p fact.Path) ([]string, error)
}

// Pair is the two ends of a TCP connection.
type Pair struct{ Local, Peer netip.AddrPort }

// Segment is one that was heard. Data is valid only until tell returns.
type Segment struct {
	Pair Pair
	Sent bool // by this host
	Seq  uint32
	Data []byte
	At   time.Time
}

// Kernel asks the running kernel. A host that is not running answers
// ErrUnavailable.
type Kernel interface {
	// Identity fills name, kernel release, architecture, uid, pid and CPUs.
	Identity() (fact.HostInfo, error)
	// Sockets lists the tcp and udp sockets of the network namespace of the
	// process with this pid (0: demine's own).
	Sockets(ctx context.Context, pid int) ([]fact.Socket, error)
	// Listeners lists those of them that listen, without a walk over the kernel's
	// table of connections, which all namespaces share.
	Listeners(ctx context.Context, pid int) ([]fact.Socket, error)
	// Memory reads the memory of a process by its addresses, without stopping
	// it. A part that is not mapped (any more) is an error of that read alone.
	Memory(pid int) (File, error)
	// Alive reports whether a process or thread has this number, whatever /proc
	// lists.
	Alive(pid int) bool
	// Tasks lists the processes that a walk of the kernel over its tasks meets.
	Tasks() ([]int, error)
	// Accounted gives those of these numbers under which the kernel accounts for
	// a process; on older kernels (before 5.19) also those of threads. With an
	// error those that were asked for until then.
	Accounted(ctx context.Context, pids []int) ([]int, error)
	// Hear tells the payloads of TCP segments that pass in the network namespace
	// of the process with this pid (0: demine's own), of these pairs only (the
	// first MaxPairs, those of IPv4 in its own form), until ctx ends. It sends
	// nothing. ErrLost says that not all was heard.
	Hear(ctx context.Context, pid int, pairs []Pair, tell func(Segment)) error
	// Firewall reads the packet filter of demine's own network namespace.
	Firewall(ctx context.Context) ([]fact.Ruleset, []fact.Gap)
	// Network reads the interfaces, addresses and routes of the network namespace
	// of the process with this pid (0: demine's own), and of another one also its
	// packet filter.
	Network(ctx context.Context, pid int) (fact.Network, []fact.Gap)
	// Dial connects to an address of this very host.
	Dial(ctx context.Context, network, addr string) (net.Conn, error)
	// Addresses of the host's own interfaces.
	Addresses() ([]net.IP, error)
}
