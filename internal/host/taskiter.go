package host

import (
	"encoding/binary"
	"math"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"demine/internal/format/btf"
)

// Tasks asks a BPF iterator (Documentation/bpf/bpf_iterators.rst): a program
// of fourteen instructions that the kernel runs for each task, and that writes
// the numbers of processes. It wants Linux 5.8 with BTF, the right to load it,
// and the machine's own pid namespace: others get numbers that are not theirs.
func (liveKernel) Tasks() ([]int, error) {
	link := taskLink()
	if link < 0 {
		return nil, ErrUnavailable
	}
	it, err := bpfCall(unix.BPF_ITER_CREATE, unsafe.Pointer(&struct{ link, flags uint32 }{uint32(link), 0}), 8)
	if err != nil {
		return nil, ErrUnavailable
	}
	defer unix.Close(it)
	return readTasks(it)
}

// mostTasks: PID_MAX_LIMIT of the kernel is 2^22; no machine runs a million.
const mostTasks = 1 << 20

func readTasks(fd int) ([]int, error) {
	var out []int
	buf := make([]byte, 32<<10) // seq_file gives whole records, of which these are
	for len(out) < mostTasks {
		n, err := unix.Read(fd, buf)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN: // it wants to be asked for the rest
			continue
		case err != nil || n%4 != 0:
			return nil, ErrUnavailable
		case n == 0:
			return out, nil
		}
		for b := buf[:n]; len(b) > 0; b = b[4:] {
			out = append(out, int(binary.NativeEndian.Uint32(b)))
		}
	}
	return nil, ErrUnavailable
}

// taskLink holds the program in the kernel until demine ends; -1: there is none.
// Nothing else runs it than a read of what is made from this descriptor.
var taskLink = sync.OnceValue(func() int {
	if !initialPIDs() || unix.Geteuid() != 0 {
		return -1
	}
	at, ok := kernelTypes()
	if !ok {
		return -1
	}
	prog, err := loadTasks(at)
	if err != nil {
		return -1
	}
	defer unix.Close(prog)
	attr := struct{ prog, target, attach, flags uint32 }{uint32(prog), 0, unix.BPF_TRACE_ITER, 0}
	link, err := bpfCall(unix.BPF_LINK_CREATE, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil {
		return -1
	}
	return link
})

// initialPIDs reports whether this is the machine's own pid namespace
// (PROC_PID_INIT_INO of the kernel's linux/proc_ns.h) and /proc is of it: in
// another's there is no "self".
func initialPIDs() bool {
	ns, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && ns == "pid:[4026531836]"
}

// taskTypes is what the program must know of the running kernel.
type taskTypes struct {
	function  uint32 // number of bpf_iter_task
	pid, tgid int16  // in struct task_struct
}

func kernelTypes() (taskTypes, bool) {
	b, _, err := liveFiles{}.ReadFile("/sys/kernel/btf/vmlinux", 64<<20) // 5 MiB
	if err != nil {
		return taskTypes{}, false
	}
	ts, err := btf.Parse(b)
	if err != nil {
		return taskTypes{}, false
	}
	return taskTypesIn(ts)
}

func taskTypesIn(ts *btf.Types) (at taskTypes, ok bool) {
	id := uint32(0)
	for typ, err := range ts.All() {
		if err != nil {
			return at, false
		}
		id++
		switch {
		case typ.Kind == btf.Func && at.function == 0 && ts.Named(typ, "bpf_iter_task"):
			at.function = id
		case typ.Kind == btf.Struct && at.tgid == 0 && ts.Named(typ, "task_struct"):
			pid, ok1 := ts.Offset(typ, "pid")
			tgid, ok2 := ts.Offset(typ, "tgid")
			if ok1 && ok2 && max(pid, tgid) <= math.MaxInt16 {
				at.pid, at.tgid = int16(pid), int16(tgid)
			}
		}
		if at.function != 0 && at.tgid != 0 {
			return at, true
		}
	}
	return at, false
}

// instruction is struct bpf_insn of uapi/linux/bpf.h on a little-endian CPU.
type instruction struct {
	code, registers uint8 // what is written, and << 4 what is read
	offset          int16
	value           int32
}

// Instructions of the set (Documentation/bpf/standardization/instruction-set.rst).
const (
	load64, load32, store32         = 0x79, 0x61, 0x63
	ifZero, ifDiffer                = 0x15, 0x5d
	copyFrom, setTo, add, call, ret = 0xbf, 0xb7, 0x07, 0x85, 0x95
	seqWrite                        = 127 // BPF_FUNC_seq_write
)

// program writes the number of a task that leads its process. Its context is
// struct bpf_iter__task: what to write to, and the task, 0 at the end.
func (at taskTypes) program() []instruction {
	return []instruction{
		{load64, 2 | 1<<4, 8, 0}, // r2 = the task
		{ifZero, 2, 10, 0},
		{load32, 3 | 2<<4, at.pid, 0},
		{load32, 4 | 2<<4, at.tgid, 0},
		{ifDiffer, 3 | 4<<4, 7, 0}, // a thread
		{store32, 10 | 4<<4, -4, 0},
		{load64, 1 | 1<<4, 0, 0}, // r1 = struct bpf_iter_meta
		{load64, 1 | 1<<4, 0, 0}, // r1 = its seq_file
		{copyFrom, 2 | 10<<4, 0, 0},
		{add, 2, 0, -4},
		{setTo, 3, 0, 4},
		{call, 0, 0, seqWrite},
		{setTo, 0, 0, 0},
		{ret, 0, 0, 0},
	}
}

// loadTasks is BPF_PROG_LOAD (union bpf_attr of uapi/linux/bpf.h, 64 bits).
func loadTasks(at taskTypes) (int, error) {
	code, licence := at.program(), []byte("GPL\x00") // the kernel's own: bpf_seq_write is for such programs
	attr := struct {
		kind, count   uint32
		code, licence unsafe.Pointer
		_             [6]uint32 // no log, no version, no flags
		name          [16]byte
		_             uint32
		attach        uint32
		_             [9]uint32
		function, _   uint32
	}{
		kind: unix.BPF_PROG_TYPE_TRACING, count: uint32(len(code)), code: unsafe.Pointer(&code[0]), licence: unsafe.Pointer(&licence[0]),
		name: [16]byte{'d', 'e', 'm', 'i', 'n', 'e'}, attach: unix.BPF_TRACE_ITER, function: at.function,
	}
	fd, err := bpfCall(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	runtime.KeepAlive(code)
	runtime.KeepAlive(licence)
	return fd, err
}

// bpfCall is bpf(2). The kernel sets close-on-exec.
func bpfCall(command int, attr unsafe.Pointer, size uintptr) (int, error) {
	fd, _, e := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(attr), size)
	if e != 0 {
		return -1, e
	}
	return int(fd), nil
}
