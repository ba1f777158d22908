// Package unpack reads compressed logs as a stream, whatever compressed them
// (gzip, xz, zstd, bzip2), within bounds of memory: what a file claims to need
// is checked before it is given it. How much comes out is for the caller to
// bound.
package unpack

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a file may ask for: what xz -6 and zstd -19
// use, and what rotating logs does.
const maxWindow = 8 << 20

// ErrWindow: reading it would take more memory than it may have.
var ErrWindow = errors.New("asks for a larger window than is given to it")

// Reader gives the plain content of r; packed is false when it was plain
// already. An error is that of a head that is damaged. Close frees what the
// stream holds, not r.
func Reader(r io.Reader) (plain io.ReadCloser, packed bool, err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, _ := b.Peek(64)
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		plain, err = gzip.NewReader(b)
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		plain, err = XZ(b)
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		plain, err = zstdReader(b)
	case bytes.HasPrefix(head, []byte("BZh")):
		plain = io.NopCloser(bzip2.NewReader(b))
	default:
		return io.NopCloser(b), false, nil
	}
	if err != nil {
		return nil, true, fmt.Errorf("unpack: %w", err)
	}
	return plain, true, nil
}

func zstdReader(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(2*maxWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}
