// Package dpkg reads the database of dpkg: /var/lib/dpkg/status (deb-control
// syntax, dpkg's parsedump.c), info/*.list, info/*.md5sums and diversions.
package dpkg

import (
	"bytes"
	"slices"
	"strings"

	"demine/internal/fact"
)

// Package is one paragraph of status.
type Package struct {
	Name, Version string
	Status        string // "install ok installed", "deinstall ok config-files" …
	Arch          string // info files of Multi-Arch: same are named NAME:ARCH.list
}

// Installed reports whether the package's files are meant to be there.
func (p Package) Installed() bool { return strings.HasSuffix(p.Status, " installed") }

const maxPackages = 200_000

// ListHas goes through the lines of one info/*.list, each the absolute path of
// a file or folder, and calls found for those in want. It allocates for hits
// only. Paths are as packaged: on a merged /usr a list may say /bin/ls for
// /usr/bin/ls, so want has to hold both names.
func ListHas(b []byte, want map[string]bool, found func(path string)) {
	if len(want) == 0 {
		return
	}
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if want[string(line)] { // the compiler looks up without a copy
			found(string(line))
		}
	}
}

// Status gives the packages of /var/lib/dpkg/status in file order, whatever
// their state.
func Status(b []byte) []Package {
	var out []Package
	var p Package
	flush := func() {
		if p.Name != "" && len(out) < maxPackages {
			out = append(out, p)
		}
		p = Package{}
	}
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		if len(line) == 0 {
			flush()
			continue
		}
		p.field(line)
	}
	flush()
	return out
}

// field takes one line; those that go on from the one before start with a
// blank and name no field.
func (p *Package) field(line []byte) {
	for _, f := range [...]struct {
		name string
		to   *string
	}{{"Package:", &p.Name}, {"Status:", &p.Status}, {"Version:", &p.Version}, {"Architecture:", &p.Arch}} {
		if len(line) > len(f.name) && string(line[:len(f.name)]) == f.name {
			*f.to = fact.Text(bytes.TrimSpace(line[len(f.name):]))
			return
		}
	}
}

// Md5sums gives the MD5 (hex, lower case) of the files of one info/*.md5sums
// that want asks for, by absolute path. What is no sum line is left out.
func Md5sums(b []byte, want func(path string) bool) map[string]string {
	out := map[string]string{}
	// "<32 hex>  usr/bin/x": a slash in the place of the second blank makes the
	// path absolute without a copy of each.
	buf := slices.Clone(b)
	for i := 0; i < len(buf); {
		if i+33 < len(buf) && buf[i+32] == ' ' && (buf[i+33] == ' ' || buf[i+33] == '*') {
			buf[i+33] = '/'
		}
		n := bytes.IndexByte(buf[i:], '\n')
		if n < 0 {
			break
		}
		i += n + 1
	}
	for line := range strings.SplitSeq(string(buf), "\n") {
		if len(line) < 35 || line[33] != '/' || !isHex(line[:32]) || !want(line[33:]) {
			continue
		}
		out[strings.Clone(line[33:])] = strings.Clone(line[:32])
	}
	return out
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Diversion says that what packages other than Package ship as From is
// installed as To. Package is ":" for one that the administrator made.
type Diversion struct {
	From, To fact.Path
	Package  string
}

// Diversions reads /var/lib/dpkg/diversions: three lines each.
func Diversions(b []byte) []Diversion {
	var out []Diversion
	lines := bytes.SplitN(b, []byte{'\n'}, 3*10_000+1)
	for ; len(lines) >= 3; lines = lines[3:] {
		if len(lines[0]) == 0 || len(lines[1]) == 0 || len(lines[2]) == 0 {
			break
		}
		out = append(out, Diversion{fact.Path(lines[0]), fact.Path(lines[1]), fact.Text(lines[2])})
	}
	return out
}
