package observe

import (
	"slices"

	"demine/internal/fact"
	"demine/internal/format/elf"
	"demine/internal/format/ldpreload"
	"demine/internal/host"
)

const preloadFile fact.Path = "/etc/ld.so.preload"

// maxPreloads is far more than any host has; of each the tables are read.
const maxPreloads = 64

// listing are the functions of the C library by which programs list folders,
// and so processes. A library that defines them decides what is listed.
var listing = []string{"getdents", "getdents64", "readdir", "readdir64", "readdir64_r", "readdir_r", "scandir", "scandir64"}

// preloads points at the libraries that the loader puts into every program, and
// at the file that says so. A name of which no file is found is told: a library
// may be there all the same, for some programs.
func (l *fileLook) preloads() {
	b, _, ok := l.p.read(l.v, preloadFile, maxConfig)
	if !ok {
		return
	}
	l.point(preloadFile, "preload")
	names := ldpreload.Names(b)
	if over := len(names) - maxPreloads; over > 0 {
		l.p.Gaps = append(l.p.Gaps, fact.Gap{Code: "too-many", What: preloadFile.String(), Count: over})
		names = names[:maxPreloads]
	}
	for _, n := range names {
		found := false
		for _, p := range l.present(ldpreload.Files(n.Text)) {
			found = l.point(p, "preload") || found
		}
		if !found {
			l.p.Gaps = append(l.p.Gaps, fact.Gap{Code: "not-resolved", What: preloadFile.String(), Detail: fact.Text([]byte(n.Text))})
		}
	}
}

// present are those of some paths that are there, each file once; the only path
// of a name also if it is not: that is a fact of its own.
func (l *fileLook) present(ps []fact.Path) []fact.Path {
	if len(ps) == 1 {
		return ps
	}
	var out []fact.Path
	seen := map[fact.FileID]bool{}
	for _, p := range ps {
		i, err := l.v.Stat(p)
		if gone(err) || err == nil && seen[i.ID] {
			continue
		}
		if err == nil {
			seen[i.ID] = true
		}
		out = append(out, p)
	}
	return out
}

// replaces notes what a library that nobody asked for puts in the place of the
// C library's.
func (l *fileLook) replaces(f *fact.File, r host.File) {
	if f.Format != "elf" || !slices.Contains(f.Pointed, "preload") && !slices.Contains(f.Pointed, "mapped") {
		return
	}
	names, whole := elf.Defines(r, listing)
	if !whole {
		f.Gaps = append(f.Gaps, "symbols")
		l.p.Gaps = append(l.p.Gaps, fact.Gap{Code: "unreadable", What: f.Path.String(), Detail: "its table of symbols"})
	}
	if len(names) > 0 {
		e := fact.ELF{}
		if f.ELF != nil {
			e = *f.ELF
		}
		e.Replaces = names
		f.ELF = &e
	}
}
