package i18n

import (
	"regexp"
	"slices"
)

// piece is a literal or, with a name, a placeholder.
type piece struct{ literal, name, format string }

// {name}, {name:format} or {name:one|many}. What does not look like this is
// literal.
var hole = regexp.MustCompile(`\{([a-z][a-z0-9_]*)(?::([^{}]+))?\}`)

func parse(text string) []piece {
	var out []piece
	at := 0
	for _, m := range hole.FindAllStringSubmatchIndex(text, -1) {
		if m[0] > at {
			out = append(out, piece{literal: text[at:m[0]]})
		}
		p := piece{name: text[m[2]:m[3]]}
		if m[4] >= 0 {
			p.format = text[m[4]:m[5]]
		}
		out = append(out, p)
		at = m[1]
	}
	if at < len(text) {
		out = append(out, piece{literal: text[at:]})
	}
	return out
}

// Placeholders gives the names in braces of a text, sorted, each once.
func Placeholders(text string) []string {
	var out []string
	for _, p := range parse(text) {
		if p.name != "" {
			out = append(out, p.name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
