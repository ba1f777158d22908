package observe

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"

	"demine/internal/fact"
	unitfile "demine/internal/format/unit"
	"demine/internal/host"
)

var unit = &Observer{
	Name:  "unit",
	Doc:   "systemd services that are enabled, running or started by a timer, socket or path, with their drop-ins; timers",
	Sees:  []string{fact.KindAutostart},
	Needs: []string{"process"},
	Reads: unitReads(),
	See:   seeUnits,
}

// unitDirs is the search path of the system manager, the first wins
// (systemd.unit(5), UNIT FILE LOAD PATH).
var unitDirs = []fact.Path{
	"/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient", "/run/systemd/generator.early",
	"/etc/systemd/system", "/etc/systemd/system.attached", "/run/systemd/system", "/run/systemd/system.attached",
	"/run/systemd/generator", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
	"/run/systemd/generator.late",
}

func unitReads() []string {
	var out []string
	for _, d := range unitDirs {
		out = append(out, string(d), string(d)+"/*", string(d)+"/*/*")
	}
	return out
}

const (
	maxUnitFile = 1 << 20
	maxUnits    = 5000
)

// unitLook is the unit folders of one host.
type unitLook struct {
	v       *View
	p       Part
	dirs    []fact.Path
	where   map[string][]fact.Path // unit, or folder of drop-ins or links → its paths, the winner first
	running map[string]bool
	enabled map[string]fact.Path // unit → the link that enables it
	loaded  map[string]*loadedUnit
	done    map[fact.Ref]bool
	booted  bool // systemd is what runs here, as far as is known
}

// loadedUnit is a unit with its drop-ins applied.
type loadedUnit struct {
	name     string
	path     fact.Path // of the fragment
	outside  bool      // it is in none of the folders: only a link names it
	info     host.Info
	sections []unitfile.Section
	from     map[*unitfile.Entry]fact.Path
}

func seeUnits(ctx context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	u := &unitLook{
		v: v, where: map[string][]fact.Path{}, running: map[string]bool{}, enabled: map[string]fact.Path{},
		loaded: map[string]*loadedUnit{}, done: map[fact.Ref]bool{}, booted: true,
	}
	for i := range in.Process {
		p := &in.Process[i]
		if p.Container == "" && p.Unit != "" {
			u.running[p.Unit] = true
		}
		if p.PID == 1 {
			u.booted = p.Comm == "systemd" || exists(v, "/run/systemd/system")
		}
	}
	u.index()
	if len(u.dirs) == 0 {
		return Part{Absent: true}, nil
	}
	u.links()
	for _, name := range u.wanted() {
		if ctx.Err() != nil || len(u.p.Autostart) >= maxUnits {
			break
		}
		u.add(name)
	}
	return u.p, ctx.Err()
}

// index lists the folders once. /lib may be /usr/lib: a folder counts once.
func (u *unitLook) index() {
	seen := map[fact.FileID]bool{}
	for _, d := range unitDirs {
		i, err := u.v.Stat(d)
		if err != nil || i.Type != "dir" || seen[i.ID] {
			continue
		}
		seen[i.ID] = true
		u.dirs = append(u.dirs, d)
		for _, f := range u.p.list(u.v, d) {
			name := path.Base(string(f))
			u.where[name] = append(u.where[name], f)
		}
	}
}

// links reads the folders of enablement links. The name of the link is what
// systemd goes by.
func (u *unitLook) links() {
	for name, paths := range u.where {
		if !strings.HasSuffix(name, ".wants") && !strings.HasSuffix(name, ".requires") {
			continue
		}
		for _, dir := range paths {
			for _, l := range u.p.list(u.v, dir) {
				u.enabled[path.Base(string(l))] = l
			}
		}
	}
}

// wanted are the units to look at, sorted so that two looks are alike.
func (u *unitLook) wanted() []string {
	var out []string
	for name := range u.enabled {
		out = append(out, name)
	}
	for name := range u.running {
		if u.enabled[name] == "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// add emits a unit that is wanted, and what it triggers.
func (u *unitLook) add(name string) {
	switch path.Ext(name) {
	case ".service":
		u.service(name)
	case ".timer":
		u.timer(name)
	case ".socket", ".path":
		if l := u.load(name); l != nil {
			u.service(l.triggers())
		}
	}
}

// triggers is the service that a timer, socket or path starts.
func (l *loadedUnit) triggers() string {
	for _, s := range l.sections {
		for _, e := range s.Entries {
			if e.Value != "" && (e.Key == "Unit" && s.Name != "Unit" || e.Key == "Service" && s.Name == "Socket") {
				return e.Value
			}
		}
	}
	name := strings.TrimSuffix(l.name, path.Ext(l.name))
	if l.isAccepting() {
		return name + "@.service"
	}
	return name + ".service"
}

func (l *loadedUnit) isAccepting() bool {
	return slices.ContainsFunc(l.setting("Socket", "Accept"), func(e unitfile.Entry) bool {
		return slices.Contains([]string{"yes", "true", "on", "1"}, strings.ToLower(e.Value))
	})
}

// setting gives the assignments of a key that are in force, in order.
func (l *loadedUnit) setting(section string, keys ...string) []unitfile.Entry {
	var out []unitfile.Entry
	for _, s := range l.sections {
		if s.Name != section {
			continue
		}
		for _, e := range s.Entries {
			switch {
			case !slices.Contains(keys, e.Key):
			case e.Value == "":
				out = slices.DeleteFunc(out, func(x unitfile.Entry) bool { return x.Key == e.Key })
			default:
				out = append(out, e)
			}
		}
	}
	return out
}

func (u *unitLook) service(name string) *loadedUnit {
	l := u.load(name)
	if l == nil {
		return nil
	}
	a := u.autostart("unit", l)
	if u.done[a.Ref] {
		return l
	}
	a.Origin.Path, a.Origin.Line = u.origin(l)
	a.Command, a.Shell = l.command()
	a.User = "root"
	if us := l.setting("Service", "User"); len(us) > 0 {
		a.User = us[len(us)-1].Value
	}
	u.put(a)
	return l
}

func (u *unitLook) timer(name string) {
	l := u.load(name)
	if l == nil {
		return
	}
	a := u.autostart("timer", l)
	var when []string
	for _, e := range l.setting("Timer", "OnCalendar", "OnBootSec", "OnStartupSec", "OnActiveSec", "OnUnitActiveSec", "OnUnitInactiveSec") {
		when = append(when, e.Key+"="+e.Value)
	}
	a.Schedule = clip(strings.Join(when, "; "), maxShown)
	if s := u.service(l.triggers()); s != nil {
		a.Command, a.Shell = s.command()
	}
	u.put(a)
}

// autostart is what a service and a timer have in common.
func (u *unitLook) autostart(kind string, l *loadedUnit) fact.Autostart {
	a := fact.Autostart{
		Kind: kind, Name: l.name, Origin: fact.Origin{Path: l.path}, Ref: fact.AutostartRef(kind, l.path, ""),
		Mode: l.info.Mode, Modified: l.info.Modified, Changed: l.info.Changed,
	}
	if base := path.Base(string(l.path)); base != l.name && strings.Contains(base, "@.") {
		a.Ref = fact.AutostartRef(kind, l.path, l.name) // one file, many instances
	}
	switch {
	case !u.booted:
		a.Dormant = "no-daemon"
	case l.outside && !u.running[l.name]:
		a.Dormant = "not-read"
	}
	a.Active = a.Dormant == ""
	return a
}

func (u *unitLook) put(a fact.Autostart) {
	if !u.done[a.Ref] {
		u.done[a.Ref] = true
		u.p.Autostart = append(u.p.Autostart, a)
	}
}

// command joins what the unit runs, in the order in which it runs.
func (l *loadedUnit) command() (string, fact.Shell) {
	var lines []string
	for _, key := range []string{"ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost"} {
		for _, e := range unitfile.Commands(l.sections) {
			if e.Key == key {
				lines = append(lines, e.Value)
			}
		}
	}
	words := make([]string, len(lines))
	for i, line := range lines {
		words[i] = quoted(unitfile.Exec(line))
	}
	sh := shellOf(strings.Join(words, "\n"))
	sh.Preload = append(sh.Preload, l.preloads()...)
	return shown(strings.Join(lines, "\n")), sh
}

// preloads are the libraries that its environment puts into what it runs; a
// later setting takes the place of an earlier one (systemd.exec(5)).
func (l *loadedUnit) preloads() []fact.Path {
	var out []fact.Path
	for _, e := range l.setting("Service", "Environment") {
		for _, w := range unitfile.Exec(e.Value) {
			if value, ok := strings.CutPrefix(w, "LD_PRELOAD="); ok {
				out = nil
				for p := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ':' || r == ' ' }) {
					out = append(out, fact.Path(p))
				}
			}
		}
	}
	return out[:min(len(out), maxTargets)]
}

// quoted makes a shell line of words.
func quoted(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w
		if w == "" || strings.ContainsAny(w, " \t\n'\"\\|&;<>()$`*?[]#~!{}") {
			out[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}

// origin is the place of the first ExecStart in force: a drop-in can have it.
func (u *unitLook) origin(l *loadedUnit) (fact.Path, int) {
	starts := l.setting("Service", "ExecStart")
	if len(starts) == 0 {
		return l.path, 0
	}
	first := starts[0]
	for _, s := range slices.Backward(l.sections) {
		for i := range s.Entries {
			if e := &s.Entries[i]; *e == first {
				return cmp.Or(l.from[e], l.path), e.Line
			}
		}
	}
	return l.path, first.Line
}

// load finds a unit by name and applies its drop-ins; nil when it is not
// there or masked.
func (u *unitLook) load(name string) *loadedUnit {
	if l, ok := u.loaded[name]; ok {
		return l
	}
	u.loaded[name] = nil // also ends circles of aliases
	l := u.fragment(name)
	if l == nil {
		return nil
	}
	if l.name != name { // an alias
		if real := u.load(l.name); real != nil {
			u.loaded[name] = real
			return real
		}
		l.name = name
	}
	u.parse(l, l.path)
	for _, d := range u.dropIns(name) {
		u.parse(l, d)
	}
	u.loaded[name] = l
	return l
}

// fragment finds the file of a unit. A link to another unit of the folders is
// an alias: its name is that of the target.
func (u *unitLook) fragment(name string) *loadedUnit {
	at := fact.Path("")
	outside := false
	switch {
	case len(u.where[name]) > 0:
		at = u.where[name][0]
	case len(u.where[template(name)]) > 0:
		at = u.where[template(name)][0]
	case u.enabled[name] != "":
		at, outside = u.enabled[name], true
	default:
		return nil
	}
	l := &loadedUnit{name: name, path: at, outside: outside, from: map[*unitfile.Entry]fact.Path{}}
	for range 8 {
		i, err := u.v.Lstat(l.path)
		if err != nil {
			return nil
		}
		l.info = i
		if i.Type != "link" {
			break
		}
		target, err := u.v.Readlink(l.path)
		if err != nil {
			return nil
		}
		if !strings.HasPrefix(string(target), "/") {
			target = host.Join(fact.Path(path.Dir(string(l.path))), string(target))
		}
		l.path = fact.Path(path.Clean(string(target)))
	}
	base := path.Base(string(l.path))
	if l.path == "/dev/null" || l.info.Type == "regular" && l.info.Size == 0 {
		return nil // masked
	}
	if at != l.path {
		u.v.Allow(l.path)
		if len(u.where[base]) > 0 && !strings.Contains(base, "@.") {
			l.name = base
		}
	}
	return l
}

// template is "getty@.service" for "getty@tty1.service".
func template(name string) string {
	before, after, ok := strings.Cut(name, "@")
	if !ok {
		return ""
	}
	return before + "@" + path.Ext(after)
}

// dropIns are the files that change a unit, in the order in which they are
// applied: by file name, one of the first folder hiding those of later ones.
func (u *unitLook) dropIns(name string) []fact.Path {
	byName := map[string]fact.Path{}
	for _, folder := range dropInFolders(name) {
		for _, dir := range u.where[folder] {
			for _, f := range u.p.list(u.v, dir) {
				base := path.Base(string(f))
				if byName[base] == "" && strings.HasSuffix(base, ".conf") {
					byName[base] = f
				}
			}
		}
	}
	var out []fact.Path
	for _, f := range byName {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b fact.Path) int { return cmp.Compare(path.Base(string(a)), path.Base(string(b))) })
	return out
}

// dropInFolders: the unit's own, its template's, those of its name cut at each
// dash, and that of its type.
func dropInFolders(name string) []string {
	ext := path.Ext(name)
	out := []string{name + ".d"}
	if t := template(name); t != "" {
		out = append(out, t+".d")
	}
	stem := strings.TrimSuffix(name, ext)
	for i := len(stem) - 1; i > 0; i-- {
		if stem[i] == '-' && i < len(stem)-1 {
			out = append(out, stem[:i+1]+ext+".d")
		}
	}
	return append(out, strings.TrimPrefix(ext, ".")+".d")
}

func (u *unitLook) parse(l *loadedUnit, at fact.Path) {
	b, info, ok := u.p.read(u.v, at, maxUnitFile)
	if !ok {
		return
	}
	if at == l.path {
		l.info = info
	}
	secs := unitfile.Parse(b)
	for i := range secs {
		for j := range secs[i].Entries {
			l.from[&secs[i].Entries[j]] = at
		}
	}
	l.sections = append(l.sections, secs...)
}
