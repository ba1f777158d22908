package rpmdb

import (
	"encoding/binary"
	"fmt"
)

// SQLite (sqlite.org/fileformat2.html): the table Packages (hnum INTEGER PRIMARY
// KEY, blob BLOB) is a tree of pages, whose root the table of the schema, rooted at
// page 1, tells. What is in the write-ahead log alone is not seen.
const (
	tableInterior = 5
	tableLeaf     = 13
)

type tree struct {
	f      *file
	page   int   // bytes
	usable int   // without what is reserved at the end of each
	left   int64 // pages that may still be read: no more than there are
	bytes  int64 // that rows may still have: no more than the file
	buf    []byte
}

func sqlite(f *file, yield func([]byte, error) bool) error {
	head, err := f.at(0, 100)
	if err != nil {
		return err
	}
	size := int(binary.BigEndian.Uint16(head[16:]))
	if size == 1 {
		size = 64 << 10
	}
	t := &tree{f: f, page: size, usable: size - int(head[20])}
	if size < 512 || size&(size-1) != 0 || t.usable < 480 {
		return fmt.Errorf("%w: pages of %d bytes", ErrDamaged, size)
	}
	var root uint32
	err = t.walk(1, func(row []byte, err error) error {
		if c := columns(row, 5); err == nil && len(c) == 5 && string(c[0].data) == "table" && string(c[1].data) == "Packages" {
			root = uint32(c[3].number())
		}
		return err
	})
	if err != nil || root == 0 {
		return fmt.Errorf("%w: no table Packages: %w", ErrDamaged, err)
	}
	return t.walk(root, func(row []byte, err error) error {
		c := columns(row, 2)
		if err == nil && (len(c) != 2 || !c[1].blob) {
			err = fmt.Errorf("%w: a row without a header", ErrDamaged)
		}
		if err != nil {
			return give(yield, nil, err)
		}
		return give(yield, c[1].data, nil)
	})
}

// walk calls do with the rows of a table, or with ErrLarge instead of one.
func (t *tree) walk(root uint32, do func([]byte, error) error) error {
	t.left, t.bytes = t.f.size/int64(t.page), t.f.size
	for todo := []uint32{root}; len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		p, err := t.read(n)
		if err != nil {
			return err
		}
		p = append([]byte(nil), p...) // reading a row's overflow pages moves the window
		body := p
		if n == 1 {
			body = p[100:] // behind the head of the file
		}
		count, kind, first := int(binary.BigEndian.Uint16(body[3:])), body[0], 8
		if kind == tableInterior {
			first = 12
			todo = append(todo, binary.BigEndian.Uint32(body[8:]))
		}
		if kind != tableInterior && kind != tableLeaf || first+2*count > len(body) {
			return fmt.Errorf("%w: page %d", ErrDamaged, n)
		}
		for i := range count {
			at := int(binary.BigEndian.Uint16(body[first+2*i:]))
			if at+4 > t.usable {
				return fmt.Errorf("%w: a cell at %d of page %d", ErrDamaged, at, n)
			}
			if kind == tableInterior {
				todo = append(todo, binary.BigEndian.Uint32(p[at:]))
				continue
			}
			row, err := t.row(p[at:t.usable])
			if err := do(row, err); err != nil {
				return err
			}
		}
		if int64(len(todo)) > t.left {
			return fmt.Errorf("%w: page %d refers to more pages than there are", ErrDamaged, n)
		}
	}
	return nil
}

// read gives a page, the first of which is number 1.
func (t *tree) read(n uint32) ([]byte, error) {
	if t.left--; t.left < 0 {
		return nil, fmt.Errorf("%w: pages refer to each other", ErrDamaged)
	}
	return t.f.at((int64(n)-1)*int64(t.page), t.page)
}

// row gathers the payload of a leaf's cell; the rest of a long one stands on a chain
// of pages.
func (t *tree) row(cell []byte) ([]byte, error) {
	size, n := varint(cell)
	_, m := varint(cell[n:]) // the row's number
	cell = cell[n+m:]
	if n == 0 || m == 0 {
		return nil, fmt.Errorf("%w: a cell without a length", ErrDamaged)
	}
	if size > uint64(t.bytes) {
		return nil, fmt.Errorf("%w: rows share bytes", ErrDamaged)
	}
	if t.bytes -= int64(size); size > MaxHeader {
		return nil, fmt.Errorf("%w: %d bytes", ErrLarge, size)
	}
	local := t.local(int(size))
	if local > len(cell) || local < int(size) && local+4 > len(cell) {
		return nil, fmt.Errorf("%w: a cell of %d bytes", ErrDamaged, size)
	}
	t.buf = append(t.buf[:0], cell[:local]...)
	if local == int(size) {
		return t.buf, nil
	}
	for next := binary.BigEndian.Uint32(cell[local:]); len(t.buf) < int(size); {
		p, err := t.read(next)
		if err != nil {
			return nil, err
		}
		next = binary.BigEndian.Uint32(p)
		t.buf = append(t.buf, p[4:min(t.usable, 4+int(size)-len(t.buf))]...)
	}
	return t.buf, nil
}

// local is how much of a payload stands in the cell itself.
func (t *tree) local(size int) int {
	most, least := t.usable-35, (t.usable-12)*32/255-23
	if size <= most {
		return size
	}
	if k := least + (size-least)%(t.usable-4); k <= most {
		return k
	}
	return least
}

// column is a value of a row.
type column struct {
	data []byte
	blob bool
}

// number is an integer of one to eight bytes, big-endian.
func (c column) number() (n int64) {
	for _, b := range c.data {
		n = n<<8 | int64(b)
	}
	return n
}

// columns takes the first columns of a row apart, at most so many; nil when it is none.
func columns(row []byte, most int) (out []column) {
	head, n := varint(row)
	if n == 0 || head > uint64(len(row)) || head < uint64(n) {
		return nil
	}
	kinds, data := row[n:head], row[head:]
	for len(kinds) > 0 && len(out) < most {
		kind, n := varint(kinds)
		if n == 0 {
			return nil
		}
		kinds = kinds[n:]
		size := sizeOf(kind)
		if size > uint64(len(data)) {
			return nil
		}
		out = append(out, column{data[:size], kind >= 12 && kind%2 == 0})
		data = data[size:]
	}
	return out
}

// sizeOf is the number of bytes of a serial type.
func sizeOf(kind uint64) uint64 {
	switch {
	case kind >= 12:
		return (kind - 12) / 2
	case kind <= 4:
		return kind
	case kind == 5:
		return 6
	case kind == 6, kind == 7:
		return 8
	}
	return 0 // the numbers 0 and 1, which have no bytes
}

// varint is a number of up to nine bytes, and how many it has; 0: it is cut off.
func varint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 9 {
		c := b[n]
		n++
		if n == 9 {
			return v<<8 | uint64(c), n
		}
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, n
		}
	}
	return 0, 0
}
