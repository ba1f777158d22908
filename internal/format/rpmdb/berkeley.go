package rpmdb

import (
	"encoding/binary"
	"fmt"
)

// The hash of Berkeley DB (libdb, src/dbinc/db_page.h). The first page tells the
// size of all; pages of type hash hold keys and values by turns, a value that is
// large stands on a chain of overflow pages.
const (
	hashMagic = 0x061561

	pageHeader   = 26 // lsn 8, number 4, previous 4, next 4, entries 2, free offset 2, level 1, type 1
	pageUnsorted = 2  // hash, before libdb 4.6 (CentOS 5)
	pageOverflow = 7
	pageHash     = 13

	itemInline  = 1
	itemOffPage = 3 // type 1, unused 3, page 4, length 4
)

// value is an item of a hash page: what it holds, or where its chain begins.
type value struct {
	inline []byte
	page   uint32
	length uint32
}

func berkeley(f *file, order binary.ByteOrder, yield func([]byte, error) bool) error {
	meta, err := f.at(0, 100)
	if err != nil {
		return err
	}
	size, encrypted := int(order.Uint32(meta[20:])), meta[24] != 0
	if size < 512 || size > 64<<10 || size&(size-1) != 0 || encrypted {
		return fmt.Errorf("%w: pages of %d bytes, encrypted: %t", ErrDamaged, size, encrypted)
	}
	b := pages{f: f, order: order, size: size, left: f.size / int64(size)}
	for n := int64(0); n < f.size/int64(size); n++ {
		p, err := f.at(n*int64(size), size)
		if err != nil {
			return err
		}
		values, err := b.values(p)
		if err != nil {
			return err
		}
		for _, v := range values {
			h := v.inline
			if h == nil {
				h, err = b.chain(v)
			}
			if err := give(yield, h, err); err != nil {
				return err
			}
		}
	}
	return nil
}

type pages struct {
	f     *file
	order binary.ByteOrder
	size  int
	left  int64 // overflow pages that may still be read: no more than there are
	buf   []byte
}

// values are those of a hash page that may be a header. Of the key 0, whose value
// is a number, there is none.
func (b *pages) values(p []byte) (out []value, err error) {
	if p[25] != pageHash && p[25] != pageUnsorted {
		return nil, nil
	}
	count := int(b.order.Uint16(p[20:]))
	if pageHeader+2*count > len(p) {
		return nil, fmt.Errorf("%w: %d entries on a page", ErrDamaged, count)
	}
	end := len(p)
	for i := range count {
		at := int(b.order.Uint16(p[pageHeader+2*i:]))
		if at < pageHeader || at >= end {
			return nil, fmt.Errorf("%w: an item at %d", ErrDamaged, at)
		}
		item := p[at:end] // items are laid down from the end of the page
		end = at
		switch {
		case i%2 == 0: // a key
		case item[0] == itemOffPage && len(item) >= 12:
			out = append(out, value{page: b.order.Uint32(item[4:]), length: b.order.Uint32(item[8:])})
		case item[0] == itemInline && len(item) > leastHeader:
			out = append(out, value{inline: append([]byte{}, item[1:]...)})
		}
	}
	return out, nil
}

// chain gathers a value from its overflow pages, whose free offset is the number of
// bytes on them.
func (b *pages) chain(v value) ([]byte, error) {
	if v.length > MaxHeader {
		return nil, fmt.Errorf("%w: %d bytes", ErrLarge, v.length)
	}
	b.buf = b.buf[:0]
	for n := v.page; len(b.buf) < int(v.length); b.left-- {
		p, err := b.f.at(int64(n)*int64(b.size), b.size)
		if err != nil {
			return nil, err
		}
		data := int(b.order.Uint16(p[22:]))
		if p[25] != pageOverflow || pageHeader+data > b.size || b.left == 0 {
			return nil, fmt.Errorf("%w: page %d of a header", ErrDamaged, n)
		}
		b.buf = append(b.buf, p[pageHeader:][:data]...)
		n = b.order.Uint32(p[16:])
	}
	return b.buf[:v.length], nil
}
