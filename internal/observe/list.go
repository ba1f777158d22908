package observe

import (
	"errors"
	"strings"
	"unicode/utf8"

	"demine/internal/fact"
	"demine/internal/format/mask"
	"demine/internal/format/shell"
	"demine/internal/host"
)

// maxNames bounds what is looked at of one directory: an intruder can fill one.
const maxNames = 10_000

// list gives the paths in a directory, sorted. What cannot be listed, and what
// is beyond the bound, is a gap.
func (p *Part) list(v *View, dir fact.Path) []fact.Path {
	names, err := v.Names(dir)
	p.gap(dir, err)
	if len(names) > maxNames {
		p.Gaps = append(p.Gaps, fact.Gap{Code: "too-many", What: dir.String(), Count: len(names) - maxNames})
		names = names[:maxNames]
	}
	out := make([]fact.Path, len(names))
	for i, n := range names {
		out[i] = host.Join(dir, n)
	}
	return out
}

// read gives the content of a regular file up to limit. What was not read is a
// gap; ok is false when there is nothing to go on with.
func (p *Part) read(v *View, at fact.Path, limit int) (b []byte, info host.Info, ok bool) {
	b, info, err := v.ReadFile(at, limit)
	p.gap(at, err)
	return b, info, err == nil || errors.Is(err, host.ErrTooLarge)
}

// tail gives the end of a log. The first line, cut in the middle, is dropped;
// cut says that lines cannot be numbered.
func (p *Part) tail(v *View, at fact.Path, limit int) (b []byte, cut, ok bool) {
	b, off, err := v.ReadTail(at, limit)
	if err != nil {
		p.gap(at, err)
		return nil, false, false
	}
	if off > 0 {
		_, rest, _ := strings.Cut(string(b), "\n")
		return []byte(rest), true, true
	}
	return b, false, true
}

// exists reports whether a path leads to something.
func exists(v *View, at fact.Path) bool {
	_, err := v.Stat(at)
	return err == nil || !host.Missing(err) && !errors.Is(err, host.ErrUnavailable)
}

// Bounds of texts that go into a fact: people read the first, the shell parser
// the second.
const (
	maxShown = 4 << 10
	maxShell = 64 << 10
)

// shown is text of the host as a fact carries it: secrets masked, not endless.
func shown(s string) string { return clip(mask.Text(clip(s, maxShell)), maxShown) }

// clip cuts at a rune.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// shellOf reads a command line; credentials in its URLs are masked.
func shellOf(line string) fact.Shell { return masked(shell.Parse(clip(line, maxShell))) }

func masked(s fact.Shell) fact.Shell {
	for i, u := range s.URLs {
		s.URLs[i] = mask.Text(u)
	}
	return s
}
