package rpmdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
)

// A header (rpm, lib/header.c), all big-endian: the number of entries and of bytes
// of data, entries of 16 bytes (tag, type, offset, count), data. Tags and their
// types are those of rpmtag.h, flags and states those of rpmfiles.h.
const (
	leastHeader = 8 + entrySize
	entrySize   = 16

	tagName       = 1000
	tagOldFiles   = 1027 // absolute paths (rpm 3); since then folders and names
	tagStates     = 1029
	tagDigests    = 1035
	tagFlags      = 1037
	tagDirIndexes = 1116
	tagBaseNames  = 1117
	tagDirNames   = 1118

	typeChar    = 1
	typeInt8    = 2
	typeInt32   = 4
	typeString  = 6
	typeStrings = 8

	flagConfig = 1 << 0
	flagGhost  = 1 << 6

	stateNormal = 0 // else replaced by another package's, not installed, of the other architecture
)

// header is one that has been taken apart.
type header struct {
	entries []byte
	data    []byte
}

func open(b []byte) (header, error) {
	if len(b) < leastHeader {
		return header{}, fmt.Errorf("%w: a header of %d bytes", ErrDamaged, len(b))
	}
	n, size := uint64(binary.BigEndian.Uint32(b)), uint64(binary.BigEndian.Uint32(b[4:]))
	if n == 0 || n > 0xffff || 8+n*entrySize+size > uint64(len(b)) {
		return header{}, fmt.Errorf("%w: a header of %d entries and %d bytes", ErrDamaged, n, size)
	}
	rest := b[8:]
	return header{rest[:n*entrySize], rest[n*entrySize:][:size]}, nil
}

// find gives the data from an entry's offset on, and its count, if it is of one of
// some types.
func (h header) find(tag uint32, kinds ...uint32) ([]byte, int) {
	for e := h.entries; len(e) > 0; e = e[entrySize:] {
		if number(e, 0) != tag || !slices.Contains(kinds, number(e, 1)) {
			continue
		}
		at, count := uint64(number(e, 2)), uint64(number(e, 3))
		if size := uint64(len(h.data)); at <= size && count <= size {
			return h.data[at:], int(count)
		}
	}
	return nil, 0
}

// strings are those of an array, up to where it is cut off.
func (h header) strings(tag uint32) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		b, n := h.find(tag, typeStrings)
		for range n {
			s, rest, ok := bytes.Cut(b, []byte{0})
			if !ok || !yield(s) {
				return
			}
			b = rest
		}
	}
}

// numbers are the bytes of an array of 32 bits each.
func (h header) numbers(tag uint32) []byte {
	b, n := h.find(tag, typeInt32)
	return b[:min(len(b), 4*n)]
}

// number is the i-th of an array, 0 where there is none.
func number(b []byte, i int) uint32 {
	if 4*i+4 > len(b) {
		return 0
	}
	return binary.BigEndian.Uint32(b[4*i:])
}

func (h header) bytes(tag uint32) []byte {
	b, n := h.find(tag, typeChar, typeInt8)
	return b[:min(len(b), n)]
}
