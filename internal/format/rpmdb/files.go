package rpmdb

import (
	"bytes"
	"fmt"
	"iter"
	"path"
	"strings"

	"demine/internal/fact"
)

const (
	maxName   = 256 // more than the name of a package has (NAME_MAX of its file)
	maxDigest = 128 // of SHA-512
)

// File is a file as its package came with it.
type File struct {
	Path    string // absolute
	Package string
	Digest  string // hex, lower case, whose length tells the algorithm; empty: none, or the administrator's to change
}

// Wanted are files that are looked for: by folder ("/usr/bin/") and name, as a header
// has them, so that no path has to be put together: a header may name one long folder
// for millions of files.
type Wanted struct {
	folders map[string]map[string]string // folder → name → path
	count   int
}

// Want takes paths apart.
func Want(paths map[string]bool) Wanted {
	w := Wanted{map[string]map[string]string{}, len(paths)}
	for p := range paths {
		dir, name := path.Split(p)
		if w.folders[dir] == nil {
			w.folders[dir] = map[string]string{}
		}
		w.folders[dir][name] = p
	}
	return w
}

// Files gives the files of a header that are wanted. A file that another package has
// replaced, or that was not installed, is not among them.
func Files(b []byte, want Wanted) (out []File, err error) {
	h, err := open(b)
	if err != nil {
		return nil, err
	}
	name, _ := h.find(tagName, typeString)
	name, _, _ = bytes.Cut(name[:min(len(name), maxName)], []byte{0})
	pkg, states := fact.Text(name), h.bytes(tagStates)
	i, at := -1, []int{} // places of the files in the arrays
	for path, damage := range h.paths(want) {
		if err = damage; err != nil {
			break
		}
		if i++; path == "" || i < len(states) && states[i] != stateNormal {
			continue
		}
		if len(out) == want.count {
			err = fmt.Errorf("%w: a file is there twice", ErrDamaged)
			break
		}
		out, at = append(out, File{Path: path, Package: pkg}), append(at, i)
	}
	h.digests(out, at)
	return out, err
}

// paths gives, of each file in turn, its path if it is wanted, else nothing.
func (h header) paths(want Wanted) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if b, _ := h.find(tagBaseNames, typeStrings); b == nil {
			for p := range h.strings(tagOldFiles) {
				cut := bytes.LastIndexByte(p, '/') + 1
				if !yield(want.folders[string(p[:cut])][string(p[cut:])], nil) { // the compiler looks up without a copy
					return
				}
			}
			return
		}
		i, folders, indexes := 0, h.folders(want), h.numbers(tagDirIndexes)
		for name := range h.strings(tagBaseNames) {
			d := number(indexes, i)
			if i++; 4*i > len(indexes) || uint64(d) >= uint64(len(folders)) {
				yield("", fmt.Errorf("%w: a file without a folder", ErrDamaged))
				return
			}
			if !yield(folders[d][string(name)], nil) {
				return
			}
		}
	}
}

// folders gives, of each folder in turn, the files in it that are wanted. There are no
// more folders than files.
func (h header) folders(want Wanted) (out []map[string]string) {
	_, n := h.find(tagDirNames, typeStrings)
	most := min(n, len(h.numbers(tagDirIndexes))/4)
	out = make([]map[string]string, 0, most)
	for dir := range h.strings(tagDirNames) {
		if len(out) == most {
			break
		}
		out = append(out, want.folders[string(dir)])
	}
	return out
}

// digests fills in the sums of the files at some places, in ascending order.
func (h header) digests(files []File, at []int) {
	flags, i := h.numbers(tagFlags), 0
	for sum := range h.strings(tagDigests) {
		if len(files) == 0 {
			return
		}
		if i++; i-1 != at[0] {
			continue
		}
		if number(flags, at[0])&(flagConfig|flagGhost) == 0 && len(sum) <= maxDigest {
			files[0].Digest = strings.ToLower(string(sum))
		}
		files, at = files[1:], at[1:]
	}
}
