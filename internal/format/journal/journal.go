// Package journal reads the files of systemd's journal (systemd.io,
// JOURNAL_FILE_FORMAT; journal-def.h): regular and compact ones, with keyed
// and with Jenkins hashes, values compressed by xz, lz4 or zstd. Entries are
// found by the hash table of values, so that a file of any size is asked in
// milliseconds and never read whole. Nothing in it is trusted: objects are
// bounded by the file, lists only go forward, and what does not fit is left
// out.
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrFormat: it is no journal file, or of a kind that is not known.
var ErrFormat = errors.New("not a journal file that can be read")

// Header is what the head of a file tells.
type Header struct {
	FileID    [16]byte
	SeqnumID  [16]byte // files with the same one count their entries together
	HeadSeq   uint64   // of the oldest entry; 0: there is none
	TailSeq   uint64   // of the newest entry
	Head      time.Time
	Tail      time.Time
	Entries   uint64
	Compact   bool
	Keyed     bool
	Online    bool // being written, or was when its writer died
	dataTable uint64
	buckets   uint64
}

// Flags of incompatible changes (journal-def.h, HEADER_INCOMPATIBLE_*).
const (
	flagXZ = 1 << iota
	flagLZ4
	flagKeyed
	flagZstd
	flagCompact
)

const (
	minHeader   = 208 // systemd 185
	stateOnline = 1
)

// File is one open journal file. It is not safe for concurrent use.
type File struct {
	Header
	r     *blocks
	words map[uint64]field // small values that many entries share, by offset
	dec   decoder
}

// Open reads the head of a file of so many bytes.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: newBlocks(r, size), words: map[uint64]field{}}
	b, err := f.r.read(0, minHeader)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	le := binary.LittleEndian
	flags := le.Uint32(b[12:])
	if string(b[:8]) != "LPKSHHRH" || flags&^(flagXZ|flagLZ4|flagKeyed|flagZstd|flagCompact) != 0 {
		return nil, ErrFormat
	}
	f.Header = Header{
		FileID: [16]byte(b[24:]), SeqnumID: [16]byte(b[72:]),
		TailSeq: le.Uint64(b[160:]), HeadSeq: le.Uint64(b[168:]),
		Head: micros(le.Uint64(b[184:])), Tail: micros(le.Uint64(b[192:])),
		Entries: le.Uint64(b[152:]), Compact: flags&flagCompact != 0, Keyed: flags&flagKeyed != 0,
		Online: b[16] == stateOnline, dataTable: le.Uint64(b[104:]), buckets: le.Uint64(b[112:]) / 16,
	}
	return f, nil
}

// micros is a time in microseconds since 1970; 0 and what no clock tells is
// the zero Time.
func micros(us uint64) time.Time {
	const year2200 = 7258118400 * 1_000_000
	if us == 0 || us > year2200 {
		return time.Time{}
	}
	return time.UnixMicro(int64(us)).UTC()
}

// blocks reads in pieces and keeps the last few: objects that belong together
// lie together.
type blocks struct {
	r    io.ReaderAt
	size int64
	have map[int64][]byte
	ring []int64
	next int
	buf  []byte
}

const (
	blockSize = 64 << 10
	maxBlocks = 32
)

func newBlocks(r io.ReaderAt, size int64) *blocks {
	return &blocks{r: r, size: size, have: make(map[int64][]byte, maxBlocks), ring: make([]int64, 0, maxBlocks)}
}

// read gives n bytes at an offset, valid until the next read. Bytes beyond
// the end of the file are io.ErrUnexpectedEOF.
func (b *blocks) read(off uint64, n int) ([]byte, error) {
	if n < 0 || off > uint64(b.size) || uint64(n) > uint64(b.size)-off {
		return nil, io.ErrUnexpectedEOF
	}
	at, in := int64(off)/blockSize, int(off%blockSize)
	if in+n <= blockSize {
		block, err := b.block(at)
		if err != nil || in+n > len(block) {
			return nil, errors.Join(io.ErrUnexpectedEOF, err)
		}
		return block[in : in+n], nil
	}
	b.buf = b.buf[:0]
	for len(b.buf) < n {
		block, err := b.block(at)
		if err != nil || in >= len(block) {
			return nil, errors.Join(io.ErrUnexpectedEOF, err)
		}
		b.buf = append(b.buf, block[in:min(len(block), in+n-len(b.buf))]...)
		at, in = at+1, 0
	}
	return b.buf, nil
}

func (b *blocks) block(at int64) ([]byte, error) {
	if p, ok := b.have[at]; ok {
		return p, nil
	}
	var p []byte
	if len(b.ring) < maxBlocks {
		b.ring = append(b.ring, at)
		p = make([]byte, blockSize)
	} else {
		p = b.have[b.ring[b.next]][:blockSize]
		delete(b.have, b.ring[b.next])
		b.ring[b.next] = at
		b.next = (b.next + 1) % maxBlocks
	}
	n, err := b.r.ReadAt(p, at*blockSize)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	b.have[at] = p[:n]
	return p[:n], err
}
