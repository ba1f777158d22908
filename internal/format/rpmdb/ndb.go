package rpmdb

import (
	"encoding/binary"
	"fmt"
)

// ndb (rpm, lib/backend/ndb/rpmpkg.c), all little-endian: a head of 32 bytes, slots
// of 16 bytes (magic, package, block, blocks) that fill pages of 4096, and blobs in
// blocks of 16 bytes, each with a head (magic, package, checksum, length).
const (
	ndbHead  = 32
	ndbPage  = 4096
	ndbBlock = 16
)

func ndb(f *file, yield func([]byte, error) bool) error {
	head, err := f.at(0, ndbHead)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	version, slots := le.Uint32(head[4:]), int64(le.Uint32(head[12:]))*ndbPage
	if version != 0 || slots == 0 || slots > f.size {
		return fmt.Errorf("%w: version %d, %d bytes of slots", ErrDamaged, version, slots)
	}
	var buf []byte
	left := f.size
	for at := int64(ndbHead); at < slots; at += ndbBlock {
		slot, err := f.at(at, ndbBlock)
		if err != nil {
			return err
		}
		pkg, block := le.Uint32(slot[4:]), le.Uint32(slot[8:])
		if string(slot[:4]) != "Slot" {
			return fmt.Errorf("%w: slot at %d", ErrDamaged, at)
		}
		if pkg == 0 { // free
			continue
		}
		buf, err = ndbBlob(f, int64(block)*ndbBlock, pkg, &left, buf[:0])
		if err := give(yield, buf, err); err != nil {
			return err
		}
	}
	return nil
}

// ndbBlob reads one header. All together may not be more than the file holds.
func ndbBlob(f *file, at int64, pkg uint32, left *int64, buf []byte) ([]byte, error) {
	head, err := f.at(at, ndbBlock)
	if err != nil {
		return buf, err
	}
	length := int64(binary.LittleEndian.Uint32(head[12:]))
	if string(head[:4]) != "BlbS" || binary.LittleEndian.Uint32(head[4:]) != pkg {
		return buf, fmt.Errorf("%w: blob at %d", ErrDamaged, at)
	}
	if length > MaxHeader {
		return buf, fmt.Errorf("%w: %d bytes", ErrLarge, length)
	}
	if *left -= length; *left < 0 {
		return buf, fmt.Errorf("%w: blobs share blocks", ErrDamaged)
	}
	for at += ndbBlock; length > 0; {
		n := min(length, window)
		part, err := f.at(at, int(n))
		if err != nil {
			return buf, err
		}
		buf = append(buf, part...)
		at, length = at+n, length-n
	}
	return buf, nil
}
