package elf

import "io"

// Tags of the dynamic section by which libraries ask for each other (elf(5)).
const (
	dtNeeded, dtSoname = 1, 14

	maxNeeds = 1024 // names of one file; browsers ask for some hundred
	longName = 256  // of a library, in bytes (NAME_MAX)
)

// Asks is what a program or library tells the loader about libraries.
type Asks struct {
	Name   string   // by which others ask for it; empty: by its file's
	Needs  []string // the names that it asks for itself
	Loader bool     // it is started by a loader: a program that is not static
}

// Asked reads what a file asks of the loader: as Defines does, from what the
// loader reads. whole is false when a part of it could not be read.
func Asked(r io.ReaderAt) (a Asks, whole bool) {
	b := headers(r)
	i, ok := Look(b)
	if !ok {
		return a, false
	}
	a.Loader = !i.Static
	var table, name uint64
	var needs []uint64
	for tag, value := range i.entries(r, layoutOf(b, i.Machine)) {
		switch tag {
		case dtStrtab:
			table = value
		case dtSoname:
			name = value
		case dtNeeded:
			needs = append(needs, value)
		}
	}
	whole = (table != 0 || i.Dynamic == 0) && len(needs) <= maxNeeds
	if name != 0 {
		a.Name = cstring(i.at(r, table+name, longName))
		whole = whole && a.Name != ""
	}
	for _, n := range needs[:min(len(needs), maxNeeds)] {
		s := cstring(i.at(r, table+n, longName))
		whole = whole && s != ""
		a.Needs = append(a.Needs, s)
	}
	return a, whole
}
