package proc

import (
	"bytes"
	"iter"
	"strings"

	"demine/internal/fact"
)

// Mapping is one line of /proc/PID/maps: addresses from Start up to End, which
// it does not include.
type Mapping struct {
	Start, End  uint64
	Read, Write bool
	Exec        bool
	Shared      bool
	Offset      uint64 // in the file
	Inode       uint64 // 0: no file stands behind it
	// Path is the file, or a name in brackets that the kernel gives: [heap],
	// [stack], [vdso], [anon:…]. Empty for anonymous memory.
	Path    fact.Path
	Deleted bool // the kernel says that the file has no name any more
}

// Size is in bytes.
func (m Mapping) Size() uint64 { return m.End - m.Start }

// Maps goes through /proc/PID/maps (show_map_vma() of fs/proc/task_mmu.c) in
// the order of addresses. Lines that it does not understand, and a last one
// without its newline, which was cut off, are left out.
func Maps(b []byte) iter.Seq[Mapping] {
	return func(yield func(Mapping) bool) {
		for {
			line, rest, ok := bytes.Cut(b, []byte{'\n'})
			if !ok {
				return
			}
			if m, ok := mapping(line); ok && !yield(m) {
				return
			}
			b = rest
		}
	}
}

// mapping reads "55d0a000-55d0b000 r-xp 00001000 fd:01 1234   /usr/bin/x".
func mapping(line []byte) (Mapping, bool) {
	var m Mapping
	addr, line, _ := bytes.Cut(line, []byte{' '})
	perms, line, _ := bytes.Cut(line, []byte{' '})
	off, line, _ := bytes.Cut(line, []byte{' '})
	_, line, ok := bytes.Cut(line, []byte{' '}) // the device
	inode, name, _ := bytes.Cut(line, []byte{' '})
	from, to, _ := bytes.Cut(addr, []byte{'-'})
	var ok1, ok2, ok3, ok4 bool
	m.Start, ok1 = Hex(from)
	m.End, ok2 = Hex(to)
	m.Offset, ok3 = Hex(off)
	m.Inode, ok4 = Uint(inode)
	if !ok || !ok1 || !ok2 || !ok3 || !ok4 || len(perms) != 4 || m.End <= m.Start {
		return Mapping{}, false
	}
	m.Read, m.Write, m.Exec, m.Shared = perms[0] == 'r', perms[1] == 'w', perms[2] == 'x', perms[3] == 's'
	m.Path, m.Deleted = mapped(string(bytes.TrimLeft(name, " ")))
	return m, true
}

// mapped takes apart what seq_file_path() wrote: only a newline is escaped,
// and a backslash is not, so a name may be ambiguous; it is one to show.
func mapped(name string) (fact.Path, bool) {
	name = strings.ReplaceAll(name, `\012`, "\n")
	if s, ok := strings.CutSuffix(name, " (deleted)"); ok {
		return fact.Path(s), true
	}
	s, ok := strings.CutSuffix(name, "//deleted") // of kernels before 3.1
	return fact.Path(s), ok
}

// Hex reads a hexadecimal number without a prefix; false when b is empty or
// holds anything but at most 16 digits.
func Hex(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 16 {
		return 0, false
	}
	var v uint64
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, true
}
