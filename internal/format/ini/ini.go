// Package ini reads the many files that are lines of "name = value" below
// "[section]" headers: my.cnf, supervisord.conf, rsyncd.conf, PHP-FPM's pools;
// and those without sections: postgresql.conf. It follows what they have in
// common (MariaDB's my_load_defaults.c, PostgreSQL's guc-file.l, Python's
// configparser): comments begin with # or ; at the start of a line or behind a
// blank, quotes hold blanks and comment signs, a line without = is a name, with
// or without a colon, and what stands behind its first blank.
package ini

import (
	"strings"

	"demine/internal/fact"
)

// maxSettings bounds what one file can yield.
const maxSettings = 20_000

// Parse reads a file. A setting below [section] is named "section.name", the
// section in lower case; a directive ("!includedir", "!include") has no
// section. Values are valid UTF-8 and may be secrets.
func Parse(b []byte) []fact.Setting {
	var out []fact.Setting
	section, n := "", 0
	for line := range strings.SplitSeq(string(b), "\n") {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			name, _, _ := strings.Cut(line[1:], "]")
			section = strings.ToLower(strings.TrimSpace(fact.Text([]byte(name))))
			continue
		}
		if len(out) == maxSettings {
			break
		}
		name, value := split(line)
		if section != "" && name[0] != '!' {
			name = section + "." + name
		}
		out = append(out, fact.Setting{Name: name, Value: value, From: "file", Origin: fact.Origin{Line: n}})
	}
	return out
}

// split cuts a line that is not empty into a name that is not, and a value.
func split(line string) (name, value string) {
	name, value, ok := strings.Cut(line, "=")
	if strings.HasPrefix(line, "!") || !ok {
		i := strings.IndexAny(line, " \t")
		if i < 0 {
			i = len(line)
		}
		name, value = strings.TrimSuffix(line[:i], ":"), line[i:]
	}
	if name = strings.TrimSpace(name); name == "" {
		name = "="
	}
	return fact.Text([]byte(name)), fact.Text([]byte(unquote(strings.TrimSpace(value))))
}

// unquote takes a quoted value out of its quotes; of another it cuts the
// comment.
func unquote(v string) string {
	if v != "" && (v[0] == '\'' || v[0] == '"') {
		if i := strings.IndexByte(v[1:], v[0]); i >= 0 {
			return v[1 : i+1]
		}
	}
	for i := 0; i < len(v); i++ {
		if (v[i] == '#' || v[i] == ';') && (i == 0 || v[i-1] == ' ' || v[i-1] == '\t') {
			return strings.TrimSpace(v[:i])
		}
	}
	return v
}
