package journal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"demine/internal/format/unpack"
)

// Flags of an object whose value is compressed (journal-def.h,
// OBJECT_COMPRESSED_*).
const (
	packedXZ = 1 << iota
	packedLZ4
	packedZstd
)

// maxPlain is where a compressed value is cut; lz4 blocks that would be larger
// cannot be cut and are left out.
const maxPlain = 64 << 10

// decoder unpacks values. The zero one is ready.
type decoder struct{ zstd *zstd.Decoder }

func (d *decoder) unpack(flags byte, b []byte) ([]byte, error) {
	switch {
	case flags&packedZstd != 0:
		return d.zstdCut(b)
	case flags&packedLZ4 != 0:
		return lz4Block(b)
	case flags&packedXZ != 0:
		return xzCut(b)
	}
	return b, nil
}

func (d *decoder) zstdCut(b []byte) (out []byte, err error) {
	if d.zstd == nil {
		d.zstd, err = zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(16<<20))
	} else {
		err = d.zstd.Reset(bytes.NewReader(b))
	}
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return cut(d.zstd)
}

// lz4Block is a length of eight bytes and a raw block.
func lz4Block(b []byte) ([]byte, error) {
	if len(b) < 8 {
		return nil, io.ErrUnexpectedEOF
	}
	size := binary.LittleEndian.Uint64(b)
	if size > maxPlain {
		return nil, fmt.Errorf("lz4: %d bytes are more than are read", size)
	}
	out := make([]byte, size)
	n, err := lz4.UncompressBlock(b[8:], out)
	if err != nil {
		return nil, fmt.Errorf("lz4: %w", err)
	}
	return out[:n], nil
}

func xzCut(b []byte) ([]byte, error) {
	r, err := unpack.XZ(bufio.NewReaderSize(bytes.NewReader(b), 4<<10))
	if err != nil {
		return nil, fmt.Errorf("xz: %w", err)
	}
	return cut(r)
}

func cut(r io.Reader) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, maxPlain))
	if len(out) > 0 {
		err = nil // what came before the damage is worth having
	}
	return out, err
}
