package unit

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// commandKeys are the settings whose value is a command line, of services,
// sockets, mounts and swaps (load-fragment-gperf.gperf).
var commandKeys = map[string]bool{
	"ExecCondition": true, "ExecStartPre": true, "ExecStart": true, "ExecStartPost": true,
	"ExecReload": true, "ExecReloadPost": true, "ExecStop": true, "ExecStopPre": true, "ExecStopPost": true,
}

// Commands gives every command that the unit may run, one an Entry, in file
// order: of a line with several commands (" ; ") each is its own Entry. An
// empty assignment drops what its key had before. Give the sections of a unit
// and of its drop-ins in the order in which systemd reads them.
func Commands(secs []Section) []Entry {
	// First where each list starts for the last time: to delete what came
	// before at each reset would be quadratic.
	n, start := 0, map[string]int{}
	for _, s := range secs {
		for _, e := range s.Entries {
			if n++; e.Value == "" && commandKeys[e.Key] {
				start[e.Key] = n
			}
		}
	}
	var out []Entry
	n = 0
	for _, s := range secs {
		for _, e := range s.Entries {
			if n++; !commandKeys[e.Key] || n <= start[e.Key] {
				continue
			}
			for _, v := range separate(e.Value) {
				out = append(out, Entry{Key: e.Key, Value: v, Line: e.Line})
			}
		}
	}
	return out
}

// separate splits at a word that is an unquoted ';'.
func separate(s string) []string {
	var out []string
	start := 0
	for i := 0; i < len(s); {
		for i < len(s) && space(s[i]) {
			i++
		}
		w, n := word(s[i:])
		if n == 1 && w == ";" {
			out = append(out, strings.TrimSpace(s[start:i]))
			start = i + 1
		}
		i += n
	}
	out = append(out, strings.TrimSpace(s[start:]))
	return slices.DeleteFunc(out, func(v string) bool { return v == "" })
}

// Exec splits a command line into words by systemd's quoting and drops the
// prefixes of the program (@ - : + ! |). With @ the second word is the name
// that the program is shown under (argv[0]): it is left out. $ and % are left
// alone. What systemd would refuse (an unknown escape, an open quote) is taken
// as it stands. A ';' between several commands is a word of its own.
func Exec(value string) []string {
	var out []string
	for i := 0; i < len(value); {
		if space(value[i]) {
			i++
			continue
		}
		w, n := word(value[i:])
		if n == 2 && value[i:i+2] == `\;` {
			w = ";"
		}
		out = append(out, w)
		i += n
	}
	if len(out) == 0 {
		return nil
	}
	program := strings.TrimLeft(out[0], "@-:+!|")
	shown := strings.Contains(out[0][:len(out[0])-len(program)], "@")
	out[0] = program
	if shown && len(out) > 1 {
		out = slices.Delete(out, 1, 2)
	}
	return out
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// word is extract_first_word() with EXTRACT_UNQUOTE and EXTRACT_CUNESCAPE: it
// reads one word and says how many bytes of s it took.
func word(s string) (string, int) {
	var w strings.Builder
	var quote byte
	i := 0
	for i < len(s) {
		c := s[i]
		switch {
		case quote == 0 && space(c):
			return w.String(), i
		case c == '\\' && i+1 < len(s):
			n := unescape(&w, s[i:])
			i += n
			continue
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		default:
			w.WriteByte(c)
		}
		i++
	}
	return w.String(), i
}

var simple = map[byte]byte{
	'a': 7, 'b': 8, 'f': 12, 'n': '\n', 'r': '\r', 't': '\t', 'v': 11, '\\': '\\', '"': '"', '\'': '\'', 's': ' ',
}

// unescape writes what the escape at the start of s stands for and says how
// many bytes it took (systemd.syntax(7), "QUOTING").
func unescape(w *strings.Builder, s string) int {
	if c, ok := simple[s[1]]; ok {
		w.WriteByte(c)
		return 2
	}
	digits, base, from := 0, 16, 2
	switch s[1] {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '0', '1', '2', '3', '4', '5', '6', '7':
		digits, base, from = 3, 8, 1
	}
	if digits > 0 && len(s) >= from+digits {
		if v, err := strconv.ParseUint(s[from:from+digits], base, 32); err == nil && v != 0 {
			if digits > 3 {
				w.WriteString(string(validRune(v)))
			} else {
				w.WriteByte(byte(v))
			}
			return from + digits
		}
	}
	w.WriteByte('\\')
	return 1
}

func validRune(v uint64) rune {
	if v > utf8.MaxRune {
		return utf8.RuneError
	}
	return rune(v)
}
