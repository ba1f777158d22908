package elf

import (
	"encoding/binary"
	"slices"
)

const (
	ptDynamic = 2

	dtNull, dtStrtab, dtSymtab, dtStrsz = 0, 5, 6, 10

	maxSymbols = 1 << 16
)

// Defines gives those of some names, sorted, that a library defines for the
// programs which load it: what it only asks of others does not count. It reads
// what the loader reads (ld.so(8); the dynamic section, elf(5)), so a library
// without section headers is no exception. b is the start of the file; symbols
// behind its end are not seen.
func Defines(b []byte, names []string) []string {
	i, ok := Look(b)
	if !ok {
		return nil
	}
	l := layoutOf(b, i.Machine)
	d := i.dynamic(b, l)
	strings := i.at(b, d[dtStrtab], d[dtStrsz])
	symbols := i.at(b, d[dtSymtab], maxSymbols*uint64(l.symbol))
	if d[dtStrtab] > d[dtSymtab] { // linkers put them in this order; how many there are is told nowhere
		symbols = symbols[:min(uint64(len(symbols)), d[dtStrtab]-d[dtSymtab])]
	}
	var out []string
	for s := symbols; len(s) >= l.symbol && len(strings) > 0; s = s[l.symbol:] {
		if name := l.defined(s, strings); slices.Contains(names, name) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// dynamic gives the entries of the dynamic section that matter, by their tags.
func (i *Info) dynamic(b []byte, l layout) map[uint64]uint64 {
	d := map[uint64]uint64{}
	size := 2 * l.class / 8
	for e := part(b, i.Dynamic.Off, i.Dynamic.Size); len(e) >= size; e = e[size:] {
		switch tag := l.word(e); tag {
		case dtNull:
			return d
		case dtStrtab, dtSymtab, dtStrsz:
			d[tag] = l.word(e[size/2:])
		}
	}
	return d
}

// at is what the file holds of n bytes at an address.
func (i *Info) at(b []byte, addr, n uint64) []byte {
	for _, s := range i.Loads {
		if addr >= s.VAddr && addr-s.VAddr < s.Size {
			return part(part(b, s.Off, s.Size), addr-s.VAddr, n)
		}
	}
	return nil
}

// defined is the name of a symbol that others can use, empty for one that is
// not: its section is not SHN_UNDEF, and it is STB_GLOBAL or STB_WEAK.
func (l layout) defined(symbol, strings []byte) string {
	le := binary.LittleEndian
	bind := symbol[l.stInfo] >> 4
	if le.Uint16(symbol[l.stSection:]) == 0 || bind != 1 && bind != 2 {
		return ""
	}
	const longest = 64
	return cstring(part(strings, uint64(le.Uint32(symbol)), longest))
}
