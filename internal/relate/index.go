// Package relate says what belongs to what, from facts alone: which process
// holds which socket, which file belongs to which package, what a schedule did
// and will do, who can reach a listener. It judges nothing and works on a
// stored snapshot as on a fresh one.
package relate

import (
	"sync"
	"time"

	"demine/internal/fact"
)

// Index answers questions about one Snapshot. It is not changed after New and
// safe for use by several goroutines.
type Index struct {
	S   *fact.Snapshot
	Now time.Time // when the snapshot was taken, in the host's zone

	pid      map[int]*fact.Process
	kids     map[int][]*fact.Process
	process  map[fact.Ref]*fact.Process
	socket   map[uint64]*fact.Socket // by inode
	owners   map[uint64][]*fact.Process
	file     map[fact.Ref]*fact.File
	path     map[fact.Path]*fact.File
	auto     map[fact.Ref]*fact.Autostart
	key      map[fact.Ref]*fact.Key
	service  map[fact.Ref]*fact.Service
	coverage map[string]fact.Coverage // by observer
	groups   map[fact.Path]*group

	Schedules []Schedule
	Exposures []Exposure
	openRules func() []OpenRule
}

// New builds the Index of a snapshot.
func New(s *fact.Snapshot) *Index {
	x := &Index{
		S: s, Now: s.Taken.In(time.FixedZone(s.Host.Zone, s.Host.Offset)),
		pid: map[int]*fact.Process{}, kids: map[int][]*fact.Process{},
		process: map[fact.Ref]*fact.Process{}, socket: map[uint64]*fact.Socket{},
		owners: map[uint64][]*fact.Process{}, file: map[fact.Ref]*fact.File{},
		path: map[fact.Path]*fact.File{}, auto: map[fact.Ref]*fact.Autostart{},
		key: map[fact.Ref]*fact.Key{}, service: map[fact.Ref]*fact.Service{},
		coverage: map[string]fact.Coverage{}, groups: map[fact.Path]*group{},
	}
	x.addProcesses()
	x.addGroups()
	x.addRest()
	x.Schedules = x.schedules()
	x.Exposures = x.exposures()
	x.openRules = sync.OnceValue(x.findOpenRules)
	return x
}

func (x *Index) addProcesses() {
	for i := range x.S.Process {
		p := &x.S.Process[i]
		x.pid[p.PID] = p
		x.process[p.Ref] = p
		x.kids[p.PPID] = append(x.kids[p.PPID], p)
		for _, n := range p.Sockets {
			x.owners[n] = append(x.owners[n], p)
		}
	}
}

func (x *Index) addRest() {
	s := x.S
	for i := range s.Socket {
		if n := s.Socket[i].Inode; n != 0 {
			x.socket[n] = &s.Socket[i]
		}
	}
	for i := range s.File {
		x.file[s.File[i].Ref] = &s.File[i]
		if !s.File[i].Deleted {
			x.path[s.File[i].Path] = &s.File[i]
		}
	}
	for i := range s.Autostart {
		x.auto[s.Autostart[i].Ref] = &s.Autostart[i]
	}
	for i := range s.Key {
		x.key[s.Key[i].Ref] = &s.Key[i]
	}
	for i := range s.Service {
		x.service[s.Service[i].Ref] = &s.Service[i]
	}
	for _, c := range s.Coverage {
		x.coverage[c.Observer] = c
	}
}

// Covered reports whether an observer saw all that there is, and what it did
// not see otherwise. One that never ran saw nothing.
func (x *Index) Covered(observer string) (bool, fact.Coverage) {
	c, ok := x.coverage[observer]
	return ok && c.Complete(), c
}

// Process, File, Autostart, Key and Service give the fact with a Ref, or nil.
func (x *Index) Process(r fact.Ref) *fact.Process     { return x.process[r] }
func (x *Index) File(r fact.Ref) *fact.File           { return x.file[r] }
func (x *Index) Autostart(r fact.Ref) *fact.Autostart { return x.auto[r] }
func (x *Index) Key(r fact.Ref) *fact.Key             { return x.key[r] }
func (x *Index) Service(r fact.Ref) *fact.Service     { return x.service[r] }

// PID gives the process with a pid, or nil.
func (x *Index) PID(pid int) *fact.Process { return x.pid[pid] }

// FileAt gives what is known of the file at a path, or nil.
func (x *Index) FileAt(p fact.Path) *fact.File { return x.path[p] }

// Parent gives the parent of a process, or nil.
func (x *Index) Parent(p *fact.Process) *fact.Process { return x.pid[p.PPID] }

// Children gives the processes whose parent this one is.
func (x *Index) Children(p *fact.Process) []*fact.Process { return x.kids[p.PID] }

// Ancestors gives the parents up to pid 1, nearest first.
func (x *Index) Ancestors(p *fact.Process) []*fact.Process {
	var out []*fact.Process
	for q := x.Parent(p); q != nil && len(out) < 64; q = x.Parent(q) {
		out = append(out, q)
	}
	return out
}

// Shared: what the process runs is a program of the system, or an interpreter
// that somebody installed, which others run for reasons of their own.
func (x *Index) Shared(p *fact.Process) bool {
	f := x.Image(p)
	if Script(p) != "" && (!Uninstalled(p.Exe) || OwnTools(p.Exe)) && !p.ExeDeleted && (f == nil || len(f.Patterns) == 0) {
		return true
	}
	if f == nil || f.Package == "" {
		return shipped(p.Exe) && !p.ExeDeleted && (f == nil || len(f.Patterns) == 0)
	}
	return f.Verified != "changed"
}

// Image gives the file that a process runs, or nil.
func (x *Index) Image(p *fact.Process) *fact.File {
	if p == nil {
		return nil
	}
	return x.file[p.ExeFile]
}

// Sockets gives the sockets that a process holds open.
func (x *Index) Sockets(p *fact.Process) []*fact.Socket {
	var out []*fact.Socket
	for _, n := range p.Sockets {
		if s := x.socket[n]; s != nil {
			out = append(out, s)
		}
	}
	return out
}

// Owners gives the processes that hold a socket open.
func (x *Index) Owners(s *fact.Socket) []*fact.Process { return x.owners[s.Inode] }

// ServiceOf gives the service that a process is, or nil.
func (x *Index) ServiceOf(p *fact.Process) *fact.Service {
	if p == nil {
		return nil
	}
	for i := range x.S.Service {
		if s := &x.S.Service[i]; s.Process != "" && s.Process == p.Ref {
			return s
		}
	}
	return nil
}

// Family is a process, all that run the same image, and all their descendants:
// what must end together. Ancestors are never in it, nor are others that run
// the same program of a package: one script does not accuse every Python.
func (x *Index) Family(p *fact.Process) []*fact.Process {
	seen := map[*fact.Process]bool{}
	var out []*fact.Process
	var add func(q *fact.Process)
	add = func(q *fact.Process) {
		if seen[q] {
			return
		}
		seen[q] = true
		out = append(out, q)
		for _, k := range x.kids[q.PID] {
			add(k)
		}
	}
	add(p)
	if x.Shared(p) {
		return out
	}
	for i := range x.S.Process {
		q := &x.S.Process[i]
		if p.ExeID != (fact.FileID{}) && q.ExeID == p.ExeID {
			add(q)
		}
	}
	return out
}
