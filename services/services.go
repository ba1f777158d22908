// Package services is the content that says how a server is recognised, which
// of its settings decide whether it asks for a password, and what it may be
// asked: one YAML file a service, embedded. Here is also what such a file means;
// nothing of it touches a host.
package services

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed *.yaml
var content embed.FS

// All are the services, by name. The content is part of the program: what is
// wrong in it a test finds.
var All = sync.OnceValue(func() []*Service {
	out, err := load(content)
	if err != nil {
		panic(err.Error())
	}
	return out
})

// Service is a service as services/NAME.yaml tells it. Patterns are anchored at
// both ends; those of values and arguments do not see the difference between
// upper and lower case.
type Service struct {
	Name     string            `yaml:"-"`        // of the file
	Title    string            `yaml:"title"`    // as its makers write it
	Gives    string            `yaml:"gives"`    // what whoever gets in has: commands, data, files
	Is       []Identity        `yaml:"is"`       // any of them
	Ports    []int             `yaml:"ports"`    // where it serves those that Auth is about, as it comes; nothing is recognised by them
	At       string            `yaml:"at"`       // the one of Settings that names other ports
	Config   []File            `yaml:"config"`   // later ones lose against those before
	Settings map[string]Source `yaml:"settings"` // that decide, or that say where it listens
	Auth     []Rule            `yaml:"auth"`     // the first that holds
	Ask      *Question         `yaml:"ask"`      // nil: it is not asked
	Samples  []Sample          `yaml:"samples"`  // for the test
}

// Identity recognises a process.
type Identity struct {
	Kernel string  `yaml:"kernel"` // name of a kernel thread, and nothing else
	Exe    Pattern `yaml:"exe"`    // base name of the program, or of the name of a process whose program is not shown
	Argv   Pattern `yaml:"argv"`   // one of its arguments, where the program is an interpreter
}

// Of gives the service that a program with these arguments is, or nil.
func Of(exe string, argv []string) *Service {
	for _, k := range All() {
		if slices.ContainsFunc(k.Is, func(i Identity) bool { return i.match(exe, argv) }) {
			return k
		}
	}
	return nil
}

// OfKernel gives the service that kernel threads of this name are, or nil.
func OfKernel(thread string) *Service {
	for _, k := range All() {
		if slices.ContainsFunc(k.Is, func(i Identity) bool { return i.Kernel != "" && i.Kernel == thread }) {
			return k
		}
	}
	return nil
}

func (i Identity) match(exe string, argv []string) bool {
	if i.Exe.Regexp == nil || !i.Exe.MatchString(exe) {
		return false
	}
	return i.Argv.Regexp == nil || slices.ContainsFunc(argv[min(1, len(argv)):], i.Argv.MatchString)
}

// File says where settings are read.
type File struct {
	Format  string   `yaml:"format"`  // one of Formats
	Flag    []string `yaml:"flag"`    // options of the command line that name the file
	Arg     Pattern  `yaml:"arg"`     // argument that is the name itself, where no option says so
	Env     []string `yaml:"env"`     // variables that do
	Title   Pattern  `yaml:"title"`   // the name that it gives itself, where that tells the file: the first group
	Setting string   `yaml:"setting"` // the one of Settings that does, in files before this
	File    string   `yaml:"file"`    // its name below the folder that those name
	Paths   []string `yaml:"paths"`   // else; relative ones are below the folder that it runs in; * matches in a name
	All     bool     `yaml:"all"`     // every file of Paths is read, not the first that there is
	Needed  bool     `yaml:"needed"`  // it does not start without one: where none is found, its settings are not Service
}

// Named reports whether an argument is the name of the file.
func (f File) Named(arg string) bool { return f.Arg.Regexp != nil && f.Arg.MatchString(arg) }

// Source says by which names a setting goes. The command line is before
// the environment, and that before files.
type Source struct {
	Flag    []string `yaml:"flag"`   // -n; -n* where the value may follow at once: many programs have -cp beside -c
	Switch  []string `yaml:"switch"` // options without a value: yes where given
	Env     []string `yaml:"env"`
	Key     []string `yaml:"key"` // names in files; * is one part of a dotted name; of several, their values are joined
	Default string   `yaml:"default"`
	Stock   []string `yaml:"stock"`  // of a secret, what is shipped: everybody knows it
	First   bool     `yaml:"first"`  // it counts at the first start only, as the variables of images do that make an account
	Secret  bool     `yaml:"secret"` // only whether it is set, and whether it can be guessed, is kept
}

// Rule gives the answer when all of its conditions hold.
type Rule struct {
	When   map[string]Pattern `yaml:"when"`   // setting → Pattern; one that is not set is empty
	Before string             `yaml:"before"` // versions; where the version is not Service, the answer is unknown
	Auth   string             `yaml:"auth"`
	At     string             `yaml:"at"` // the setting that names the ports that this is true of, if not that of the service
}

// Question is what a server is asked, once, by whoever is on its host: it reads
// and gives no credentials.
type Question struct {
	Get   string             `yaml:"get"`  // path of an HTTP request
	Says  string             `yaml:"says"` // what the bytes say, where people cannot read them
	Send  string             `yaml:"send"` // bytes, as letters up to U+00FF
	TLS   map[string]Pattern `yaml:"tls"`  // setting → Pattern: when all hold, the server speaks TLS and nothing else; {}: always
	Means []Meaning          `yaml:"means"`
}

// Meaning is the first that matches of what an answer can mean. Parts of the
// Pattern named "version" and so on are kept.
type Meaning struct {
	Status string  `yaml:"status"` // of HTTP
	Answer Partial `yaml:"answer"`
	Auth   string  `yaml:"auth"` // empty: only its version is told
}

// Sample is a server as it is met, for the tests.
type Sample struct {
	Name    string            `yaml:"name"`
	Exe     string            `yaml:"exe"`
	Argv    []string          `yaml:"argv"`
	Env     map[string]string `yaml:"env"`
	Files   map[string]string `yaml:"files"`
	Answer  *string           `yaml:"answer"` // nil: nothing answers
	Auth    string            `yaml:"auth"`
	By      string            `yaml:"by"`
	Version string            `yaml:"version"`
	Weak    bool              `yaml:"weak"`
}

// Pattern matches a whole text, Partial a part of what a server answered.
type (
	Pattern struct{ *regexp.Regexp }
	Partial struct{ *regexp.Regexp }
)

// UnmarshalYAML compiles a Pattern.
func (p *Pattern) UnmarshalYAML(n *yaml.Node) (err error) {
	p.Regexp, err = regexp.Compile(`(?is)\A(?:` + n.Value + `)\z`)
	return err
}

// UnmarshalYAML compiles a Pattern.
func (p *Partial) UnmarshalYAML(n *yaml.Node) (err error) {
	p.Regexp, err = regexp.Compile(n.Value)
	return err
}

func load(fsys fs.FS) ([]*Service, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []*Service
	var errs []error
	for _, name := range names {
		k, err := parse(fsys, name)
		if err != nil {
			errs = append(errs, fmt.Errorf("services/%s: %w", name, err))
		}
		out = append(out, k)
	}
	return out, errors.Join(errs...)
}

func parse(fsys fs.FS, name string) (*Service, error) {
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	k := &Service{Name: strings.TrimSuffix(name, ".yaml")}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(k); err != nil {
		return nil, err
	}
	return k, k.check()
}

var auths = []string{"none", "password", "key", "acl", "unknown"}

func (k *Service) check() error {
	if k.Title == "" || len(k.Is) == 0 || !slices.Contains([]string{"commands", "data", "files"}, k.Gives) {
		return errors.New("title, is and gives must say something")
	}
	for _, c := range k.Config {
		if Formats[c.Format] == nil {
			return fmt.Errorf("config: unknown format %q", c.Format)
		}
	}
	for _, a := range k.Auth {
		if !slices.Contains(auths, a.Auth) {
			return fmt.Errorf("auth: unknown word %q", a.Auth)
		}
		for name := range a.When {
			if _, ok := k.Settings[name]; !ok {
				return fmt.Errorf("auth: no setting %q", name)
			}
		}
		if _, ok := k.Settings[a.At]; a.At != "" && !ok {
			return fmt.Errorf("auth: at: no setting %q", a.At)
		}
	}
	if _, ok := k.Settings[k.At]; k.At != "" && !ok {
		return fmt.Errorf("at: no setting %q", k.At)
	}
	if k.Ask != nil {
		for name := range k.Ask.TLS {
			if _, ok := k.Settings[name]; !ok {
				return fmt.Errorf("ask: tls: no setting %q", name)
			}
		}
	}
	return k.Ask.check()
}

func (q *Question) check() error {
	if q == nil {
		return nil
	}
	if len(q.Means) == 0 || q.Get != "" && (q.Send != "" || !strings.HasPrefix(q.Get, "/") || strings.ContainsAny(q.Get, " \r\n")) {
		return errors.New("ask: either a path or bytes, and what answers mean")
	}
	for _, m := range q.Means {
		if m.Auth != "" && !slices.Contains(auths, m.Auth) || m.Answer.Regexp == nil && m.Status == "" {
			return fmt.Errorf("ask: %+v", m)
		}
	}
	return nil
}
