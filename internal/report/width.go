package report

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// columns is how many columns of a terminal a text takes: two for wide
// characters (UAX #11), none for marks.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
		return 0
	case wide(r):
		return 2
	}
	return 1
}

func wide(r rune) bool {
	if r < 0x1100 {
		return false
	}
	k := width.LookupRune(r).Kind()
	return k == width.EastAsianWide || k == width.EastAsianFullwidth
}

// pad fills a text with spaces to n columns.
func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-columns(s)))
}

// fit cuts a text to n columns, with dots where it was cut.
func fit(s string, n int, dots string) string {
	if columns(s) <= n {
		return s
	}
	n -= columns(dots)
	var b strings.Builder
	for _, r := range s {
		if n -= runeColumns(r); n < 0 {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimRight(b.String(), " ") + dots
}

// Wrap breaks each line of a text into lines of at most n columns.
func Wrap(s string, n int) string {
	var out []string
	for _, line := range strings.Split(s, "\n") {
		out = append(out, wrap(line, n)...)
	}
	return strings.Join(out, "\n")
}

// wrap breaks a text into lines of at most n columns: at spaces, and between
// wide characters where Chinese typography allows it. What is too long for a
// line is cut through.
func wrap(s string, n int) []string {
	var lines []string
	var line string
	for _, u := range units(s) {
		switch {
		case columns(line)+columns(strings.TrimRight(u, " ")) <= n:
			line += u
			continue
		case strings.TrimSpace(line) != "":
			lines = append(lines, strings.TrimRight(line, " "))
			line = ""
		}
		for columns(strings.TrimRight(u, " ")) > n {
			head := cutAt(u, n)
			lines = append(lines, head)
			u = u[len(head):]
		}
		line = u
	}
	return append(lines, strings.TrimRight(line, " "))
}

// cutAt gives the longest head of s that takes at most n columns, at least one
// character.
func cutAt(s string, n int) string {
	for i, r := range s {
		if n -= runeColumns(r); n < 0 && i > 0 {
			return s[:i]
		}
	}
	return s
}

// Characters that must not begin a line, and those that must not end one
// (GB/T 15834).
const (
	notFirst = "，。；：、！？）】」』”’%…"
	notLast  = "（【「『“‘"
)

// units cuts a text into what may not be broken, each with the spaces that
// follow it.
func units(s string) []string {
	var out []string
	var u strings.Builder
	rs := []rune(s)
	for i, r := range rs {
		u.WriteRune(r)
		if i+1 < len(rs) && mayBreak(r, rs[i+1]) && !measure(rs, i) {
			out = append(out, u.String())
			u.Reset()
		}
	}
	if u.Len() > 0 {
		out = append(out, u.String())
	}
	return out
}

// measure reports whether the blank at i stands between a number and its unit.
func measure(rs []rune, i int) bool {
	return rs[i] == ' ' && i > 0 && unicode.IsDigit(rs[i-1]) && unicode.IsLetter(rs[i+1])
}

func mayBreak(a, b rune) bool {
	switch {
	case b == ' ' || strings.ContainsRune(notFirst, b) || strings.ContainsRune(notLast, a):
		return false
	case a == ' ':
		return true
	}
	return wide(a) || wide(b) || strings.ContainsRune("，。；：、", a)
}
