package host

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Memory reads with process_vm_readv(2): the process goes on running, and its
// memory map is locked only while the pages of one call are looked up. What
// must not be read that way by a filter of system calls, or on a kernel without
// it, may still be read through /proc/PID/mem.
func (k liveKernel) Memory(pid int) (File, error) {
	if !k.Alive(pid) {
		return nil, unix.ESRCH
	}
	dir, name := from("/proc/" + strconv.Itoa(pid) + "/mem")
	return &liveMemory{pid: pid, open: sync.OnceValues(func() (*os.File, error) {
		fd, err := openAt(dir, name, unix.O_RDONLY|unix.O_CLOEXEC)
		if err != nil {
			return nil, pathError("open", name, err)
		}
		return os.NewFile(uintptr(fd), name), nil
	})}, nil
}

type liveMemory struct {
	pid     int
	refused atomic.Bool // the call is, so the file is read
	open    func() (*os.File, error)
}

// ReadAt reads from an address. Fewer bytes than asked for come with an error:
// what follows is not mapped.
func (m *liveMemory) ReadAt(p []byte, addr int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if !m.refused.Load() {
		n, err := m.call(p, addr)
		if err != unix.ENOSYS && err != unix.EPERM {
			return n, err
		}
		m.refused.Store(true)
	}
	f, err := m.open()
	if err != nil {
		return 0, err
	}
	return f.ReadAt(p, addr)
}

func (m *liveMemory) call(p []byte, addr int64) (int, error) {
	local := []unix.Iovec{{Base: &p[0]}}
	local[0].SetLen(len(p))
	n, err := unix.ProcessVMReadv(m.pid, local, []unix.RemoteIovec{{Base: uintptr(addr), Len: len(p)}}, 0)
	if err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, fmt.Errorf("memory of %d at %#x: %w", m.pid, addr+int64(n), unix.EFAULT)
	}
	return n, nil
}

// Close closes the file where it was needed; the call keeps nothing open.
func (m *liveMemory) Close() error {
	if !m.refused.Load() {
		return nil
	}
	f, err := m.open()
	if err != nil {
		return nil
	}
	return f.Close()
}
