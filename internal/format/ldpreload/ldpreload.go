// Package ldpreload reads /etc/ld.so.preload as the loader does (dl_main of
// elf/rtld.c in glibc; ld.so(8)): names of libraries, parted by blanks and
// colons; a # anywhere begins a comment that ends with the line.
package ldpreload

import (
	"path"
	"regexp"
	"strings"

	"demine/internal/fact"
)

// Name is one library as the file names it: the bytes from From to To.
type Name struct {
	Text     string
	From, To int
}

// Names gives the names of a file, or of one line of it, in their order. A zero
// byte parts names too: what the loader takes behind one depends on the place.
func Names(b []byte) []Name {
	var out []Name
	from := -1 // of the name that is being read
	comment := false
	for i := 0; i <= len(b); i++ {
		inside := i < len(b) && !comment && !strings.ContainsRune(" \t\n:#\x00", rune(b[i]))
		switch {
		case inside && from < 0:
			from = i
		case !inside && from >= 0:
			out = append(out, Name{string(b[from:i]), from, i})
			from = -1
		}
		if i < len(b) {
			comment = b[i] != '\n' && (comment || b[i] == '#')
		}
	}
	return out
}

// token is what the loader replaces in a name that has a slash ("Dynamic string
// tokens" of ld.so(8)).
var token = regexp.MustCompile(`\$(?:\{(?:LIB|PLATFORM|ORIGIN)\}|(?:LIB|PLATFORM|ORIGIN)\b)`)

// libs are what $LIB stands for on the distributions, and below / and /usr where
// the loader looks for a name without a slash. platforms are those of AT_PLATFORM
// and of old loaders' own invention.
var (
	libs      = []string{"lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib/i386-linux-gnu", "lib64", "lib"}
	platforms = []string{"x86_64", "aarch64", "haswell"}
)

// Files gives the paths to which a name can lead, those that are likelier first.
// There are none where each program has its own: $ORIGIN and relative paths.
// The folders of /etc/ld.so.conf are not among them.
func Files(name string) []fact.Path {
	if !strings.Contains(name, "/") {
		var out []fact.Path
		for _, lib := range libs {
			out = append(out, fact.Path("/usr/"+lib+"/"+name), fact.Path("/"+lib+"/"+name))
		}
		return out
	}
	var out []fact.Path
	seen := map[fact.Path]bool{}
	for _, lib := range libs {
		for _, platform := range platforms {
			p, ok := expand(name, lib, platform)
			if ok && strings.HasPrefix(p, "/") && !seen[fact.Path(path.Clean(p))] {
				seen[fact.Path(path.Clean(p))] = true
				out = append(out, fact.Path(path.Clean(p)))
			}
		}
	}
	return out
}

// expand is false for what only a program can tell.
func expand(name, lib, platform string) (string, bool) {
	ok := true
	return token.ReplaceAllStringFunc(name, func(t string) string {
		switch strings.Trim(t, "${}") {
		case "LIB":
			return lib
		case "PLATFORM":
			return platform
		}
		ok = false
		return t
	}), ok
}
