// Package properties reads Java properties files: application.properties,
// zoo.cfg, spark-defaults.conf. The syntax is that of java.util.Properties.load:
// the name ends at the first =, : or blank that is not escaped, # and ! begin a
// comment at the start of a line, a \ at its end goes on in the next one.
package properties

import (
	"strings"

	"demine/internal/fact"
)

// maxSettings bounds what one file can yield.
const maxSettings = 20_000

// Parse reads a file. Values are valid UTF-8 and may be secrets.
func Parse(b []byte) []fact.Setting {
	var out []fact.Setting
	lines := strings.Split(string(b), "\n")
	for n := 0; n < len(lines) && len(out) < maxSettings; n++ {
		first := n + 1
		line := strings.TrimLeft(lines[n], " \t\f\r")
		if line = strings.TrimRight(line, "\r"); line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		var whole strings.Builder
		for goesOn(line) && n+1 < len(lines) {
			whole.WriteString(line[:len(line)-1])
			n++
			line = strings.TrimRight(strings.TrimLeft(lines[n], " \t\f"), "\r")
		}
		whole.WriteString(line)
		name, value := split(whole.String())
		if name == "" {
			continue
		}
		out = append(out, fact.Setting{Name: name, Value: value, From: "file", Origin: fact.Origin{Line: first}})
	}
	return out
}

// goesOn: the line ends in an odd number of backslashes.
func goesOn(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

func split(line string) (name, value string) {
	i := 0
	for i < len(line) && !strings.ContainsRune("=: \t\f", rune(line[i])) {
		if line[i] == '\\' {
			i++
		}
		i++
	}
	i = min(i, len(line))
	value = strings.TrimLeft(line[i:], " \t\f")
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], " \t\f")
	}
	return plain(line[:i]), strings.TrimRight(plain(value), " \t")
}

// plain takes the escapes away; of those with a letter none matters here.
func plain(s string) string {
	if strings.Contains(s, `\`) {
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			if s[i] == '\\' && i+1 < len(s) {
				i++
			}
			b.WriteByte(s[i])
		}
		s = b.String()
	}
	return fact.Text([]byte(s))
}
