package sshdconfig

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
)

// Source is one parsed file.
type Source struct {
	Path       fact.Path
	Directives []Directive
}

// MatchBlock is what holds for the connections that Criteria select, instead
// of the global value. An Include within a block adds its own criteria to it.
type MatchBlock struct {
	Criteria string
	Settings []fact.Setting // sorted by name; Default is the built-in one
	Origin   fact.Origin    // of its first setting
}

const (
	maxDepth   = 16      // SERVCONF_MAX_DEPTH of servconf.c
	maxSources = 1000    // files that include each other multiply
	maxWalk    = 1 << 20 // directives, over all files; long criteria count for several
)

// Effective says which settings are in force for all connections, sorted by
// name, and which only for some. The first value of a keyword wins; keywords
// that collect join their values with a space. Include is expanded where it
// stands: include gets an absolute glob pattern and gives the files in any
// order (nil: none are there). A Subsystem gives one setting each, all named
// "subsystem", with the value "name command". Values are as sshd -T prints
// them where the spelling is free: flags in lower case, times in seconds,
// without-password as prohibit-password. Keywords that are neither in
// Defaults() nor set do not appear.
func Effective(main Source, include func(pattern string) []Source) ([]fact.Setting, []MatchBlock) {
	w := walk{include: include, global: newScope(""), index: map[string]*scope{}}
	w.source(main, "", 0)
	var blocks []MatchBlock
	for _, s := range w.blocks {
		blocks = append(blocks, MatchBlock{Criteria: s.criteria, Settings: s.settings(), Origin: s.origin})
	}
	return withDefaults(w.global.settings()), blocks
}

// walk is the state of one expansion.
type walk struct {
	include func(string) []Source
	global  *scope
	blocks  []*scope
	index   map[string]*scope
	sources int
	seen    int
}

// source applies one file; outer are the criteria of the Match block in which
// its Include stands.
func (w *walk) source(src Source, outer string, depth int) {
	w.sources++
	match, criteria := "", outer
	for _, d := range src.Directives {
		if d.Match != match {
			match, criteria = d.Match, and(outer, d.Match)
			w.seen += len(criteria) / 256
		}
		if w.seen++; w.seen > maxWalk {
			return
		}
		switch d.Name {
		case "match":
		case "include":
			w.expand(d.Args, criteria, depth)
		default:
			w.scope(criteria).set(d, src.Path)
		}
	}
}

func (w *walk) expand(patterns []string, criteria string, depth int) {
	if depth+1 >= maxDepth || w.include == nil {
		return
	}
	for _, p := range patterns {
		if !strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "~") {
			p = "/etc/ssh/" + p
		}
		// glob(3) gives sshd the names in lexical order.
		files := slices.SortedStableFunc(slices.Values(w.include(p)), func(a, b Source) int {
			return cmp.Compare(a.Path, b.Path)
		})
		for _, f := range files {
			if w.sources >= maxSources {
				return
			}
			w.source(f, criteria, depth+1)
		}
	}
}

// and joins criteria: sshd wants all words of a Match line to hold, and an
// included block only counts where the including one does. "all" is no limit.
func and(outer, inner string) string {
	if strings.EqualFold(inner, "all") {
		inner = ""
	}
	return strings.TrimSpace(outer + " " + inner)
}

func (w *walk) scope(criteria string) *scope {
	if criteria == "" {
		return w.global
	}
	s := w.index[criteria]
	if s == nil {
		s = newScope(criteria)
		w.index[criteria] = s
		w.blocks = append(w.blocks, s)
	}
	return s
}

// scope is what is set for everybody, or under one set of criteria.
type scope struct {
	criteria string
	origin   fact.Origin
	by       map[string]*value
}

type value struct {
	words  []string
	origin fact.Origin
}

func newScope(criteria string) *scope { return &scope{criteria: criteria, by: map[string]*value{}} }

func (s *scope) set(d Directive, p fact.Path) {
	key := d.Name
	if key == "subsystem" {
		if len(d.Args) < 2 {
			return
		}
		key += " " + d.Args[0]
	}
	at := fact.Origin{Path: p, Line: d.Line}
	if s.origin.Line == 0 {
		s.origin = at
	}
	v := s.by[key]
	switch {
	case v == nil:
		s.by[key] = &value{words: slices.Clone(d.Args), origin: at}
	case collects[d.Name]:
		v.words = append(v.words, d.Args...)
	}
}

func (s *scope) settings() []fact.Setting {
	out := make([]fact.Setting, 0, len(s.by))
	for key, v := range s.by {
		name, _, _ := strings.Cut(key, " ")
		out = append(out, fact.Setting{
			Name: name, Value: canonical(name, v.words), Default: defaults[name], From: "file", Origin: v.origin,
		})
	}
	sortSettings(out)
	return out
}

func sortSettings(s []fact.Setting) {
	slices.SortFunc(s, func(a, b fact.Setting) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	})
}

func withDefaults(set []fact.Setting) []fact.Setting {
	have := map[string]bool{}
	for _, s := range set {
		have[s.Name] = true
	}
	for name, v := range defaults {
		if !have[name] {
			set = append(set, fact.Setting{Name: name, Value: v, Default: v, From: "default"})
		}
	}
	sortSettings(set)
	return set
}

// canonical is the value as sshd -T would print it.
func canonical(name string, words []string) string {
	v := fact.Text([]byte(strings.Join(words, " ")))
	switch {
	case foldsCase[name]:
		v = strings.ToLower(v)
	case name == "logingracetime" || name == "clientaliveinterval":
		if n, ok := seconds(v); ok {
			return strconv.Itoa(n)
		}
	}
	if name == "permitrootlogin" && v == "without-password" {
		return "prohibit-password"
	}
	return v
}

// seconds reads sshd's time format: numbers with an optional unit, added up
// (sshd_config(5), TIME FORMATS).
func seconds(s string) (int, bool) {
	if strings.EqualFold(s, "none") {
		return 0, true
	}
	unit := map[byte]int{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}
	total := 0
	for s != "" {
		n := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		mul, end := 1, len(s)
		if n >= 0 {
			if mul = unit[s[n]|0x20]; mul == 0 {
				return 0, false
			}
			end = n + 1
		} else {
			n = len(s)
		}
		v, err := strconv.Atoi(s[:n])
		if err != nil || v > 1<<31/mul {
			return 0, false
		}
		total, s = total+v*mul, s[end:]
	}
	return total, true
}
