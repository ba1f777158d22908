package observe

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"demine/internal/fact"
	"demine/internal/format/elf"
	"demine/internal/format/shell"
	"demine/internal/host"
)

var file = &Observer{
	Name: "file",
	Doc: "the files that processes run and that autostarts, keys and services name: whose they are and who could change them; " +
		"and libraries that run in services which do not ask for them",
	Sees:    []string{fact.KindFile, fact.KindProcess, fact.KindAutostart},
	Needs:   []string{"account", "process", "load", "cron", "unit", "rc", "key", "sshd", "redis", "image"},
	Reads:   []string{"/etc/ld.so.preload", "/etc/group", "/proc/*", "/proc/*/exe", "/proc/*/map_files/*"},
	Follows: []string{fact.KindProcess, fact.KindAutostart, fact.KindService},
	See:     seeFiles,
}

const (
	maxFiles       = 3000
	maxTargets     = 32 // of one autostart
	maxScriptRead  = 64 << 10
	maxScriptsRead = 16 << 20 // of all together
	headSize       = 512
)

// fileLook collects what points at which path, then describes each once.
type fileLook struct {
	v       *View
	in      *fact.Snapshot
	p       Part
	places  *places
	have    map[fact.Ref]*fact.File
	pointed map[fact.Path][]string
	order   []fact.Path
	scripts int
	run     map[fact.Path]bool // by an autostart
	mapped  map[fact.Path]*fact.Mapped
}

func seeFiles(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	l := &fileLook{
		v: v, in: in, places: newPlaces(v, in), have: map[fact.Ref]*fact.File{}, pointed: map[fact.Path][]string{},
		run: map[fact.Path]bool{}, mapped: map[fact.Path]*fact.Mapped{},
	}
	for i := range in.File {
		l.have[in.File[i].Ref] = &in.File[i]
	}
	for _, f := range sc.Files {
		l.point(f, "")
	}
	l.pointers()
	l.unasked(ctx)
	l.processes(ctx)
	if over := len(l.order) - maxFiles; over > 0 {
		l.p.Gaps = append(l.p.Gaps, fact.Gap{Code: "too-many", What: "files", Count: over})
		l.order = l.order[:maxFiles]
	}
	known := map[fact.Ref]bool{}
	for _, f := range l.order {
		if ctx.Err() != nil {
			return l.p, ctx.Err()
		}
		x := l.describe(f)
		known[x.Ref] = true
		l.p.File = append(l.p.File, x)
	}
	l.autostarts(known)
	return l.p, ctx.Err()
}

// point notes that a fact of a kind names a path. It is false for one that leads
// to no file that could be described.
func (l *fileLook) point(f fact.Path, kind string) bool {
	if !strings.HasPrefix(string(f), "/") || len(f) > 4096 || pseudo(f) {
		return false
	}
	f = fact.Path(path.Clean(string(f)))
	ks, ok := l.pointed[f]
	if !ok {
		l.order = append(l.order, f)
		l.v.Allow(f)
	}
	if kind != "" && !slices.Contains(ks, kind) {
		ks = append(ks, kind)
	}
	l.pointed[f] = ks
	return true
}

// pseudo are places that hold no files: /dev but its shared memory, and the
// kernel's own file systems.
func pseudo(f fact.Path) bool {
	s := string(f)
	if s == "/" || s == "/proc" || s == "/sys" || s == "/dev" {
		return true
	}
	return strings.HasPrefix(s, "/proc/") || strings.HasPrefix(s, "/sys/") ||
		strings.HasPrefix(s, "/dev/") && !strings.HasPrefix(s, "/dev/shm/") && !strings.HasPrefix(s, "/dev/mqueue/")
}

// pointers goes through the facts, those that matter most first.
func (l *fileLook) pointers() {
	for i := range l.in.Process {
		if p := &l.in.Process[i]; p.Exe != "" && !p.ExeDeleted && p.Container == "" && l.isThere(p) {
			l.point(p.Exe, "process")
		}
	}
	for i := range l.in.Autostart {
		a := &l.in.Autostart[i]
		l.point(a.Origin.Path, "autostart")
		for _, t := range targets(a) {
			l.point(t, "autostart")
		}
		for _, t := range a.Shell.Runs {
			l.run[fact.Path(path.Clean(string(t)))] = true
		}
	}
	for i := range l.in.Key {
		l.point(l.in.Key[i].Origin.Path, "key")
	}
	for i := range l.in.Service {
		l.point(l.in.Service[i].Config, "service")
	}
	l.preloads()
}

// targets are the files that a command runs or names; of an init script, which
// names half the file system, only those that it runs.
func targets(a *fact.Autostart) []fact.Path {
	var out []fact.Path
	lists := [][]fact.Path{a.Shell.Runs, a.Shell.Preload, a.Shell.Paths, a.Shell.Writes}
	if a.Kind == "init" {
		lists = lists[:2]
	}
	for _, ps := range lists {
		for _, p := range ps {
			if len(out) < maxTargets && !slices.Contains(out, p) && !pseudo(p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// isThere: the path of an exe still leads to the file that runs.
func (l *fileLook) isThere(p *fact.Process) bool {
	if p.ExeID == (fact.FileID{}) {
		return true
	}
	i, err := l.v.Stat(p.Exe)
	return err == nil && i.ID == p.ExeID
}

// processes gives every process the file of its image, and describes those
// images that no path leads to.
func (l *fileLook) processes(ctx context.Context) {
	done := map[fact.Ref]bool{}
	for i := range l.in.Process {
		p := l.in.Process[i]
		if p.Kernel || p.Exe == "" || ctx.Err() != nil {
			continue
		}
		f := fact.Path(path.Clean(string(p.Exe)))
		switch {
		case l.pointed[f] != nil && !p.ExeDeleted && p.Container == "" && l.isThere(&p):
			p.ExeFile = fact.FileRef(f)
		case pseudo(f):
		default:
			if l.have[p.ExeFile] == nil {
				p.ExeFile = imageRef(&p)
			}
			if !done[p.ExeFile] && len(l.p.File) < maxFiles {
				done[p.ExeFile] = true
				l.p.File = append(l.p.File, l.image(&p))
			}
		}
		if p.ExeFile != l.in.Process[i].ExeFile {
			l.p.Process = append(l.p.Process, p)
		}
	}
}

// imageRef names the image of a process that its path does not lead to: a
// deleted one, one of a container, one in another mount namespace.
func imageRef(p *fact.Process) fact.Ref {
	switch {
	case p.Container != "":
		return fact.Ref(fmt.Sprintf("file:%.12s@%s", p.Container, p.Exe))
	case p.ExeDeleted:
		return fact.Ref(fact.FileRef(p.Exe) + " (deleted)")
	}
	return fact.Ref(fmt.Sprintf("file:%x-%d@%s", p.ExeID.Dev, p.ExeID.Ino, p.Exe))
}

// image describes what a process runs by its link in /proc.
func (l *fileLook) image(p *fact.Process) fact.File {
	f := fact.File{Ref: p.ExeFile, Path: p.Exe, ID: p.ExeID, Deleted: p.ExeDeleted, Pointed: []string{"process"}}
	if !p.ExeDeleted {
		f.Gaps = append(f.Gaps, "other-namespace") // what stands at this path on the host is another file
	}
	l.keep(&f)
	link := host.Join(pidPath(p.PID), "exe")
	i, err := l.v.Stat(link)
	if err != nil || p.ExeID != (fact.FileID{}) && i.ID != p.ExeID {
		f.Gaps = append(f.Gaps, "stat")
		return f
	}
	l.fill(&f, i)
	l.content(&f, link)
	return f
}

// describe is the File of a path: of what it leads to.
func (l *fileLook) describe(at fact.Path) fact.File {
	f := fact.File{Ref: fact.FileRef(at), Path: at, Pointed: l.pointed[at], Mapped: l.mapped[at]}
	l.keep(&f)
	w := l.places.to(at)
	f.WritableBy = w.by
	if w.missing {
		// The path may still be one that we may not look at.
		i, err := l.v.Lstat(at)
		if f.Missing = err == nil || gone(err); !f.Missing {
			l.p.gap(at, err)
			f.Gaps = append(f.Gaps, "stat")
		}
		f.Type = i.Type
		return f
	}
	l.fill(&f, w.info)
	if f.Type != "regular" {
		return f
	}
	if flags, err := l.v.Flags(at); err == nil {
		f.Flags = flags
	}
	l.content(&f, at)
	return f
}

// keep takes over what other observers found out about the same file.
func (l *fileLook) keep(f *fact.File) {
	old := l.have[f.Ref]
	if old == nil {
		return
	}
	f.Package, f.Verified, f.Patterns, f.Scanned = old.Package, old.Verified, old.Patterns, old.Scanned
	f.Indicators, f.ELF, f.SHA256 = old.Indicators, old.ELF, old.SHA256
	f.Pointed = with(old.Pointed, f.Pointed...)
	if f.Mapped == nil {
		f.Mapped = old.Mapped
	}
}

func (l *fileLook) fill(f *fact.File, i host.Info) {
	f.ID, f.Type, f.Mode, f.UID, f.GID, f.Size = i.ID, i.Type, i.Mode, i.UID, i.GID, i.Size
	f.Owner = l.places.name(i.UID)
	f.Modified, f.Changed, f.Born = i.Modified, i.Changed, i.Born
}

// content tells the format from the first bytes, and reads scripts.
func (l *fileLook) content(f *fact.File, at fact.Path) {
	file, _, err := l.v.Open(at)
	if err != nil {
		l.p.gap(at, err)
		f.Gaps = append(f.Gaps, "content")
		return
	}
	defer file.Close()
	head := make([]byte, min(headSize, max(0, f.Size)))
	n, _ := file.ReadAt(head, 0)
	head = head[:n]
	f.Format = format(head)
	l.replaces(f, file)
	if f.Format != "script" && f.Format != "text" || f.Size > maxScriptRead || l.scripts+int(f.Size) > maxScriptsRead {
		return
	}
	if f.Format == "text" && !l.run[f.Path] {
		return // a text without an interpreter line is a script when an autostart hands it to one
	}
	l.scripts += int(f.Size)
	b := make([]byte, f.Size)
	n, _ = file.ReadAt(b, 0)
	f.Shell = masked(shell.Script(b[:n]))
}

// format is what the first bytes say a file is.
func format(head []byte) string {
	_, script := elf.IsScript(head)
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return "elf"
	case script:
		return "script"
	case bytes.HasPrefix(head, []byte("REDIS00")):
		return "rdb"
	case len(head) == 0:
		return ""
	case bytes.IndexByte(head, 0) >= 0 || !utf8.Valid(head[:len(head)-cutRune(head)]):
		return "data"
	}
	return "text"
}

// cutRune is how many bytes at the end may be the start of a longer rune.
func cutRune(b []byte) int {
	for n := 1; n <= min(3, len(b)); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// autostarts fills in which files each one stands in, runs and names.
func (l *fileLook) autostarts(known map[fact.Ref]bool) {
	for _, a := range l.in.Autostart {
		var refs []fact.Ref
		for _, t := range targets(&a) {
			if r := fact.FileRef(fact.Path(path.Clean(string(t)))); known[r] || l.have[r] != nil {
				refs = append(refs, r)
			}
		}
		own := fact.FileRef(a.Origin.Path)
		if !known[own] && l.have[own] == nil {
			own = a.File
		}
		if own == a.File && slices.Equal(refs, a.Targets) {
			continue
		}
		a.File, a.Targets = own, refs
		l.p.Autostart = append(l.p.Autostart, a)
	}
}
