package i18n

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes what a host says fit to be shown: every control character,
// escape, direction mark, invisible or unassigned character and every byte
// that is not valid UTF-8 becomes \xNN or \u{…}. Its result is one line of
// printable characters.
//
// It is for reading, not an identity: a name that already holds the four
// characters \x1b looks like one that holds an escape.
func Clean(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	marks := maxMarks // none at the start: they would join our own text
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
			marks = maxMarks
		case r < 0x80 && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\x%02x`, r)
			marks = maxMarks
		case Hostile(r), unicode.Is(unicode.M, r) && marks >= maxMarks:
			fmt.Fprintf(&b, `\u{%x}`, r)
			marks = maxMarks
		case unicode.Is(unicode.M, r):
			b.WriteRune(r)
			marks++
		default:
			b.WriteRune(r)
			marks = 0
		}
		i += n
	}
	return b.String()
}

// A letter of a living script carries at most two marks; a pile of them hides
// the lines above.
const maxMarks = 2

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// Hostile reports whether a character must never reach a terminal or a page as
// it is: it commands, reorders, hides, or stands for nothing. It goes by
// Unicode's general categories and Default_Ignorable_Code_Point
// (DerivedCoreProperties.txt).
func Hostile(r rune) bool {
	switch {
	case !unicode.IsPrint(r): // Cc, Cf, Zs but ' ', Zl, Zp, Co, Cs, Cn
		return true
	case r == utf8.RuneError, r == 0x2800: // blank braille cell
		return true
	}
	return unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r)
}

// ASCII makes a text fit for a terminal that knows nothing else: typographic
// signs of our own become their plain forms, any other character \u{…}.
func ASCII(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || (r >= 0x20 && r <= 0x7e):
			b.WriteRune(r)
		case asciiForms[r] != "":
			b.WriteString(asciiForms[r])
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

var asciiForms = map[rune]string{
	'●': "*", '·': "-", '…': "...", '→': "->", '←': "<-", '–': "-", '—': "-", '×': "x", '≤': "<=", '≥': ">=",
	'✔': "+", '✘': "x", '↩': "<-",
	'“': `"`, '”': `"`, '‘': "'", '’': "'", '−': "-",
}
