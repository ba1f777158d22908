package services

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
)

// Find gives a setting as the strongest source has it.
func (src Source) Find(argv []string, env map[string]string, files []fact.Setting) (fact.Setting, bool) {
	if value, ok := src.Option(argv); ok {
		return fact.Setting{Value: value, From: "argv"}, true
	}
	for _, name := range src.Env {
		if value, ok := env[name]; ok {
			return fact.Setting{Value: value, From: "env"}, true
		}
	}
	for _, key := range src.Key {
		var found []fact.Setting
		for _, x := range files {
			if sameKey(key, x.Name) {
				found = append(found, x)
			}
		}
		if len(found) == 0 {
			continue
		}
		x := found[len(found)-1] // later lines win, as far as they are the same
		if strings.Contains(key, "*") {
			x = found[0]
			for _, y := range found[1:] {
				x.Value += " " + y.Value
			}
		}
		return x, true
	}
	return fact.Setting{}, false
}

// Option looks for an option in its usual forms: --name=value, --name value,
// -n value, -c name=value; where the flag is written -n*, also -nvalue. One that is given several times has all of its values.
func (src Source) Option(argv []string) (string, bool) {
	var values []string
	found := false
	for i := 1; i < len(argv); i++ {
		if slices.Contains(src.Switch, argv[i]) {
			return "yes", true
		}
		for _, flag := range src.Flag {
			if name, key, two := strings.Cut(flag, " "); two { // "-c config_file" is -c config_file=value
				if value, ok := strings.CutPrefix(strings.Join(argv[i+1:min(i+2, len(argv))], ""), key+"="); ok && argv[i] == name {
					values, found = append(values, value), true
				}
				continue
			}
			flag, glued := strings.CutSuffix(flag, "*")
			rest, ok := strings.CutPrefix(argv[i], flag)
			switch {
			case !ok || rest != "" && rest[0] != '=' && !glued:
				continue
			case rest != "":
				values = append(values, strings.TrimPrefix(rest, "="))
			case i+1 < len(argv):
				values = append(values, argv[i+1])
				i++
			}
			found = true
			break
		}
	}
	return strings.Join(values, " "), found
}

var placeholder = regexp.MustCompile(`\A\$\{([^:{}]+)(?::([^{}]*))?\}\z`)

// Placeholder takes a value that is the name of a variable apart, and what counts
// where that is not set: "${TOKEN:abc}", as Spring has it.
func Placeholder(value string) (variable, unset string, ok bool) {
	m := placeholder.FindStringSubmatch(value)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// PortsIn gives the ports that a value names: what stands alone, or behind the
// colon of an address or URL. It can be a list.
func PortsIn(value string) []int {
	var out []int
	for _, word := range strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
		word = strings.TrimSuffix(word, "/")
		if n, err := strconv.ParseUint(word[strings.LastIndexByte(word, ':')+1:], 10, 16); err == nil && n > 0 {
			out = append(out, int(n))
		}
	}
	return out
}

// sameKey compares names as their programs do at their most tolerant: no
// difference between upper and lower case, nor between - and _. A * in the
// wanted one stands for one part between dots.
func sameKey(want, name string) bool {
	want, name = plainKey(want), plainKey(name)
	if !strings.Contains(want, "*") {
		return want == name
	}
	ok, err := path.Match(strings.ReplaceAll(want, ".", "/"), strings.ReplaceAll(name, ".", "/"))
	return ok && err == nil
}

func plainKey(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }
