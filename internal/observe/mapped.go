package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/elf"
	"demine/internal/format/proc"
	"demine/internal/host"
)

// Bounds of the sample: it needs no service in particular, so one whose map is
// longer (some 2,500 mappings) is left out.
const (
	maxServices    = 24
	maxServiceMaps = 256 << 10
	fewestMapped   = 3  // what fewer run says nothing of the host: services load libraries of their own
	maxMapped      = 64 // libraries that are described
)

// unasked points at the libraries that run in several services of the host and
// that none of these asks for: preloaded ones, whatever the list of them says
// now, and those that they open themselves.
func (l *fileLook) unasked(ctx context.Context) {
	m := &mapper{v: l.v, p: &l.p, asks: map[mapping]asks{}, in: map[mapping]found{}, buf: make([]byte, 0, maxServiceMaps)}
	m.ns, _ = l.v.Readlink("/proc/self/ns/mnt")
	for _, p := range serviceSample(l.in) {
		if ctx.Err() != nil {
			return
		}
		m.service(p)
	}
	if m.of < fewestMapped && m.of+m.left >= fewestMapped {
		l.p.Gaps = append(l.p.Gaps, fact.Gap{Code: "unseen", What: "/proc/*/maps", Count: m.left})
	}
	for _, f := range m.common() {
		if n := (&fact.Mapped{Services: m.in[f].n, Of: m.of}); f.deleted || l.covered(f.path, m.in[f].at) {
			l.unlinked(f.path, m.in[f].at, n)
		} else if l.point(f.path, "mapped") {
			l.mapped[f.path] = n
		}
	}
}

// covered: what is mapped is known, and its path leads to something else:
// something is mounted over it.
func (l *fileLook) covered(path, at fact.Path) bool {
	mapped, err := l.v.Stat(at)
	if err != nil {
		return false
	}
	i, err := l.v.Stat(path)
	return err != nil || i.ID != mapped.ID
}

// unlinked describes a library that no name leads to any more, by a mapping of it.
func (l *fileLook) unlinked(path, at fact.Path, n *fact.Mapped) {
	f := fact.File{
		Ref: fact.FileRef(path) + " (deleted)", Path: path, Deleted: true, Pointed: []string{"mapped"}, Mapped: n,
	}
	l.keep(&f)
	if i, err := l.v.Stat(at); err == nil {
		l.fill(&f, i)
		l.content(&f, at)
	} else {
		f.Gaps = append(f.Gaps, "stat")
	}
	l.p.File = append(l.p.File, f)
}

// serviceSample are the first process and those that it started itself, one of
// each unit and each program, in the order in which they were started: builds
// and sessions, which preload for their own ends, are not among them. Of many
// the oldest and the newest are taken: a library that was preloaded only since
// some time, or only until then, is in the one or the other.
func serviceSample(in *fact.Snapshot) []*fact.Process {
	var all, out []*fact.Process
	for i := range in.Process {
		p := &in.Process[i]
		daemon := p.Container == "" && p.Session == "" && p.PID != in.Host.Self
		if (p.PID == 1 || p.PPID == 1) && !p.Kernel && p.Exe != "" && daemon {
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b *fact.Process) int { return cmp.Compare(a.StartTicks, b.StartTicks) })
	seen := map[string]bool{"": true}
	for _, p := range all {
		if unit, exe := "unit:"+p.Unit, string(p.Exe); !seen[exe] && (p.Unit == "" || !seen[unit]) {
			seen[exe], seen[unit] = true, true
			out = append(out, p)
		}
	}
	if over := len(out) - maxServices; over > 0 {
		out = slices.Delete(out, maxServices/2, maxServices/2+over)
	}
	return out
}

// mapping is a file that is mapped to run, as /proc/PID/maps names it.
type mapping struct {
	path    fact.Path
	inode   uint64
	deleted bool
}

// mapped is a file with the place of one of its mappings, by which it can be
// read.
type mapped struct {
	file mapping
	at   fact.Path
}

// asks is what a file asks of the loader, as far as that could be read.
type asks struct {
	elf.Asks
	whole bool
}

// found is in how many services a library is that they do not ask for, and one
// of its mappings.
type found struct {
	n  int
	at fact.Path
}

type mapper struct {
	v    *View
	p    *Part
	ns   fact.Path // demine's own mount namespace: to others a path is another file
	asks map[mapping]asks
	in   map[mapping]found
	of   int // services that were looked at
	left int // and that could not be
	buf  []byte
}

// service looks at one. A static program has no loader to ask, and one that
// ended meanwhile is no gap.
func (m *mapper) service(p *fact.Process) {
	exe, err := m.read(pidPath(p.PID) + "/exe")
	if err != nil || exe.whole && !exe.Loader {
		m.p.gapUnlessGone(pidPath(p.PID)+"/exe", err)
		return
	}
	maps, err := m.maps(p)
	if gone(err) {
		return
	}
	asked, whole := m.asked(exe.Asks, maps)
	if err != nil || !exe.whole || !whole {
		m.left++
		return
	}
	m.of++
	for _, x := range maps {
		if !asked[x.file] {
			m.in[x.file] = found{m.in[x.file].n + 1, x.at}
		}
	}
}

// errNotSampled: its map is too long, or it is not the same process, or its
// paths are those of another mount namespace.
var errNotSampled = errors.New("left out of the sample")

// maps are the files that a process maps to run besides its program, each once.
func (m *mapper) maps(p *fact.Process) ([]mapped, error) {
	d, err := m.v.OpenDir(pidPath(p.PID))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if ns, _ := d.Readlink("ns/mnt"); fact.Path(ns) != m.ns {
		return nil, errNotSampled
	}
	text, err := d.ReadFile("maps", m.buf)
	if err != nil {
		return nil, err
	}
	if len(text) == cap(m.buf) || !sameProcess(d, p) {
		return nil, errNotSampled
	}
	var out []mapped
	seen := map[mapping]bool{}
	for x := range proc.Maps(text) {
		f := mapping{x.Path, x.Inode, x.Deleted}
		if x.Exec && x.Inode != 0 && x.Path != p.Exe && strings.HasPrefix(string(x.Path), "/") && !seen[f] {
			seen[f] = true
			out = append(out, mapped{f, host.Join(pidPath(p.PID), fmt.Sprintf("map_files/%x-%x", x.Start, x.End))})
		}
	}
	return out, nil
}

// asked are those of some files that a program asks for, or that these ask for
// in turn.
func (m *mapper) asked(exe elf.Asks, maps []mapped) (asked map[mapping]bool, whole bool) {
	whole = true
	byName, byFile := map[string]mapping{}, map[string]mapping{}
	for _, x := range maps {
		a := m.library(x)
		whole = whole && a.whole
		// The loader takes what is there by its own name, whoever asks for it; by
		// the name of its file only what tells none. Of two with one name the first
		// is meant: what is preloaded lies above what is asked for.
		names, name := byName, a.Name
		if name == "" {
			names, name = byFile, base(x.file.path)
		}
		if _, ok := names[name]; !ok {
			names[name] = x.file
		}
	}
	asked = map[mapping]bool{}
	for todo := slices.Clip(exe.Needs); len(todo) > 0; todo = todo[1:] {
		name := base(fact.Path(todo[0]))
		f, ok := byName[name]
		if !ok {
			f, ok = byFile[name]
		}
		if ok && !asked[f] {
			asked[f] = true
			todo = append(todo, m.asks[f].Needs...)
		}
	}
	return asked, whole
}

// library reads what is mapped, whatever stands at its path now; before Linux
// 4.3, or without the right to do so, what stands there.
func (m *mapper) library(x mapped) asks {
	a, ok := m.asks[x.file]
	if ok {
		return a
	}
	a, err := m.read(x.at)
	if err != nil && !x.file.deleted {
		m.v.Allow(x.file.path)
		a, _ = m.read(x.file.path)
	}
	m.asks[x.file] = a
	return a
}

func (m *mapper) read(at fact.Path) (asks, error) {
	r, _, err := m.v.Open(at)
	if err != nil {
		return asks{}, err
	}
	defer r.Close()
	a, whole := elf.Asked(r)
	return asks{a, whole}, nil
}

// common are the libraries that enough services run, the most common first.
func (m *mapper) common() []mapping {
	var out []mapping
	for f, x := range m.in {
		if x.n >= fewestMapped {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b mapping) int {
		return cmp.Or(-cmp.Compare(m.in[a].n, m.in[b].n), cmp.Compare(a.path, b.path), cmp.Compare(a.inode, b.inode))
	})
	if over := len(out) - maxMapped; over > 0 {
		m.p.Gaps = append(m.p.Gaps, fact.Gap{Code: "too-many", What: "/proc/*/maps", Count: over})
		out = out[:maxMapped]
	}
	return out
}
