package respond

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/sshdconfig"
	"demine/internal/host"
)

// sshdSetting is a setting of an sshd that another value takes the place of.
type sshdSetting struct {
	Config fact.Path `json:"config"` // of the sshd, with which reading begins
	File   fact.Path `json:"file"`   // in which the line stands
	Line   int       `json:"line"`
	Name   string    `json:"name"`
	From   string    `json:"from"`
	To     string    `json:"to,omitempty"` // empty: the line becomes a comment
	Daemon sshDaemon `json:"daemon,omitzero"`
}

func (w sshdSetting) file() fact.Path { return w.File }

// findSetting gives the edit of the line, if reading the whole configuration
// before and after it differs in that setting alone.
func findSetting(h *host.Host, w sshdSetting, p fact.Path, text []byte) ([]lineEdit, error) {
	lines := splitLines(text)
	var edits []lineEdit
	for _, d := range sshdconfig.Parse(text) {
		if d.Name == w.Name && sshdValue(d) == w.From && (d.Line == w.Line || w.To == "") {
			line := lines[d.Line-1]
			edits = append(edits, lineEdit{N: d.Line, SHA256: sumHex(line), Instead: w.instead(h, line)})
		}
	}
	if len(edits) == 0 {
		return nil, ErrNothing
	}
	next, err := editLines(text, edits)
	if err != nil {
		return nil, err
	}
	return edits, w.changesOnlyThat(h, p, next)
}

// sshdValue is a directive's value as a fact has it.
func sshdValue(d sshdconfig.Directive) string {
	set, _ := sshdconfig.Effective(sshdconfig.Source{Directives: []sshdconfig.Directive{{Name: d.Name, Args: d.Args, Line: 1}}}, nil)
	return fact.Service{Settings: set}.Setting(d.Name).Value
}

// instead is the line that takes the place: the keyword as it was written with
// another value, or the line as a comment.
func (w sshdSetting) instead(h *host.Host, line []byte) []byte {
	if w.To == "" {
		return append([]byte("#"), line...)
	}
	text := strings.TrimRight(string(line), "\r\n")
	start := len(text) - len(strings.TrimLeft(text, " \t"))
	word := text[start:]
	if i := strings.IndexAny(word, " \t="); i >= 0 {
		word = word[:i]
	}
	return []byte(text[:start] + word + " " + w.Daemon.spelling(h, w.To) + string(lineEnd(line)))
}

// changesOnlyThat compares what sshd would read before and after.
func (w sshdSetting) changesOnlyThat(h *host.Host, p fact.Path, next []byte) error {
	before, err := readSSHD(h, w.Config, "", nil)
	if err != nil {
		return err
	}
	after, err := readSSHD(h, w.Config, p, next)
	if err != nil {
		return err
	}
	var changed []string
	for key := range union2(before, after) {
		if before[key] != after[key] {
			changed = append(changed, key)
		}
	}
	slices.Sort(changed)
	others := slices.DeleteFunc(slices.Clone(changed), func(key string) bool { return path.Base(key) == w.Name })
	switch {
	case len(others) > 0:
		return Refuse("refuse.sshd.changes-more", "path", p.String(), "settings", others)
	case len(changed) == 0:
		return Refuse("refuse.sshd.no-effect", "path", p.String(), "line", w.Line, "name", w.Name)
	case w.To != "" && after["/"+w.Name] != w.To:
		return Refuse("refuse.sshd.no-effect", "path", p.String(), "line", w.Line, "name", w.Name)
	}
	return nil
}

func union2(a, b map[string]string) map[string]bool {
	out := map[string]bool{}
	for _, m := range []map[string]string{a, b} {
		for k := range m {
			out[k] = true
		}
	}
	return out
}

// readSSHD gives what the configuration sets, by "criteria/name"; the file at a
// path counts with another content.
func readSSHD(h *host.Host, config, at fact.Path, content []byte) (map[string]string, error) {
	read := func(p fact.Path) (sshdconfig.Source, error) {
		if real, err := realPath(h, p); err == nil && content != nil && real == at {
			return sshdconfig.Source{Path: p, Directives: sshdconfig.Parse(content)}, nil
		}
		b, _, err := h.Files.ReadFile(p, maxText)
		return sshdconfig.Source{Path: p, Directives: sshdconfig.Parse(b)}, err
	}
	main, err := read(config)
	if err != nil {
		return nil, err
	}
	var bad error
	set, blocks := sshdconfig.Effective(main, func(pattern string) []sshdconfig.Source {
		var out []sshdconfig.Source
		for _, p := range globFiles(h, pattern) {
			src, err := read(p)
			if err != nil && !host.Gone(err) {
				bad = err
			}
			out = append(out, src)
		}
		return out
	})
	out := map[string]string{}
	add := func(criteria string, ss []fact.Setting) {
		for _, s := range ss {
			key := criteria + "/" + s.Name
			if old, ok := out[key]; ok { // Subsystem
				s.Value = old + "\n" + s.Value
			}
			out[key] = s.Value
		}
	}
	add("", set)
	for _, b := range blocks {
		add(b.Criteria, b.Settings)
	}
	return out, bad
}

// maxGlob bounds the files that one Include names.
const maxGlob = 1000

// globFiles gives the paths that match an absolute pattern, as glob(3).
func globFiles(h *host.Host, pattern string) []fact.Path {
	found := []fact.Path{"/"}
	for part := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		var next []fact.Path
		for _, dir := range found {
			if !strings.ContainsAny(part, `*?[\`) {
				next = append(next, host.Join(dir, part))
				continue
			}
			names, _ := h.Files.Names(dir)
			for _, n := range names {
				if ok, err := path.Match(part, n); ok && err == nil && (n[0] != '.' || part[0] == '.') {
					next = append(next, host.Join(dir, n))
				}
			}
		}
		found = next[:min(len(next), maxGlob)]
	}
	return found
}

// spelling is a value as this sshd knows it: before OpenSSH 7.0 it had another
// word for prohibit-password, and one that it does not know would end it.
func (d sshDaemon) spelling(h *host.Host, value string) string {
	const fresh, old = "prohibit-password", "without-password"
	if value != fresh || d.Exe == "" {
		return value
	}
	f, i, err := h.Files.Open(d.Exe)
	if err != nil {
		return old // every version knows it
	}
	defer f.Close()
	b := make([]byte, min(i.Size, maxSSHD))
	n, _ := f.ReadAt(b, 0)
	if bytes.Contains(b[:n], []byte(fresh)) {
		return fresh
	}
	return old
}

// maxSSHD is more than the size of any sshd.
const maxSSHD = 32 << 20
