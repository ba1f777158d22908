// Package pyconf reads settings files that are Python programs, such as
// jupyter_server_config.py, as far as they are plain assignments of a literal:
// "c.ServerApp.token = ”". A program can do more than that: whoever reads it
// this way knows what it says, not what it does.
package pyconf

import (
	"strings"

	"demine/internal/fact"
)

// maxSettings bounds what one file can yield.
const maxSettings = 5_000

// Parse reads a file: assignments at the start of a line, of a string, a number
// or a name, to a dotted name, from which the "c." of traitlets is taken. Other
// lines are left out; odd says that one of those may set something, too.
func Parse(b []byte) (out []fact.Setting, odd bool) {
	n := 0
	for line := range strings.SplitSeq(string(b), "\n") {
		n++
		line = strings.TrimRight(line, " \t\r")
		if line == "" || line[0] == '#' || len(out) == maxSettings {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimPrefix(strings.TrimRight(name, " \t"), "c.")
		literal, plain := unquote(strings.TrimSpace(value))
		if !ok || !dotted(name) || !plain {
			odd = odd || line != "c = get_config()" && !strings.HasPrefix(line, "c = get_config()")
			continue
		}
		out = append(out, fact.Setting{
			Name: name, Value: fact.Text([]byte(literal)), From: "file", Origin: fact.Origin{Line: n},
		})
	}
	return out, odd
}

func dotted(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool {
		return r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

// unquote reads one literal, which may have a comment behind it.
func unquote(v string) (literal string, ok bool) {
	if v != "" && strings.ContainsRune("ubUB", rune(v[0])) && len(v) > 1 && (v[1] == '\'' || v[1] == '"') {
		v = v[1:]
	}
	rest := ""
	if v != "" && (v[0] == '\'' || v[0] == '"') {
		literal, rest, ok = strings.Cut(v[1:], v[:1])
		if !ok || strings.Contains(literal, `\`) || strings.HasPrefix(rest, v[:1]) { // an escape, """
			return "", false
		}
	} else {
		literal, rest, _ = strings.Cut(v, " ")
		if !dotted(strings.TrimPrefix(literal, "-")) {
			return "", false
		}
	}
	rest = strings.TrimSpace(rest)
	return literal, rest == "" || rest[0] == '#'
}
