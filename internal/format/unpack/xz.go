package unpack

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// maxBlocks bounds the blocks of a stream: each costs its window, however
// little it holds. xz -T makes one of 24 MiB.
const maxBlocks = 1000

var (
	errXZ    = errors.New("damaged xz stream")
	errCheck = errors.New("xz: what comes out does not have its checksum")
)

// xzReader reads one stream (The .xz File Format 1.2.1), block by block, as each
// asks for a window of its own. What follows the last block is not read.
type xzReader struct {
	in     *bufio.Reader
	check  byte
	blocks int
	packed *counted
	plain  io.Reader
	sum    hash.Hash // nil: the check of this stream is not known
}

// counted keeps how much was read, and takes no more than it is asked for.
type counted struct {
	*bufio.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counted) ReadByte() (byte, error) {
	b, err := c.Reader.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

// XZ reads one xz stream; b must be able to peek at 1024 bytes.
func XZ(b *bufio.Reader) (io.ReadCloser, error) {
	head := make([]byte, 12) // magic, flags, CRC32 of the flags
	if _, err := io.ReadFull(b, head); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	if !bytes.HasPrefix(head, []byte("\xfd7zXZ\x00\x00")) || head[7] > 15 || binary.LittleEndian.Uint32(head[8:]) != crc32.ChecksumIEEE(head[6:8]) {
		return nil, errXZ
	}
	x := &xzReader{in: b, check: head[7]}
	if err := x.block(); err != nil && err != io.EOF {
		return nil, err
	}
	return io.NopCloser(x), nil
}

func (x *xzReader) Read(p []byte) (int, error) {
	for x.plain != nil {
		n, err := x.plain.Read(p)
		if x.sum != nil {
			_, _ = x.sum.Write(p[:n])
		}
		if err == io.EOF {
			if err = x.end(); err == nil {
				err = x.block()
			}
		}
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
	return 0, io.EOF
}

// block begins the next block; io.EOF when the index comes.
func (x *xzReader) block() error {
	x.plain = nil
	b, err := x.in.Peek(1)
	if err != nil {
		return io.ErrUnexpectedEOF
	}
	if b[0] == 0 {
		return io.EOF
	}
	size := (int(b[0]) + 1) * 4
	if b, err = x.in.Peek(size); err != nil {
		return io.ErrUnexpectedEOF
	}
	w, ok := window(b[:size-4])
	if x.blocks++; !ok || w > maxWindow || x.blocks > maxBlocks {
		return ErrWindow
	}
	if binary.LittleEndian.Uint32(b[size-4:]) != crc32.ChecksumIEEE(b[:size-4]) {
		return errXZ
	}
	_, _ = x.in.Discard(size)
	x.packed, x.sum = &counted{Reader: x.in}, checkOf(x.check)
	x.plain, err = lzma.Reader2Config{DictCap: int(max(w, lzma.MinDictCap))}.NewReader2(x.packed)
	return err
}

// end reads what stands behind a block: padding to four bytes, and the check.
func (x *xzReader) end() error {
	pad := int(-x.packed.n & 3)
	b := make([]byte, pad+checkSizes[x.check])
	if _, err := io.ReadFull(x.in, b); err != nil {
		return io.ErrUnexpectedEOF
	}
	if x.sum != nil && !bytes.Equal(x.sum.Sum(nil), ordered(x.check, b[pad:])) {
		return errCheck
	}
	return nil
}

// checkSizes are the sizes of the checks by their ids (2.1.1.2).
var checkSizes = [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}

func checkOf(id byte) hash.Hash {
	switch id {
	case 1:
		return crc32.NewIEEE()
	case 4:
		return crc64.New(crc64.MakeTable(crc64.ECMA))
	case 10:
		return sha256.New()
	}
	return nil
}

// ordered gives a check as Go's hashes give it: a CRC is stored with its lowest
// byte first.
func ordered(id byte, b []byte) []byte {
	if id == 10 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := len(b) - 1; i >= 0; i-- {
		out = append(out, b[i])
	}
	return out
}

// window is that which the header of a block asks for (3.1 and 5.3.1).
func window(b []byte) (uint64, bool) {
	if len(b) < 2 {
		return 0, false
	}
	flags, b := b[1], b[2:]
	for _, present := range []byte{0x40, 0x80} { // compressed and plain size
		if flags&present != 0 {
			i := 0
			for i < len(b) && b[i]&0x80 != 0 {
				i++
			}
			b = b[min(len(b), i+1):]
		}
	}
	const lzma2 = 0x21
	if flags&0x03 != 0 || len(b) < 3 || b[0] != lzma2 || b[1] != 1 || b[2] > 40 {
		return 0, false // other filters are not read
	}
	return uint64(2|b[2]&1) << (b[2]/2 + 11), true
}
