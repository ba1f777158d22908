package observe

import (
	"bytes"
	"slices"

	"demine/internal/fact"
	"demine/internal/format/elf"
	"demine/internal/host"
)

const preloadFile fact.Path = "/etc/ld.so.preload"

// maxLibrary is how much of a preloaded library is read for what it defines:
// the tables of the loader stand at its beginning.
const maxLibrary = 1 << 20

// listing are the functions of the C library by which programs list folders,
// and so processes. A library that defines them decides what is listed.
var listing = []string{"getdents", "getdents64", "readdir", "readdir64", "readdir64_r", "readdir_r", "scandir", "scandir64"}

// preloads points at the libraries that the loader puts into every program, and
// at the file that says so (ld.so(8): names are parted by blanks or colons).
func (l *fileLook) preloads() {
	b, _, ok := l.p.read(l.v, preloadFile, maxConfig)
	if !ok {
		return
	}
	l.point(preloadFile, "preload")
	for _, w := range bytes.FieldsFunc(b, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == ':' }) {
		l.point(fact.Path(w), "preload")
	}
}

// replaces notes what a preloaded library puts in the place of the C library's.
func replaces(f *fact.File, r host.File) {
	if f.Format != "elf" || !slices.Contains(f.Pointed, "preload") {
		return
	}
	b := make([]byte, min(f.Size, maxLibrary))
	n, _ := r.ReadAt(b, 0)
	if names := elf.Defines(b[:n], listing); len(names) > 0 {
		e := fact.ELF{}
		if f.ELF != nil {
			e = *f.ELF
		}
		e.Replaces = names
		f.ELF = &e
	}
}
