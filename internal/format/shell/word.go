package shell

import (
	"path"
	"strings"

	"demine/internal/fact"
)

// word takes down what stands in a word, and runs its substitutions.
func (e *eval) word(w *word) {
	for i := range w.subs {
		s := &w.subs[i]
		if s.kind != '>' {
			s.out = e.list(s.body, flow{})
		}
	}
	for rest := w.text; ; {
		u, after := nextURL(rest)
		if u == "" {
			break
		}
		e.url(u)
		rest = after
	}
	if isDevTCP(w.text) {
		e.out.DevTCP = true
	}
	if w.plain() {
		e.paths(w.text)
	}
}

// paths takes down a word that is an absolute path, or one behind a = (an
// option or a setting, where colons part several).
func (e *eval) paths(text string) {
	if _, v, ok := strings.Cut(text, "="); ok && !strings.HasPrefix(text, "/") {
		if strings.Contains(v, "://") {
			return
		}
		for p := range strings.SplitSeq(v, ":") {
			e.path(&e.out.Paths, "paths", p)
		}
		return
	}
	e.path(&e.out.Paths, "paths", text)
}

// path adds p to a list if it is an absolute path worth naming.
func (e *eval) path(list *[]fact.Path, name, p string) {
	if !strings.HasPrefix(p, "/") || len(p) < 2 || strings.Contains(p, "://") || strings.ContainsAny(p, "\x00\n") {
		return
	}
	if p = path.Clean(p); !isStream(p) && e.fresh(name, p, len(*list)) {
		*list = append(*list, fact.Path(p))
	}
}

// fresh reports whether v is new in a list that has room.
func (e *eval) fresh(list, v string, n int) bool {
	k := list + "\x00" + v
	if v == "" || len(v) > maxValue || n >= maxList || e.seen[k] {
		return false
	}
	e.seen[k] = true
	return true
}

func (e *eval) url(u string) {
	if u = fact.Text([]byte(u)); e.fresh("urls", u, len(e.out.URLs)) {
		e.out.URLs = append(e.out.URLs, u)
	}
}

func (e *eval) named(program string) {
	if p := fact.Text([]byte(program)); e.fresh("programs", p, len(e.out.Programs)) {
		e.out.Programs = append(e.out.Programs, p)
	}
}

func (e *eval) preload(value string) {
	for _, p := range strings.FieldsFunc(value, func(r rune) bool { return r == ':' || r == ' ' }) {
		if !strings.Contains(p, "$") && e.fresh("preload", p, len(e.out.Preload)) {
			e.out.Preload = append(e.out.Preload, fact.Path(p))
		}
	}
}

// ran takes down that w is run as a program or as a script.
func (e *eval) ran(w word) {
	key := e.key(w.text)
	if w.plain() {
		e.path(&e.out.Runs, "runs", key)
	}
	e.exec(e.stored[key].tainted())
}

// writes takes down that w is written to, and gives its key; "" for a stream.
func (e *eval) writes(w word) string {
	key := e.key(w.text)
	if key == "" || isStream(key) || isDevTCP(key) || w.text == "-" {
		return ""
	}
	if w.plain() {
		e.path(&e.out.Writes, "writes", key)
	}
	return key
}

// key is the name under which a file is known: absolute if that can be told.
// One with variables is known as it is written.
func (e *eval) key(name string) string {
	if name == "" || strings.HasPrefix(name, "$") || strings.HasPrefix(name, "~") || len(name) > maxValue {
		return name
	}
	if e.cwd != "" && !strings.HasPrefix(name, "/") {
		name = e.cwd + "/" + name
	}
	return path.Clean(name)
}

// value is what is known of the bytes that w expands to.
func (e *eval) value(w word) flow {
	f := w.printed('$')
	for rest := w.text; len(e.vars) > 0; {
		_, after, ok := strings.Cut(rest, "$")
		if !ok {
			break
		}
		after = strings.TrimPrefix(after, "{")
		n := 0
		for n < len(after) && isName(after[n]) {
			n++
		}
		f = f.or(e.vars[after[:n]].tainted())
		rest = after[n:]
	}
	return f
}

// isStream: names that are no files. /dev/fd and /proc/self/fd are the
// standard streams under another name.
func isStream(p string) bool {
	switch p {
	case "/dev/null", "/dev/zero", "/dev/tty", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/console", "-":
		return true
	}
	return strings.HasPrefix(p, "/dev/fd/") || strings.HasPrefix(p, "/proc/self/fd/") || isDevTCP(p)
}

func isStdin(p string) bool {
	return p == "/dev/stdin" || p == "/dev/fd/0" || p == "/proc/self/fd/0"
}

func isDevTCP(s string) bool {
	return strings.Contains(s, "/dev/tcp/") || strings.Contains(s, "/dev/udp/")
}

// nextURL is the first scheme://… in s, and what follows it.
func nextURL(s string) (u, rest string) {
	i := strings.Index(s, "://")
	if i < 0 {
		return "", ""
	}
	start := i
	for start > 0 && (isName(s[start-1]) && s[start-1] != '_' || strings.IndexByte("+.-", s[start-1]) >= 0) {
		start--
	}
	end := i + 3
	for end < len(s) && s[end] > ' ' && !strings.ContainsRune("'\"<>|;`)\\", rune(s[end])) {
		end++
	}
	if start == i || end == i+3 {
		if u, rest = nextURL(s[i+3:]); u != "" {
			return u, rest
		}
		return "", ""
	}
	return s[start:end], s[end:]
}

func isName(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
