package respond

import (
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/host"
)

// family names an implant without listing it: the image that it runs. Which
// processes it is made of is found when a step is applied: all that run this
// image, and their descendants. It is what steps about processes carry.
//
// Where the image is a program of the system (Alone), the family is its Roots
// and their descendants: others run it for reasons of their own. It may be an
// interpreter, and the implant its Script.
type family struct {
	Exe      fact.Path   `json:"exe"`
	ID       fact.FileID `json:"exe_id"`
	Size     int64       `json:"size,omitempty"`
	Modified time.Time   `json:"modified,omitzero"`
	Alone    bool        `json:"alone,omitempty"`
	Script   fact.Path   `json:"script,omitempty"`
	// Roots ran the image when the plan was made. While one of them does, ID can
	// be no other file's.
	Roots []procID `json:"roots"`
	// Spare are descendants that somebody depends on.
	Spare []procID `json:"spare,omitempty"`
}

// name is the file that people know the implant by.
func (f family) name() fact.Path {
	if f.Script != "" {
		return f.Script
	}
	return f.Exe
}

// own: the process itself is the implant, not only started by it. pinned says
// that one of the family holds the image's inode.
func (f family) own(h *host.Host, p Proc, pinned bool) bool {
	if f.Alone {
		return p.ExeID == f.ID && slices.Contains(f.Roots, p.id())
	}
	return p.ExeID == f.ID && (pinned || f.isImage(h, p))
}

// replaces: the process runs something else where the implant ran.
func (f family) replaces(p Proc) bool {
	return !f.Alone && p.Exe == f.Exe || slices.Contains(f.Roots, p.id())
}

// image is what a step expects of a family: that it is there at all.
type image struct {
	Exe fact.Path   `json:"exe"`
	ID  fact.FileID `json:"exe_id"`
}

// kin are the processes of a family now.
type kin struct {
	members []Proc     // parents before their children
	spared  []*Refusal // those that a guard keeps, by name
	others  []Proc     // run another file at the image's path, or were roots and run something else
}

// resolve finds the kin among all processes. known are members that were found
// before: they stay members when their parents have ended.
func (f family) resolve(h *host.Host, ps []Proc, known map[procID]bool, g *guards) kin {
	r := resolving{g: g, in: map[int]Proc{}, out: map[int]bool{}}
	pinned := slices.ContainsFunc(ps, func(p Proc) bool {
		return !p.dead() && p.ExeID == f.ID && (known[p.id()] || slices.Contains(f.Roots, p.id()))
	})
	for _, p := range ps {
		if f.own(h, p, pinned) {
			r.take(p, true)
		} else if known[p.id()] {
			r.take(p, false)
		}
	}
	r.descend(ps)
	for _, p := range ps {
		if _, in := r.in[p.PID]; !in && !r.out[p.PID] && !p.dead() && f.replaces(p) {
			r.kin.others = append(r.kin.others, p)
		}
	}
	return r.kin
}

// isImage: without a process that holds the file, its inode number could have
// been given to another file.
func (f family) isImage(h *host.Host, p Proc) bool {
	if p.Exe != f.Exe {
		return false
	}
	i, err := h.Files.Stat(pidPath(p.PID) + "/exe")
	return err == nil && i.ID == f.ID && (f.Modified.IsZero() || i.Modified.Equal(f.Modified) && i.Size == f.Size)
}

type resolving struct {
	g   *guards
	kin kin
	in  map[int]Proc // by pid
	out map[int]bool // spared
}

func (r *resolving) take(p Proc, own bool) {
	if p.dead() {
		return
	}
	if _, twice := r.in[p.PID]; twice || r.out[p.PID] {
		return
	}
	if no := r.g.against(p, own); no != nil {
		r.out[p.PID] = true
		r.kin.spared = append(r.kin.spared, no)
		return
	}
	r.in[p.PID] = p
	r.kin.members = append(r.kin.members, p)
}

// descend adds descendants until there are no more. A child whose parent has
// ended is told by its session: it is the one of the leader that it was forked
// from, and no pid is given anew while a session has it.
func (r *resolving) descend(ps []Proc) {
	for before := -1; before < len(r.in); {
		before = len(r.in)
		for _, p := range ps {
			if r.bornOf(p, p.PPID) || r.bornOf(p, p.Session) {
				r.take(p, false)
			}
		}
	}
}

func (r *resolving) bornOf(p Proc, pid int) bool {
	q, ok := r.in[pid]
	return ok && q.PID != p.PID && q.Start <= p.Start
}

// sight tells of a family for Expect. ErrNothing: it has ended. ErrDrifted:
// something else runs in its place.
func (k kin) sight(f family) (image, error) {
	switch {
	case len(k.members) > 0:
		return image{f.Exe, f.ID}, nil
	case len(k.spared) > 0:
		return image{}, k.spared[0]
	case len(k.others) > 0:
		return image{}, ErrDrifted
	}
	return image{}, ErrNothing
}
