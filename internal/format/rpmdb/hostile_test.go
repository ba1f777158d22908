package rpmdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// array is an entry of a header.
type array struct {
	tag, kind uint32
	count     int
	data      string
}

func makeHeader(arrays ...array) []byte {
	var entries, data []byte
	for _, a := range arrays {
		for _, n := range []uint32{a.tag, a.kind, uint32(len(data)), uint32(a.count)} {
			entries = binary.BigEndian.AppendUint32(entries, n)
		}
		data = append(data, a.data...)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(len(arrays)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	return append(append(b, entries...), data...)
}

// allocated is how many bytes were, even if they are free again.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What a header repeats costs no more than its bytes: the first of these would have
// more than a terabyte of paths, the others more memory than the host may have.
func TestFilesOfHostileHeaders(t *testing.T) {
	const many = 1 << 20
	good := File{Path: "/usr/bin/good", Package: "p"}
	names := array{tagBaseNames, typeStrings, 1, "good\x00"}
	name := array{tagName, typeString, 1, "p\x00"}
	index := array{tagDirIndexes, typeInt32, 1, "\x00\x00\x00\x00"}
	dirs := array{tagDirNames, typeStrings, 1, "/usr/bin/\x00"}
	for what, c := range map[string]struct {
		arrays []array
		want   []File
		err    error
	}{
		"a long folder with many files": {[]array{
			name,
			{tagDirNames, typeStrings, 2, strings.Repeat("/x", 2*many) + "/\x00/usr/bin/\x00"},
			{tagDirIndexes, typeInt32, many + 1, strings.Repeat("\x00", 4*many) + "\x00\x00\x00\x01"},
			{tagBaseNames, typeStrings, many + 1, strings.Repeat("x\x00", many) + "good\x00"},
		}, []File{good}, nil},
		"many folders for one file": {[]array{
			name, index, names,
			{tagDirNames, typeStrings, 1 + 4*many, "/usr/bin/\x00" + strings.Repeat("\x00", 4*many)},
		}, []File{good}, nil},
		"many digests": {[]array{
			name, index, names, dirs, {tagDigests, typeStrings, 1 + 4*many, "AB\x00" + strings.Repeat("\x00", 4*many)},
		}, []File{{"/usr/bin/good", "p", "ab"}}, nil},
		"a long digest": {[]array{
			name, index, names, dirs, {tagDigests, typeStrings, 1, strings.Repeat("a", many) + "\x00"},
		}, []File{good}, nil},
		"a long name": {[]array{
			{tagName, typeString, 1, strings.Repeat("p", many) + "\x00"}, index, names, dirs,
		}, []File{{"/usr/bin/good", strings.Repeat("p", maxName), ""}}, nil},
		"a file many times": {[]array{
			name, dirs, {tagDirIndexes, typeInt32, many, strings.Repeat("\x00", 4*many)},
			{tagBaseNames, typeStrings, many, strings.Repeat("good\x00", many)},
		}, []File{good}, ErrDamaged},
		"a file many times, of rpm 3": {[]array{
			name, {tagOldFiles, typeStrings, many, strings.Repeat("/usr/bin/good\x00", many)},
		}, []File{good}, ErrDamaged},
		"a file in no folder":      {[]array{name, names, dirs}, nil, ErrDamaged},
		"a file that was replaced": {[]array{name, names, dirs, index, {tagStates, typeChar, 1, "\x01"}}, nil, nil},
	} {
		h := makeHeader(c.arrays...)
		var got []File
		var err error
		n := allocated(func() { got, err = Files(h, Want(map[string]bool{"/usr/bin/good": true})) })
		if d := cmp.Diff(c.want, got[:min(len(got), 2)]); d != "" || !errors.Is(err, c.err) {
			t.Errorf("%s: %d files, %v %s", what, len(got), err, d)
		}
		if n > 256<<10 {
			t.Errorf("%s: %d bytes were allocated", what, n)
		}
	}
}

const pageSize = 64 << 10

// makeSQLite is a database whose first page is a leaf with the schema, its second, of
// some kind, the root of Packages: as many cells as it can have, all of them the same.
func makeSQLite(pages int, kind byte, cell []byte) []byte {
	b := make([]byte, pages*pageSize)
	copy(b, "SQLite format 3\x00\x00\x01") // pages of 64 KiB
	row := "\x06\x17\x1d\x1d\x01\x0d" + "table" + "Packages" + "Packages" + "\x02"
	schema := append([]byte{byte(len(row)), 1}, row...)
	makePage(b[:pageSize], 100, tableLeaf, 1, schema)
	makePage(b[pageSize:2*pageSize], 0, kind, (pageSize-12-len(cell))/2, cell)
	return b
}

func makePage(p []byte, head int, kind byte, count int, cell []byte) {
	at := len(p) - len(cell)
	copy(p[at:], cell)
	p[head] = kind
	binary.BigEndian.PutUint16(p[head+3:], uint16(count))
	first := head + 8
	if kind == tableInterior {
		first = head + 12
	}
	for i := range count {
		binary.BigEndian.PutUint16(p[first+2*i:], uint16(at))
	}
}

// A page of a tree that refers to more pages than there are is not followed, and
// rows that share their bytes end where the file would.
func TestHostileSQLite(t *testing.T) {
	const pages = 64
	blob := make([]byte, 1000)
	cell := append([]byte{0x87, 0x6c, 1, 4, 0, 0x8f, 0x5c, 0}, blob...) // 1004 bytes: a head of 4, a NULL, a blob of 1000
	for what, c := range map[string]struct {
		b    []byte
		rows int
	}{
		"many children": {makeSQLite(pages, tableInterior, []byte{0, 0, 0, 2, 0}), 0},
		"shared bytes":  {makeSQLite(pages, tableLeaf, cell), pages * pageSize / 1004},
	} {
		rows := 0
		var err error
		n := allocated(func() {
			for _, err = range Headers(bytes.NewReader(c.b), int64(len(c.b))) {
				if err == nil {
					rows++
				}
			}
		})
		if rows != c.rows || !errors.Is(err, ErrDamaged) || n > 2<<20 {
			t.Errorf("%s: %d rows, %d bytes were allocated: %v", what, rows, n, err)
		}
	}
}

// A row of which only the first columns are asked for is not taken apart further.
func TestColumnsAreBounded(t *testing.T) {
	row := append([]byte{0x84, 0x80, 0x04}, make([]byte, 64<<10+1)...) // a head of 65540 bytes, all of them NULL
	var got []column
	if n := allocated(func() { got = columns(row, 2) }); len(got) != 2 || n > 64<<10 {
		t.Errorf("%d columns, %d bytes were allocated", len(got), n)
	}
}
