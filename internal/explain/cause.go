package explain

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/relate"
)

// Hypothesis is one way in, as data (causes/NAME/cause.yaml): what must be
// true for it to be considered, and what speaks for and against it.
type Hypothesis struct {
	ID      string            `yaml:"-"`
	Title   string            `yaml:"title"`
	When    string            `yaml:"when"`
	Args    map[string]string `yaml:"args"`
	For     []Speaks          `yaml:"for"`
	Against []Speaks          `yaml:"against"`
	Missing []Speaks          `yaml:"missing"` // evidence that would settle it, when it is not there
	Fix     string            `yaml:"fix"`
	Note    string            `yaml:"note"` // where the knowledge is from

	// Shared is no way in by itself: others that are Like it take over its When,
	// if they have none, and its evidence, which asks for what stands in With.
	Shared bool                `yaml:"shared"`
	Like   string              `yaml:"like"`
	With   map[string][]string `yaml:"with"`

	when *judge.Expr
	args map[string]*judge.Expr
}

// Speaks is one kind of evidence. Each gives the facts of a kind that are it;
// every one is cited.
type Speaks struct {
	ID     string            `yaml:"id"`
	Of     string            `yaml:"of"`   // kind of the facts that Each gives
	Each   string            `yaml:"each"` // expression: a list; without Of: a bool
	Weight float64           `yaml:"weight"`
	Title  string            `yaml:"title"`
	Args   map[string]string `yaml:"args"`
	Cite   string            `yaml:"cite"` // expression on "it": an Origin
	At     string            `yaml:"at"`   // expression on "it": a time

	from           string // the hypothesis that has the sentence
	each, cite, at *judge.Expr
	args           map[string]*judge.Expr
}

// LoadCauses reads and compiles every cause.yaml below fsys, those that are
// Shared included.
func LoadCauses(fsys fs.FS) ([]*Hypothesis, error) {
	var out []*Hypothesis
	var errs []error
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Base(p) != "cause.yaml" {
			return err
		}
		b, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		h, err := parseCause(path.Dir(p), b)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p, err))
			return nil
		}
		out = append(out, h)
		return nil
	})
	for _, h := range out {
		if err := h.inherit(out); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", h.ID, err))
		}
	}
	return out, errors.Join(append(errs, err)...)
}

func parseCause(id string, b []byte) (*Hypothesis, error) {
	h := &Hypothesis{ID: id}
	dec := yaml.NewDecoder(strings.NewReader(string(b)))
	dec.KnownFields(true)
	if err := dec.Decode(h); err != nil {
		return nil, err
	}
	vars := (&scene{}).vars()
	var err error
	if h.When != "" || h.Like == "" {
		if h.when, err = judge.Compile(h.When, nil, vars); err != nil {
			return nil, err
		}
	}
	if h.args, err = compileArgs(h.Args, nil, vars); err != nil {
		return nil, err
	}
	for _, list := range [][]Speaks{h.For, h.Against, h.Missing} {
		for i := range list {
			list[i].from = id
			if err := list[i].compile(vars); err != nil {
				return nil, fmt.Errorf("%s: %w", list[i].ID, err)
			}
		}
	}
	return h, nil
}

// inherit takes over what the one has that h is like: its own evidence comes
// first.
func (h *Hypothesis) inherit(all []*Hypothesis) error {
	if h.Like == "" {
		return nil
	}
	i := slices.IndexFunc(all, func(o *Hypothesis) bool { return o.ID == h.Like && o.Shared })
	if i < 0 {
		return fmt.Errorf("like: no shared cause %q", h.Like)
	}
	o := all[i]
	if h.when == nil {
		h.when = o.when
	}
	h.For = append(h.For, o.For...)
	h.Against = append(h.Against, o.Against...)
	h.Missing = append(h.Missing, o.Missing...)
	return nil
}

func compileArgs(texts map[string]string, it any, vars map[string]any) (map[string]*judge.Expr, error) {
	out := map[string]*judge.Expr{}
	for name, text := range texts {
		e, err := judge.Compile(text, it, vars)
		if err != nil {
			return nil, err
		}
		out[name] = e
	}
	return out, nil
}

// evidenceKinds are the kinds that evidence can be of, with a value of each.
var evidenceKinds = map[string]any{
	"": nil, fact.KindProcess: &fact.Process{}, fact.KindAutostart: &fact.Autostart{}, fact.KindKey: &fact.Key{},
	fact.KindService: &fact.Service{}, fact.KindLog: &fact.LogEvent{}, fact.KindFile: &fact.File{}, "exposure": &relate.Exposure{},
}

func (s *Speaks) compile(vars map[string]any) (err error) {
	it, ok := evidenceKinds[s.Of]
	if !ok {
		return fmt.Errorf("of: unknown kind %q", s.Of)
	}
	if s.each, err = judge.Compile(s.Each, nil, vars); err != nil {
		return err
	}
	if s.Cite != "" {
		if s.cite, err = judge.Compile(s.Cite, it, vars); err != nil {
			return err
		}
	}
	if s.At != "" {
		if s.at, err = judge.Compile(s.At, it, vars); err != nil {
			return err
		}
	}
	for _, name := range judge.Placeholders(s.Title) {
		if s.Args[name] == "" {
			return fmt.Errorf("title: no arg for {%s}", name)
		}
	}
	s.args, err = compileArgs(s.Args, it, vars)
	return err
}

// The least score at which a cause is named, and from which it is likely and
// confirmed: one artefact that only this way in leaves behind (0.95) confirms
// it, an open door alone (0.3) does not make it likely.
const (
	leastScore     = 0.2
	likelyScore    = 0.6
	confirmedScore = 0.9
)

func rankCauses(sc *scene, hs []*Hypothesis) []Cause {
	var out []Cause
	vars := sc.vars()
	for _, h := range hs {
		if h.Shared {
			continue
		}
		vars["with"] = h.With
		a := judge.Ask(sc.x, vars)
		ok, err := a.Value(h.when, nil)
		if b, _ := ok.(bool); err != nil || !b {
			continue
		}
		c := h.weigh(a)
		if c.Score >= leastScore {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b Cause) int { return -cmp.Compare(a.Score, b.Score) })
	if len(out) == 0 {
		out = append(out, sc.unknown())
	}
	return out
}

// unknown is said where no way in stands, with the logs that were taken away:
// they could have told.
func (sc *scene) unknown() Cause {
	c := Cause{ID: "unknown", Certainty: judge.Possible, Title: i18n.M("cause.unknown"), Fix: i18n.M("cause.unknown.fix")}
	for i := range sc.x.S.Log {
		e := &sc.x.S.Log[i]
		if e.Kind != "log-wiped" && e.Kind != "log-gap" {
			continue
		}
		c.Missing = append(c.Missing, Evidence{
			ID: e.Kind, Origin: &e.Origin, Time: at(e.Time),
			Message: i18n.M("cause.unknown."+e.Kind, "path", e.Origin.Path, "how", "log-"+e.Method),
		})
	}
	return c
}

func (h *Hypothesis) weigh(a *judge.Asker) Cause {
	c := Cause{
		ID:    h.ID,
		Title: i18n.Message{ID: "cause." + h.ID, Args: a.Args(h.args, nil)},
		Fix:   i18n.Message{ID: "cause." + h.ID + ".fix", Args: a.Args(h.args, nil)},
	}
	doubt, trust := 1.0, 1.0
	for i := range h.For {
		if ev := h.For[i].evidence(a, ".for."); len(ev) > 0 {
			doubt *= 1 - h.For[i].Weight
			c.For = append(c.For, ev...)
		}
	}
	for i := range h.Against {
		if ev := h.Against[i].evidence(a, ".against."); len(ev) > 0 {
			trust *= 1 - h.Against[i].Weight
			c.Against = append(c.Against, ev...)
		}
	}
	for i := range h.Missing {
		c.Missing = append(c.Missing, h.Missing[i].evidence(a, ".missing.")...)
	}
	c.Score = math.Round(1000*(1-doubt)*trust) / 1000
	c.Certainty = certaintyOf(c.Score)
	return c
}

func certaintyOf(score float64) string {
	switch {
	case score >= confirmedScore:
		return judge.Confirmed
	case score >= likelyScore:
		return judge.Likely
	}
	return judge.Possible
}

// evidence cites every fact that Each gives, a few at most.
func (s *Speaks) evidence(a *judge.Asker, part string) []Evidence {
	const most = 5
	v, err := a.Value(s.each, nil)
	if err != nil {
		return nil
	}
	if b, ok := v.(bool); ok {
		if !b {
			return nil
		}
		return []Evidence{s.one(a, part, nil)}
	}
	var out []Evidence
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice {
		return nil
	}
	for i := range min(most, list.Len()) {
		out = append(out, s.one(a, part, list.Index(i).Interface()))
	}
	return out
}

func (s *Speaks) one(a *judge.Asker, part string, it any) Evidence {
	e := Evidence{
		ID: s.ID, Weight: s.Weight, About: refOf(it),
		Message: i18n.Message{ID: "cause." + s.from + part + s.ID, Args: a.Args(s.args, it)},
	}
	if s.cite != nil {
		if v, err := a.Value(s.cite, it); err == nil {
			if o, ok := v.(fact.Origin); ok && o.Path != "" {
				e.Origin = &o
			}
		}
	}
	if s.at != nil {
		if v, err := a.Value(s.at, it); err == nil {
			if t, ok := v.(time.Time); ok {
				e.Time = at(t)
			}
		}
	}
	return e
}

func refOf(it any) fact.Ref {
	switch f := it.(type) {
	case *fact.Process:
		return f.Ref
	case *fact.Autostart:
		return f.Ref
	case *fact.Key:
		return f.Ref
	case *fact.Service:
		return f.Ref
	case *fact.File:
		return f.Ref
	case *relate.Exposure:
		return f.Ref
	}
	return ""
}
