package journal

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"demine/internal/fact"
)

// Types of objects (journal-def.h, OBJECT_*).
const (
	typeData       = 1
	typeEntry      = 3
	typeEntryArray = 6
)

// Caps: bytes of a value that are read, of a name, values of one entry, arrays
// in a list, values in one bucket of the hash table, shared values kept.
const (
	maxValue = 16 << 10
	maxName  = 64
	maxItems = 256
	maxLists = 4096
	maxChain = 4096
	maxWords = 8192
	maxBad   = 65536 // places of a list that are damaged, before it is given up
)

// Entry is one log entry.
type Entry struct {
	Seq       uint64
	Time      time.Time
	Monotonic time.Duration // since its boot
	Boot      [16]byte
	Fields    map[string]string // of the names that were asked for; valid UTF-8
}

// field is one value, "" if its name was not asked for.
type field struct{ name, value string }

// Select gives, newest first, the entries that have one of the values (each
// "NAME=value"), with the fields of these names, until yield returns false.
// Damaged parts are left out.
func (f *File) Select(values, names []string, yield func(Entry) bool) {
	clear(f.words)
	var lists []*list
	for _, v := range values {
		if l := f.find(v); l != nil {
			lists = append(lists, l)
		}
	}
	last, bad := uint64(0), 0
	for bad < maxBad {
		var at *list
		for _, l := range lists {
			if l.ok && (at == nil || l.off > at.off) {
				at = l
			}
		}
		if at == nil {
			return
		}
		off := at.off
		at.older()
		if off == last { // it has two of the values
			continue
		}
		last = off
		e, ok := f.entry(off, names)
		if ok && !yield(e) {
			return
		}
		if !ok {
			bad++
		}
	}
}

// find gives the entries of one value; nil when there are none.
func (f *File) find(value string) *list {
	if f.buckets == 0 {
		return nil
	}
	want := []byte(value)
	h := f.hash(want)
	b, err := f.r.read(f.dataTable+h%f.buckets*16, 8)
	if err != nil {
		return nil
	}
	off := binary.LittleEndian.Uint64(b)
	for n := 0; off != 0 && n < maxChain; n++ {
		d, ok := f.data(off)
		if !ok {
			return nil
		}
		if d.hash == h && d.flags == 0 && d.size == uint64(len(want)) {
			if p, err := f.r.read(off+f.dataHead(), len(want)); err == nil && bytes.Equal(p, want) {
				return f.list(d)
			}
		}
		off = d.next
	}
	return nil
}

// data is the head of an object that holds one value.
type data struct {
	flags              byte
	hash, next         uint64
	first, array, uses uint64
	size               uint64 // of the value as it is stored
}

func (f *File) dataHead() uint64 {
	if f.Compact {
		return 72
	}
	return 64
}

func (f *File) data(off uint64) (data, bool) {
	b, err := f.r.read(off, 64)
	if err != nil || b[0] != typeData || off%8 != 0 {
		return data{}, false
	}
	le := binary.LittleEndian
	size := le.Uint64(b[8:])
	if size < f.dataHead() {
		return data{}, false
	}
	return data{
		flags: b[1] & (packedXZ | packedLZ4 | packedZstd), size: size - f.dataHead(), hash: le.Uint64(b[16:]), next: le.Uint64(b[24:]),
		first: le.Uint64(b[40:]), array: le.Uint64(b[48:]), uses: le.Uint64(b[56:]),
	}, true
}

// list goes through the entries of a value from the newest to the oldest. The
// first entry stands in the value itself, the others in arrays that are linked
// forward, each about twice as long as the one before.
type list struct {
	f      *File
	first  uint64
	arrays []array
	off    uint64 // of the entry that it stands at
	ok     bool
	bad    int // places that lead to no older entry
}

type array struct{ off, used uint64 }

func (f *File) list(d data) *list {
	l := &list{f: f, first: d.first}
	left, at := d.uses, d.array
	if left > 0 {
		left--
	}
	left = min(left, uint64(f.r.size)/64) // no entry is smaller
	for prev := uint64(0); at > prev && left > 0 && len(l.arrays) < maxLists; {
		b, err := f.r.read(at, 24)
		if err != nil || b[0] != typeEntryArray {
			break
		}
		size, next := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
		if size < 24 {
			break
		}
		used := min(left, (size-24)/f.width())
		l.arrays = append(l.arrays, array{at, used})
		left -= used
		prev, at = at, next
	}
	l.older()
	return l
}

// width is that of an offset in an array.
func (f *File) width() uint64 {
	if f.Compact {
		return 4
	}
	return 8
}

// older goes to the next entry back. Entries are appended to a file, so an
// offset that does not fall is damage, and skipped.
func (l *list) older() {
	for len(l.arrays) > 0 && l.bad < maxBad {
		a := &l.arrays[len(l.arrays)-1]
		if a.used == 0 {
			l.arrays = l.arrays[:len(l.arrays)-1]
			continue
		}
		a.used--
		b, err := l.f.r.read(a.off+24+a.used*l.f.width(), int(l.f.width()))
		if err == nil && l.to(l.f.offset(b)) {
			return
		}
		l.bad++
	}
	first := l.first
	l.first = 0
	if !l.to(first) {
		l.ok = false
	}
}

func (l *list) to(off uint64) bool {
	if off == 0 || l.ok && off >= l.off {
		return false
	}
	l.off, l.ok = off, true
	return true
}

func (f *File) offset(b []byte) uint64 {
	if f.Compact {
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// entry reads an entry and those of its values that are asked for.
func (f *File) entry(off uint64, names []string) (Entry, bool) {
	b, err := f.r.read(off, 64)
	if err != nil || b[0] != typeEntry || off%8 != 0 {
		return Entry{}, false
	}
	le := binary.LittleEndian
	size := le.Uint64(b[8:])
	e := Entry{
		Seq: le.Uint64(b[16:]), Time: micros(le.Uint64(b[24:])), Monotonic: time.Duration(le.Uint64(b[32:])) * time.Microsecond,
		Boot: [16]byte(b[40:]), Fields: make(map[string]string, len(names)),
	}
	step := uint64(16) // an offset and a hash
	if f.Compact {
		step = 4
	}
	if size < 64 {
		return Entry{}, false
	}
	items := int(min((size-64)/step, maxItems))
	b, err = f.r.read(off+64, items*int(step))
	if err != nil {
		return Entry{}, false
	}
	b = slices.Clone(b)
	for ; len(b) >= int(step); b = b[step:] {
		if w := f.word(f.offset(b), names); w.name != "" {
			if _, twice := e.Fields[w.name]; !twice {
				e.Fields[w.name] = w.value
			}
		}
	}
	return e, true
}

// word reads one value. Those that several entries have are remembered.
func (f *File) word(off uint64, names []string) field {
	if w, ok := f.words[off]; ok {
		return w
	}
	d, ok := f.data(off)
	if !ok {
		return field{}
	}
	w := f.value(off, d, names)
	if d.uses > 1 && len(w.value) < 256 && len(f.words) < maxWords {
		f.words[off] = w
	}
	return w
}

func (f *File) value(off uint64, d data, names []string) field {
	stored := int(min(d.size, maxValue))
	if d.flags != 0 {
		stored = int(min(d.size, maxPlain))
	} else if b, err := f.r.read(off+f.dataHead(), min(stored, maxName)); err != nil || !asked(b, names) {
		return field{}
	}
	b, err := f.r.read(off+f.dataHead(), stored)
	if err != nil {
		return field{}
	}
	if d.flags != 0 {
		if b, err = f.dec.unpack(d.flags, b); err != nil || !asked(b, names) {
			return field{}
		}
	}
	name, v, _ := bytes.Cut(b, []byte{'='})
	return field{string(name), fact.Text(v[:min(len(v), maxValue)])}
}

func asked(b []byte, names []string) bool {
	i := bytes.IndexByte(b, '=')
	return i > 0 && slices.ContainsFunc(names, func(n string) bool { return n == string(b[:i]) })
}
