// Package elf looks at programs as the kernel does, not as a linker would:
// elf(5), include/uapi/linux/elf.h and load_elf_binary() of fs/binfmt_elf.c.
// The kernel reads the magic, type, machine and program headers only; section
// headers, EI_CLASS, EI_DATA and EI_VERSION may be anything, and packers make
// them so.
package elf

import (
	"bytes"
	"encoding/binary"

	"demine/internal/fact"
)

// Types of a file that runs (e_type).
const (
	Exec = 2 // at fixed addresses
	Dyn  = 3 // position independent, or a library
)

// Info is what a program's headers say.
type Info struct {
	Class    int    // 32 or 64
	Machine  uint16 // EM_*: 62 x86-64, 183 AArch64, 3 i386
	Type     uint16 // Exec or Dyn
	Entry    uint64
	Loads    []Segment
	Sections int // e_shnum, as claimed
	Static   bool
	Table    Range  // of the section headers
	Stripped bool   // no symbol table in what was given of Table
	Interp   string // the loader of a dynamic program
	Dynamic  uint64 // address of the dynamic section; 0: none
	UPX      bool   // a mark of the UPX packer or of its clones
	Odd      []string
}

// Segment is a part of the file that is mapped to run.
type Segment struct {
	Off, Size, VAddr uint64 // Size in the file, in bytes
	Mem              uint64 // its size in memory: what is more than Size is zero at first
	Exec, Write      bool
}

// Range is a part of the file.
type Range struct{ Off, Size uint64 }

const (
	ptLoad, ptDynamic, ptInterp = 1, 2, 3

	maxProgHeaders = 65536 / 56 // the kernel refuses more than 64 KiB of them
	maxInterp      = 4096       // PATH_MAX
	maxSections    = 4096
)

// layout is where a class keeps its fields.
type layout struct {
	class, header, progHeader, sectHeader               int
	entry, phoff, shoff, phentsize, phnum, shnum        int
	pOffset, pVAddr, pFileSize, pMemSize, pFlags, sType int
	symbol, stInfo, stSection                           int
}

var (
	wide = layout{64, 64, 56, 64, 24, 32, 40, 54, 56, 60, 8, 16, 32, 40, 4, 4, 24, 4, 6}
	thin = layout{32, 52, 32, 40, 24, 28, 32, 42, 44, 48, 4, 8, 16, 20, 24, 4, 16, 12, 14}
)

// Look reads the headers from the start of a file; b may be a cut-off one. It
// is false when no Linux kernel would run it (not the magic, no program
// headers). Only little-endian machines are read. Oddities that the kernel
// lets pass are named in Odd: "class", "data", "version", "sections".
func Look(b []byte) (Info, bool) {
	if len(b) < thin.header || string(b[:4]) != "\x7fELF" {
		return Info{}, false
	}
	le := binary.LittleEndian
	i := Info{Type: le.Uint16(b[16:]), Machine: le.Uint16(b[18:])}
	if i.Type != Exec && i.Type != Dyn {
		return Info{}, false
	}
	l := layoutOf(b, i.Machine)
	if len(b) < l.header || int(le.Uint16(b[l.phentsize:])) != l.progHeader {
		return Info{}, false
	}
	i.Class, i.Entry = l.class, l.word(b[l.entry:])
	if !i.programHeaders(b, l) {
		return Info{}, false
	}
	i.Sections = int(le.Uint16(b[l.shnum:]))
	i.Table = Range{l.word(b[l.shoff:]), uint64(min(i.Sections, maxSections) * l.sectHeader)}
	i.Stripped = !HasSymbols(part(b, i.Table.Off, i.Table.Size), i.Class)
	i.UPX = packed(b)
	i.oddities(b, l)
	return i, true
}

// layoutOf goes by the machine, which the kernel checks, and asks EI_CLASS
// only of machines that have both.
func layoutOf(b []byte, machine uint16) layout {
	switch machine {
	case 62: // EM_X86_64: with the header size of 32 bits it is x32
		if binary.LittleEndian.Uint16(b[thin.phentsize:]) == uint16(thin.progHeader) && b[4] == 1 {
			return thin
		}
		return wide
	case 183, 21: // AArch64, PPC64 in its little-endian form
		return wide
	case 3, 40: // i386, ARM
		return thin
	}
	if b[4] == 1 {
		return thin
	}
	return wide
}

// word reads an address or offset of the class.
func (l layout) word(b []byte) uint64 {
	if l.class == 32 {
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// programHeaders is false when none is there that would be loaded.
func (i *Info) programHeaders(b []byte, l layout) bool {
	n := int(binary.LittleEndian.Uint16(b[l.phnum:]))
	off := l.word(b[l.phoff:])
	if n == 0 || n > maxProgHeaders || off >= uint64(len(b)) {
		return false
	}
	i.Static = true
	for p := b[off:]; n > 0 && len(p) >= l.progHeader; n, p = n-1, p[l.progHeader:] {
		s := Segment{Off: l.word(p[l.pOffset:]), Size: l.word(p[l.pFileSize:]), Mem: l.word(p[l.pMemSize:]), VAddr: l.word(p[l.pVAddr:])}
		flags := binary.LittleEndian.Uint32(p[l.pFlags:])
		s.Exec, s.Write = flags&1 != 0, flags&2 != 0
		switch binary.LittleEndian.Uint32(p) {
		case ptLoad:
			i.Loads = append(i.Loads, s)
		case ptDynamic:
			i.Dynamic = s.VAddr // the loader goes by it, not by the offset
		case ptInterp:
			i.Static = false
			if i.Interp == "" {
				i.Interp = cstring(part(b, s.Off, min(s.Size, maxInterp)))
			}
		}
	}
	return len(i.Loads) > 0
}

// part is b[off:off+n], as much of it as there is.
func part(b []byte, off, n uint64) []byte {
	if off >= uint64(len(b)) {
		return nil
	}
	b = b[off:]
	return b[:min(n, uint64(len(b)))]
}

func cstring(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return fact.Text(b)
}

// HasSymbols looks for a section of type SHT_SYMTAB in the section headers of a
// program of 32 or 64 bits: those of a large file lie behind what Look is given.
func HasSymbols(table []byte, class int) bool {
	l := wide
	if class == 32 {
		l = thin
	}
	for s := table; len(s) >= l.sectHeader; s = s[l.sectHeader:] {
		if binary.LittleEndian.Uint32(s[l.sType:]) == 2 {
			return true
		}
	}
	return false
}

// Inflates reports whether much more memory is asked for than the file has: a
// packer asks for room to unpack to, at least as large as all that is loaded.
// Programs with large empty tables ask for it too.
func (i Info) Inflates() bool {
	const much = 256 << 10
	var file, mem uint64
	for _, s := range i.Loads {
		file += min(s.Size, 1<<40)
		mem += min(s.Mem, 1<<40)
	}
	return mem >= 2*file+much
}

// packed looks for what UPX leaves: its l_info magic just after the program
// headers, or one of its texts. Miners change the magic and keep the rest, so
// this says yes only.
func packed(b []byte) bool {
	head := b[:min(len(b), 4096)]
	tail := b[max(0, len(b)-4096):]
	for _, m := range []string{"UPX!", "$Info: This file is packed with the UPX", "$Id: UPX "} {
		if bytes.Contains(head, []byte(m)) || bytes.Contains(tail, []byte(m)) {
			return true
		}
	}
	return false
}

// oddities names what debuggers choke on and the kernel does not read.
func (i *Info) oddities(b []byte, l layout) {
	if int(b[4]) != l.class/32 {
		i.Odd = append(i.Odd, "class")
	}
	if b[5] != 1 {
		i.Odd = append(i.Odd, "data")
	}
	if b[6] != 1 {
		i.Odd = append(i.Odd, "version")
	}
	if i.Sections > 0 && int(binary.LittleEndian.Uint16(b[l.shnum-2:])) != l.sectHeader {
		i.Odd = append(i.Odd, "sections")
	}
}

// IsScript gives the interpreter of a "#!" line as the kernel takes it
// (fs/binfmt_script.c): the first word of the line, within the first 256 bytes.
// For env(1) it is still env: the caller has the rest of the line.
func IsScript(b []byte) (interp string, ok bool) {
	if len(b) < 3 || b[0] != '#' || b[1] != '!' {
		return "", false
	}
	line := b[2:min(len(b), 256)]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimLeft(line, " \t")
	if i := bytes.IndexAny(line, " \t\x00"); i >= 0 {
		line = line[:i]
	}
	return fact.Text(line), len(line) > 0
}
