package judge

import (
	"path"
	"slices"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/relate"
)

// functions are what rules can ask beside "it". None returns nil: a fact that
// is not there is its zero value. With a nil Index they are only signatures.
func functions(x *relate.Index, t *tracker) map[string]any {
	f := asker{x, t}
	return map[string]any{
		"now": f.now, "cpus": f.cpus,
		"parent": f.parent, "ancestors": f.ancestors, "children": f.children, "family": f.family,
		"process": f.process, "sockets": f.sockets, "image": f.image, "file": f.file,
		"packaged": f.packaged, "miner_code": f.minerCode, "uninstalled": uninstalled,
		"own_tools": ownTools, "replaced": f.replaced, "account": f.account, "shell": relate.Shell,
		"schedule": f.schedule, "started": f.started, "starter": f.starter, "targets": f.targets,
		"service": f.service, "setting": f.setting, "transient": transient, "exposures": f.exposures, "business": f.business,
		"used_before": f.usedBefore, "opens_port": relate.OpensPort,
		"memory": memory, "packed": packed, "script": script, "outbound": f.outbound,
		"container": f.container, "flows": f.flows, "asleep": f.asleep, "kernel": f.kernel,
		"within": within, "base": base, "text": text,
	}
}

// asker answers for one evaluation.
type asker struct {
	x *relate.Index
	t *tracker
}

func (f asker) now() time.Time { return f.x.Now }

func (f asker) cpus() int { return max(1, f.x.S.Host.CPUs) }

func (f asker) parent(p *fact.Process) *fact.Process {
	if q := f.x.Parent(p); q != nil {
		return q
	}
	return &fact.Process{}
}

func (f asker) ancestors(p *fact.Process) []*fact.Process { return f.x.Ancestors(p) }
func (f asker) children(p *fact.Process) []*fact.Process  { return f.x.Children(p) }
func (f asker) family(p *fact.Process) []*fact.Process    { return f.x.Family(p) }

func (f asker) sockets(p *fact.Process) []*fact.Socket {
	f.t.covered("socket")
	return f.x.Sockets(p)
}

func (f asker) image(p *fact.Process) *fact.File {
	if i := f.x.Image(p); i != nil {
		return i
	}
	return &fact.File{}
}

// memory is empty where none was searched.
func memory(p *fact.Process) *fact.Memory {
	if p.Memory != nil {
		return p.Memory
	}
	return &fact.Memory{}
}

// packed: what lies on disk is not what runs.
func packed(v *fact.File) bool { return v.ELF.Packed() }

// outbound: it holds a TCP connection that it opened itself: nobody listens on
// the near end's port.
func (f asker) outbound(p *fact.Process) bool {
	for _, s := range f.sockets(p) {
		if s.State != "ESTABLISHED" || !strings.HasPrefix(s.Proto, "tcp") {
			continue
		}
		listens := func(l fact.Socket) bool { return l.State == "LISTEN" && l.Port == s.Port && l.NetNS == s.NetNS }
		if !slices.ContainsFunc(f.x.S.Socket, listens) {
			return true
		}
	}
	return false
}

func (f asker) file(p string) *fact.File {
	if i := f.x.FileAt(fact.Path(p)); i != nil {
		return i
	}
	return &fact.File{}
}

// packaged: a package owns the file and nobody changed it since, as far as was
// compared.
func (f asker) packaged(v *fact.File) bool {
	if v.Verified == "changed" {
		return false
	}
	if v.Package != "" && v.Verified == "" && f.minerCode(v) {
		// Whoever overwrites a package's program with a miner owns no package.
		return f.t.undecided("packaged "+string(v.Ref), "package")
	}
	if slices.Contains(v.Gaps, "other-namespace") {
		// A container has packages of its own, which are not read.
		return f.t.undecided("packaged "+string(v.Ref), "package")
	}
	return f.t.ask("packaged "+string(v.Ref), "package", v.Package != "")
}

// minerCode: constants of mining algorithms are in the image: one that is in
// nothing else, or two that are nearly so (patterns/). The operator's own rules
// can be about anything.
func (f asker) minerCode(v *fact.File) bool {
	strong := 0
	for _, p := range v.Patterns {
		switch {
		case strings.HasPrefix(p.ID, "yara:"):
		case p.Strength == "conclusive":
			return true
		case p.Strength == "strong":
			strong++
		}
	}
	return strong >= 2
}

func (f asker) schedule(a *fact.Autostart) *relate.Schedule {
	if s := f.x.ScheduleOf(a.Ref); s != nil {
		return s
	}
	return &relate.Schedule{}
}

// started gives the processes that a job started.
func (f asker) started(a *fact.Autostart) []*fact.Process {
	var out []*fact.Process
	for _, s := range f.schedule(a).Started {
		if p := f.x.Process(s.Process); p != nil {
			out = append(out, p)
		}
	}
	return out
}

// starter gives the autostarts that a process can have come from.
func (f asker) starter(p *fact.Process) []*fact.Autostart {
	var out []*fact.Autostart
	for i := range f.x.Schedules {
		for _, s := range f.x.Schedules[i].Started {
			if a := f.x.Autostart(f.x.Schedules[i].Ref); s.Process == p.Ref && a != nil {
				out = append(out, a)
			}
		}
	}
	return out
}

// targets gives the files that an autostart names.
func (f asker) targets(a *fact.Autostart) []*fact.File {
	f.t.covered("file")
	var out []*fact.File
	for _, r := range a.Targets {
		if v := f.x.File(r); v != nil {
			out = append(out, v)
		}
	}
	return out
}

func (f asker) process(r string) *fact.Process {
	if p := f.x.Process(fact.Ref(r)); p != nil {
		return p
	}
	return &fact.Process{}
}

func (f asker) service(p *fact.Process) *fact.Service {
	if s := f.x.ServiceOf(p); s != nil {
		return s
	}
	return &fact.Service{}
}

func (f asker) setting(s *fact.Service, name string) fact.Setting { return s.Setting(name) }

// exposures gives the listeners of a service.
func (f asker) exposures(s *fact.Service) []*relate.Exposure {
	f.t.covered("socket")
	var out []*relate.Exposure
	for i := range f.x.Exposures {
		if e := &f.x.Exposures[i]; s.Process != "" && e.Process == s.Process {
			out = append(out, e)
		}
	}
	return out
}

// usedBefore: somebody logged in with the key before that moment, as the logs
// tell. Logs that hold no login by key from before it do not tell. A dump bears
// the time of its last save only: any older dump moves the moment back, and
// where Redis still saves into the folder the first save is not known.
func (f asker) usedBefore(k *fact.Key, t time.Time) bool {
	question := "used " + string(k.Ref)
	oldest := f.oldestDump(t)
	seen := !k.FirstUsed.IsZero() && k.FirstUsed.Before(oldest)
	if seen && oldest.Equal(t) && f.savesInto(path.Dir(string(k.Origin.Path))) {
		return f.t.undecided(question, "redis")
	}
	t = oldest
	if seen || f.loginsBefore(t) {
		return f.t.ask(question, "log", seen)
	}
	return f.t.undecided(question, "log")
}

// oldestDump is the earliest save of a planted dump, t at the latest.
func (f asker) oldestDump(t time.Time) time.Time {
	earlier := func(m *fact.RDBMark) {
		if m != nil && !m.Saved.IsZero() && m.Saved.Before(t) {
			t = m.Saved
		}
	}
	for i := range f.x.S.Autostart {
		earlier(f.x.S.Autostart[i].RDB)
	}
	for i := range f.x.S.Key {
		earlier(f.x.S.Key[i].RDB)
	}
	return t
}

func (f asker) savesInto(dir string) bool {
	return slices.ContainsFunc(f.x.S.Service, func(s fact.Service) bool {
		return s.Name == "redis" && path.Clean(s.Setting("dir").Value) == dir
	})
}

func (f asker) loginsBefore(t time.Time) bool {
	return slices.ContainsFunc(f.x.S.Log, func(e fact.LogEvent) bool {
		return e.Kind == "ssh-accepted" && e.Key != "" && !e.Time.IsZero() && e.Time.Before(t)
	})
}

// replaced: the program was deleted, and another one stands in its place, as
// after an upgrade.
func (f asker) replaced(p *fact.Process) bool {
	if !p.ExeDeleted || p.Container != "" || strings.HasPrefix(string(p.Exe), "/memfd:") {
		return false
	}
	if v := f.x.FileAt(p.Exe); v != nil {
		return v.Type == "regular"
	}
	return f.t.undecided("replaced "+string(p.Ref), "file")
}

// account: without the right to read /etc/shadow it is not known whether a
// password is locked.
func (f asker) account(name string) *fact.Account {
	f.t.covered("account")
	for i := range f.x.S.Account {
		if a := &f.x.S.Account[i]; a.Name == name {
			return a
		}
	}
	return &fact.Account{}
}

// business: the process serves clients from other hosts.
func (f asker) business(p *fact.Process) bool { return f.x.Serves(p) > 0 }

// container gives the one that a process runs in.
func (f asker) container(p *fact.Process) *fact.Container {
	if c := f.x.ContainerOf(p); c != nil {
		return c
	}
	if p.Container != "" {
		f.t.covered("container")
	}
	return &fact.Container{}
}

// flows gives what was heard of mining on the connections of a process. That
// nobody listened speaks for nothing and against nothing: it leans on no
// coverage.
func (f asker) flows(p *fact.Process) []*fact.Flow { return f.x.Flows(p) }

// asleep gives what a process used before that does nothing now.
func (f asker) asleep(p *fact.Process) relate.Past { return f.x.Asleep(p) }

// kernel: what was seen of its state.
func (f asker) kernel() *fact.Kernel {
	f.t.covered("kernel")
	return &f.x.S.Kernel
}

// within: the two moments are at most this many seconds apart.
func within(a, b time.Time, seconds int) bool {
	return !a.IsZero() && !b.IsZero() && a.Sub(b).Abs() <= time.Duration(seconds)*time.Second
}

// transient: a unit that somebody started with systemd-run: it is gone with the
// process, and starts nothing by itself. Timers do.
func transient(a *fact.Autostart) bool {
	return a.Kind == "unit" && strings.HasPrefix(string(a.Origin.Path), "/run/systemd/transient/")
}

// text is the bytes of a Path or Ref as the engine's operators want them.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case fact.Path:
		return string(v)
	case fact.Ref:
		return string(v)
	}
	return ""
}

func base(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

func uninstalled(p string) bool { return relate.Uninstalled(fact.Path(p)) }

func script(p *fact.Process) string { return string(relate.Script(p)) }

func ownTools(p string) bool { return relate.OwnTools(fact.Path(p)) }

// undecided asks a yes-or-no question that nothing of what was seen answers.
func (t *tracker) undecided(question, observer string) bool {
	if t.covered(observer) {
		t.unseen = append(t.unseen, Unseen{Observer: observer, Gap: fact.Gap{Code: "unseen"}})
	}
	if a, ok := t.assign[question]; ok {
		return a
	}
	if t.open == "" {
		t.open = question
	}
	return false
}
