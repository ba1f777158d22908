package judge

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"demine/internal/fact"
	"demine/internal/relate"
)

// Rule is a judgement as data. It looks at one subject, "it", at a time.
type Rule struct {
	ID        string            `yaml:"-"` // the folder: tactic/name
	Title     string            `yaml:"title"`
	Why       string            `yaml:"why"`   // what it means
	Blind     string            `yaml:"blind"` // what it does not see
	For       string            `yaml:"for"`   // kind of "it"
	When      string            `yaml:"when"`
	Unless    []Except          `yaml:"unless"`
	Args      map[string]string `yaml:"args"`  // placeholder of the title → expression
	About     string            `yaml:"about"` // expression: Refs of other facts that it speaks of
	Class     string            `yaml:"class"`
	Certainty string            `yaml:"certainty"`
	Severity  int               `yaml:"severity"`
	Attack    []string          `yaml:"attack"`
	Remedy    []string          `yaml:"remedy"`
	Trial     bool              `yaml:"trial"`
	Needs     []string          `yaml:"needs"` // observers whose gaps make it unknown for the whole kind

	when, about *Expr
	args        map[string]*Expr
}

// Except is a named reason to let a subject be.
type Except struct {
	ID   string `yaml:"id"`
	When string `yaml:"when"`
	Why  string `yaml:"why"`
	when *Expr
}

// kinds are the kinds that rules can be for, with a value of each.
var kinds = map[string]any{
	fact.KindProcess:   &fact.Process{},
	fact.KindAutostart: &fact.Autostart{},
	fact.KindFile:      &fact.File{},
	fact.KindAccount:   &fact.Account{},
	fact.KindKey:       &fact.Key{},
	fact.KindService:   &fact.Service{},
	fact.KindContainer: &fact.Container{},
	fact.KindFlow:      &fact.Flow{},
	fact.KindModule:    &fact.Module{},
	fact.KindLoad:      &fact.Load{},
	fact.KindFirewall:  &fact.Ruleset{},
	"exposure":         &relate.Exposure{},
	"opening":          &relate.OpenRule{},
}

// LoadRules reads every rule.yaml below fsys and compiles it. A rule that is
// wrong is an error: rules are code.
func LoadRules(fsys fs.FS) ([]*Rule, error) {
	var rules []*Rule
	var errs []error
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Base(p) != "rule.yaml" {
			return err
		}
		b, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		r, err := ParseRule(path.Dir(p), b)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p, err))
			return nil
		}
		rules = append(rules, r)
		return nil
	})
	return rules, errors.Join(append(errs, err)...)
}

// ParseRule reads and compiles one rule.
func ParseRule(id string, b []byte) (*Rule, error) {
	r := &Rule{ID: id}
	dec := yaml.NewDecoder(strings.NewReader(string(b)))
	dec.KnownFields(true)
	if err := dec.Decode(r); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r, r.compile()
}

var placeholder = regexp.MustCompile(`\{([a-z_0-9]+)(:[a-z]+)?\}`)

// Placeholders gives the names in braces in a text, sorted, each once.
func Placeholders(text string) []string {
	var out []string
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (r *Rule) check() error {
	switch {
	case kinds[r.For] == nil:
		return fmt.Errorf("for: unknown kind %q", r.For)
	case r.Class != Attack && r.Class != Posture:
		return fmt.Errorf("class: %q is neither attack nor posture", r.Class)
	case !slices.Contains([]string{Confirmed, Likely, Possible}, r.Certainty):
		return fmt.Errorf("certainty: unknown word %q", r.Certainty)
	case r.Severity < 1 || r.Severity > 5:
		return fmt.Errorf("severity: %d is not 1 to 5", r.Severity)
	case r.Title == "" || r.Why == "" || r.Blind == "":
		return errors.New("title, why and blind must say something")
	}
	for _, name := range Placeholders(r.Title) {
		if r.Args[name] == "" {
			return fmt.Errorf("title: no arg for {%s}", name)
		}
	}
	for _, e := range r.Unless {
		if e.ID == "" || e.When == "" || e.Why == "" {
			return errors.New("unless: id, when and why must say something")
		}
	}
	return nil
}

func (r *Rule) compile() (err error) {
	it := kinds[r.For]
	if r.when, err = Compile(r.When, it, nil); err != nil {
		return err
	}
	for i := range r.Unless {
		if r.Unless[i].when, err = Compile(r.Unless[i].When, it, nil); err != nil {
			return err
		}
	}
	if r.About != "" {
		if r.about, err = Compile(r.About, it, nil); err != nil {
			return err
		}
	}
	r.args = map[string]*Expr{}
	for name, text := range r.Args {
		if r.args[name], err = Compile(text, it, nil); err != nil {
			return err
		}
	}
	return nil
}
