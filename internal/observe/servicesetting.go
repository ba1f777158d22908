package observe

import (
	"path"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/mask"
	"demine/internal/host"
	"demine/services"
)

// read finds the settings of a server, each where it counts most.
func (l *serviceLook) read(s *server) {
	env := l.environ(s)
	var files []fact.Setting
	for _, c := range s.known.Config {
		files = append(files, l.files(s, c, env, files)...)
	}
	names := make([]string, 0, len(s.known.Settings))
	for name := range s.known.Settings {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		src := s.known.Settings[name]
		x, ok := src.Find(s.process.Argv, env, files)
		if !ok {
			continue
		}
		if variable, unset, is := services.Placeholder(x.Value); is && x.From == "file" {
			if !slices.Contains(src.Env, variable) { // its environment was not searched for it
				s.blind, s.gaps = true, append(s.gaps, "config")
				continue
			}
			x.Value = unset
		}
		x.Name, x.Default = name, src.Default
		if src.Secret {
			s.keepSecret(&x, src)
		}
		x.Value = shown(x.Value)
		s.settings = append(s.settings, x)
	}
}

// keepSecret takes the secret out of a setting. One that was masked already,
// on a command line, is set, and nobody knows how weak.
func (s *server) keepSecret(x *fact.Setting, src services.Source) {
	if x.Value == "" {
		return
	}
	s.secret.Set = true
	if x.Value != mask.Hidden && (slices.Contains(src.Stock, x.Value) || guessable(x.Value, s.known.Name)) {
		s.secret.First = src.First && (s.secret.First || !s.secret.Weak)
		s.secret.Weak = true
	}
	x.Value = mask.Hidden
}

// maxEnviron bounds what is read of an environment: the kernel lets one be as
// large as a stack allows, and real ones are a few KiB.
const maxEnviron = 128 << 10

// environ gives the variables that the service is known to look at, no others:
// environments are full of secrets.
func (l *serviceLook) environ(s *server) map[string]string {
	wanted := map[string]bool{}
	for _, src := range s.known.Settings {
		for _, n := range src.Env {
			wanted[n] = true
		}
	}
	for _, c := range s.known.Config {
		for _, n := range c.Env {
			wanted[n] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	out := map[string]string{}
	d, err := l.v.OpenDir(pidPath(s.process.PID))
	if err != nil {
		s.blind = s.blind || denied(err)
		return out
	}
	defer d.Close()
	b, err := d.ReadFile("environ", make([]byte, 0, maxEnviron))
	if denied(err) {
		l.p.gap(pidPath(s.process.PID)+"/environ", err)
		s.blind = true
		s.gaps = append(s.gaps, "environ")
	}
	for entry := range strings.SplitSeq(string(b), "\x00") {
		if name, value, ok := strings.Cut(entry, "="); ok && wanted[name] {
			out[name] = fact.Text([]byte(value))
		}
	}
	return out
}

// files reads one source. The first file that it has is the one to show.
func (l *serviceLook) files(s *server, c services.File, env map[string]string, before []fact.Setting) []fact.Setting {
	paths, named := l.paths(s, c, env, before)
	var out []fact.Setting
	found := false
	for _, f := range paths {
		if f == "" || !exists(l.v, f) {
			s.blind = s.blind || f == ""
			continue
		}
		found = true
		out = append(out, l.file(s, c.Format, f, 0)...)
		if s.config == "" {
			s.config = f
		}
		if !c.All {
			break
		}
	}
	if !found && (named || c.Needed) {
		s.blind = true
		s.gaps = append(s.gaps, "config")
	}
	return out
}

// paths are the files that a source may be, and whether the server itself named
// them.
func (l *serviceLook) paths(s *server, c services.File, env map[string]string, before []fact.Setting) (out []fact.Path, named bool) {
	name, ok := "", false
	for _, f := range c.Flag {
		if !ok {
			name, ok = services.Source{Flag: []string{f}}.Option(s.process.Argv)
		}
	}
	if i := slices.IndexFunc(s.process.Argv, c.Named); !ok && i > 0 {
		name, ok = s.process.Argv[i], true
	}
	if title := strings.Join(s.process.Argv, " "); !ok && c.Title.Regexp != nil {
		if m := c.Title.FindStringSubmatch(strings.TrimRight(title, " ")); m != nil {
			name, ok = m[1], true
		}
	}
	for _, n := range c.Env {
		if !ok {
			name, ok = env[n]
		}
	}
	if src, of := s.known.Settings[c.Setting]; !ok && of {
		var x fact.Setting
		x, ok = src.Find(s.process.Argv, env, before)
		name = x.Value
	}
	if ok && name != "" {
		name = strings.TrimPrefix(name, "file:")
		if c.File != "" && path.Base(name) != c.File {
			name = path.Join(name, c.File)
		}
		return []fact.Path{l.at(s, name)}, true
	}
	for _, f := range c.Paths {
		at := l.at(s, f)
		if strings.Contains(f, "*") {
			out = append(out, l.p.glob(l.v, at)...)
			continue
		}
		out = append(out, at)
	}
	for _, f := range out {
		l.v.Allow(f)
	}
	return out, false
}

// at is where demine finds a file that a server names.
func (l *serviceLook) at(s *server, name string) fact.Path {
	if !strings.HasPrefix(name, "/") {
		if s.process.Cwd == "" {
			return "" // without root it is not known where it runs
		}
		name = string(host.Join(s.process.Cwd, name))
	}
	name = path.Clean("/" + name)
	if s.process.Container != "" {
		name = string(host.Join(pidPath(s.process.PID), "root"+name))
	}
	l.v.Allow(fact.Path(name))
	return fact.Path(name)
}

// maxOpened bounds the files of settings of one server: files can include each
// other, and each of a folder all of it.
const maxOpened = 100

// file reads one file with what it includes.
func (l *serviceLook) file(s *server, format string, f fact.Path, depth int) []fact.Setting {
	if s.opened++; s.opened > maxOpened {
		if s.opened == maxOpened+1 {
			l.p.Gaps = append(l.p.Gaps, fact.Gap{Code: "too-many", What: f.String()})
			s.gaps = append(s.gaps, "config")
		}
		s.blind = true
		return nil
	}
	b, _, err := l.v.ReadFile(f, maxConfig)
	var out []fact.Setting
	if err == nil {
		out, err = services.Formats[format](b)
	}
	if err != nil {
		l.p.gap(f, err)
		s.blind = true
		s.gaps = append(s.gaps, "config")
	}
	var all []fact.Setting
	for _, x := range out {
		x.Origin.Path = f
		if !services.Includes(format, x.Name) || depth >= maxIncludes {
			all = append(all, x)
			continue
		}
		for _, g := range l.included(s, x, f) {
			all = append(all, l.file(s, format, g, depth+1)...)
		}
	}
	return all
}

// included are those files: of a folder its *.conf and *.cnf, sorted.
func (l *serviceLook) included(s *server, x fact.Setting, from fact.Path) []fact.Path {
	var out []fact.Path
	for _, name := range strings.Fields(x.Value) {
		if !strings.HasPrefix(name, "/") {
			name = path.Join(path.Dir(string(from)), name)
		} else {
			name = string(l.at(s, name))
		}
		if !strings.HasSuffix(x.Name, "dir") && !strings.HasPrefix(x.Name, "&") {
			out = append(out, l.p.glob(l.v, fact.Path(name))...)
			continue
		}
		for _, ending := range []string{"/*.conf", "/*.cnf", "/*.inc"} {
			out = append(out, l.p.glob(l.v, fact.Path(name+ending))...)
		}
	}
	return out
}
