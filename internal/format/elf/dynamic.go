package elf

import (
	"encoding/binary"
	"io"
	"iter"
	"math"
	"slices"
)

// Tags of the dynamic section (elf(5), include/uapi/linux/elf.h).
const (
	dtNull, dtHash, dtStrtab, dtSymtab, dtGNUHash, dtVersym = 0, 4, 5, 6, 0x6ffffef5, 0x6ffffff0
)

// What is read at most of the parts of a library, in bytes: the largest that
// distributions ship have tables of some hundred thousand.
const (
	maxDynamic = 64 << 10
	maxSymbols = 4 << 20
	maxStrings = 8 << 20
)

// Defines gives those of some names, sorted, that a library defines for the
// programs which load it: what it only asks of others does not count. It reads
// what the loader reads (ld.so(8); the dynamic section, elf(5)), wherever in the
// file that lies, so a library without section headers is no exception. whole is
// false when a part could not be read: there may be more of them.
func Defines(r io.ReaderAt, names []string) (defined []string, whole bool) {
	b := headers(r)
	i, ok := Look(b)
	if !ok {
		return nil, false
	}
	l := layoutOf(b, i.Machine)
	d := i.dynamic(r, l)
	if d[dtStrtab] == 0 || d[dtSymtab] == 0 {
		return nil, false
	}
	strings, symbols := i.at(r, d[dtStrtab], maxStrings), i.at(r, d[dtSymtab], maxSymbols)
	end := symbolsEnd(d)
	whole = len(strings) > 0 && len(symbols) >= l.symbol && (end <= uint64(len(symbols)) || len(symbols) < maxSymbols)
	// What stands behind the end is read as well: the tags that tell it are
	// nothing to the loader, and bytes that are none have no such names.
	for at := 0; at+l.symbol <= len(symbols); at += l.symbol {
		name, ok := l.defined(symbols[at:], strings)
		if !ok && uint64(at) < end {
			whole = false
		}
		if slices.Contains(names, name) && !slices.Contains(defined, name) {
			defined = append(defined, name)
		}
	}
	slices.Sort(defined)
	return defined, whole
}

// headers are the header of a file and its program headers, wherever they lie
// (some tools move them to the end), put together as Look takes them.
func headers(r io.ReaderAt) []byte {
	b := piece(r, 0, uint64(wide.header))
	if len(b) < wide.header {
		return nil
	}
	le := binary.LittleEndian
	l := layoutOf(b, le.Uint16(b[18:]))
	n := min(int(le.Uint16(b[l.phnum:])), maxProgHeaders)
	table := piece(r, l.word(b[l.phoff:]), uint64(n*l.progHeader))
	if l.class == 32 {
		le.PutUint32(b[l.phoff:], uint32(len(b)))
	} else {
		le.PutUint64(b[l.phoff:], uint64(len(b)))
	}
	return append(b, table...)
}

// dynamic gives the entries of the dynamic section that matter, by their tags.
func (i *Info) dynamic(r io.ReaderAt, l layout) map[uint64]uint64 {
	d := map[uint64]uint64{}
	for tag, value := range i.entries(r, l) {
		switch tag {
		case dtHash, dtStrtab, dtSymtab, dtGNUHash, dtVersym:
			d[tag] = value
		}
	}
	return d
}

// entries goes through the dynamic section up to its end: tags and their values.
func (i *Info) entries(r io.ReaderAt, l layout) iter.Seq2[uint64, uint64] {
	return func(yield func(tag, value uint64) bool) {
		size := 2 * l.class / 8
		for e := i.at(r, i.Dynamic, maxDynamic); len(e) >= size && l.word(e) != dtNull; e = e[size:] {
			if !yield(l.word(e), l.word(e[size/2:])) {
				return
			}
		}
	}
}

// symbolsEnd is how many bytes of symbols there are: up to the table that linkers
// put behind them. Their number is told nowhere.
func symbolsEnd(d map[uint64]uint64) uint64 {
	end := uint64(math.MaxUint64)
	for _, addr := range d {
		if addr > d[dtSymtab] {
			end = min(end, addr-d[dtSymtab])
		}
	}
	return end
}

// at is what the file holds at an address, up to the end of the segment or limit.
func (i *Info) at(r io.ReaderAt, addr, limit uint64) []byte {
	for _, s := range i.Loads {
		if addr >= s.VAddr && addr-s.VAddr < s.Size {
			return piece(r, s.Off+(addr-s.VAddr), min(limit, s.Size-(addr-s.VAddr)))
		}
	}
	return nil
}

// piece is as much as there is of n bytes of a file.
func piece(r io.ReaderAt, off, n uint64) []byte {
	if off > math.MaxInt64 {
		return nil
	}
	b := make([]byte, n)
	got, _ := r.ReadAt(b, int64(off))
	return b[:max(0, got)]
}

// defined is the name of a symbol that others can use, empty for one that is
// not: its section is not SHN_UNDEF, and it is STB_GLOBAL or STB_WEAK. It is
// false where the name is not in the strings.
func (l layout) defined(symbol, strings []byte) (string, bool) {
	le := binary.LittleEndian
	bind := symbol[l.stInfo] >> 4
	if le.Uint16(symbol[l.stSection:]) == 0 || bind != 1 && bind != 2 {
		return "", true
	}
	const longest = 64
	name := part(strings, uint64(le.Uint32(symbol)), longest)
	return cstring(name), len(name) > 0
}
