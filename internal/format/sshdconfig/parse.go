// Package sshdconfig reads sshd_config as sshd does: sshd_config(5), and
// servconf.c and misc.c (strdelim, argv_split) of OpenSSH 9.2 for the corners
// that the manual leaves out.
package sshdconfig

import (
	"bytes"
	"strings"
)

// Directive is one line that sets something.
type Directive struct {
	Name  string   // keyword in lower case, aliases resolved
	Args  []string // unquoted; of ForceCommand and the like, the rest of the line as one
	Line  int      // 1-based
	Match string   // arguments of the Match block it is in; empty: global
}

// Parse gives the directives of one file in their order. Lines on which sshd
// itself would refuse to start (a keyword without an argument, an open quote)
// are left out. A Match line is a Directive too, outside of its own block.
// There is no cap but that of the file: padding must not hide a line.
func Parse(b []byte) []Directive {
	var out []Directive
	match := ""
	for n := 1; len(b) > 0; n++ {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		name, args, ok := parseLine(string(line))
		if !ok {
			continue
		}
		d := Directive{Name: name, Args: args, Line: n, Match: match}
		if name == "match" {
			d.Match = ""
			match = strings.Join(args, " ")
		}
		out = append(out, d)
	}
	return out
}

// parseLine splits one line into its canonical keyword and arguments.
func parseLine(s string) (name string, args []string, ok bool) {
	// sshd works on C strings: a NUL ends the line.
	s, _, _ = strings.Cut(s, "\x00")
	s = strings.TrimLeft(s, " \t\r")
	s = strings.TrimRight(s, " \t\r\n\f")
	word, rest := keyword(s)
	if word == "" || word[0] == '#' || rest == "" {
		return "", nil, false
	}
	name = strings.ToLower(word)
	if to, is := aliases[name]; is {
		name = to
	}
	if restOfLine[name] {
		return name, []string{strings.TrimLeft(rest, " \t")}, true
	}
	args, ok = split(rest)
	return name, args, ok && len(args) > 0
}

// keyword is strdelim(): the word ends at white space, or at one '=' with
// white space around it; it may be quoted.
func keyword(s string) (word, rest string) {
	if strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s[1:], '"')
		if end < 0 {
			return "", ""
		}
		return s[1 : 1+end], strings.TrimLeft(s[end+2:], " \t\r")
	}
	i := strings.IndexAny(s, " \t\r=")
	if i < 0 {
		return s, ""
	}
	word, rest = s[:i], strings.TrimLeft(s[i:], " \t\r")
	if strings.HasPrefix(rest, "=") {
		rest = strings.TrimLeft(rest[1:], " \t\r")
	}
	return word, rest
}

// split is argv_split() with comments: words with single and double quotes,
// where a backslash protects a quote, a backslash and, outside of quotes, a
// space. An open quote is not ok.
func split(s string) (args []string, ok bool) {
	for i := 0; i < len(s); i++ {
		if s[i] == ' ' || s[i] == '\t' {
			continue
		}
		if s[i] == '#' {
			break
		}
		word, n, closed := token(s[i:])
		if !closed {
			return nil, false
		}
		args = append(args, word)
		i += n
	}
	return args, true
}

// token reads one word and says how many bytes of s it took.
func token(s string) (word string, n int, closed bool) {
	var w strings.Builder
	var quote byte
	i := 0
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && escapes(s[i+1], quote):
			i++
			w.WriteByte(s[i])
		case quote == 0 && (c == ' ' || c == '\t'):
			return w.String(), i, true
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		default:
			w.WriteByte(c)
		}
	}
	return w.String(), i, quote == 0
}

func escapes(c, quote byte) bool {
	return c == '\'' || c == '"' || c == '\\' || (quote == 0 && c == ' ')
}
