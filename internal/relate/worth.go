package relate

import (
	"sort"
	"strings"

	"demine/internal/fact"
)

// Look is what deserves a closer look.
type Look struct {
	Images []fact.Ref  // processes, those that used most CPU first
	Files  []fact.Path // files that facts name
	Memory []fact.Ref  // processes whose memory is worth searching, those that used most CPU first
	Whole  []fact.Ref  // those of them of which all is worth searching
	Shapes []fact.Ref  // processes whose threads are worth watching
}

// A process is busy when it used this much of one CPU over its life or now.
// A throttled miner lies far above it; it only decides what is read, never
// what is said.
const busyPercent = 5

// WorthALook names the processes whose image is worth reading: the busy ones,
// and those that run from where packages do not install programs. And files
// that facts name in passing: what stands now where a program was deleted, and
// what sshd asks for keys. Once packages are known, also every program that
// none owns.
func WorthALook(x *Index) Look {
	var l Look
	var ps []*fact.Process
	for i := range x.S.Process {
		p := &x.S.Process[i]
		if p.Kernel || p.Exe == "" || p.PID == x.S.Host.Self {
			continue
		}
		if busy(p) || x.worksUnseen(p) || p.ExeDeleted || len(p.Hidden) > 0 || WorthReading(p.Exe) || x.unowned(p) {
			ps = append(ps, p)
		}
		if p.ExeDeleted && p.Container == "" && !under(p.Exe, "/memfd:") {
			l.Files = append(l.Files, p.Exe)
		}
	}
	sort.SliceStable(ps, func(i, j int) bool { return max(ps[i].CPULife, ps[i].CPUNow) > max(ps[j].CPULife, ps[j].CPUNow) })
	seen := map[running]bool{}
	for _, p := range ps {
		l.Images = append(l.Images, p.Ref)
		if s := Script(p); s != "" && p.Container == "" {
			l.Files = append(l.Files, s)
		}
		if x.worthRemembering(p, seen) {
			l.Memory = append(l.Memory, p.Ref)
		}
		if !busy(p) {
			continue
		}
		l.Shapes = append(l.Shapes, p.Ref)
		if misplaced(p.Exe) || misplaced(Script(p)) {
			l.Whole = append(l.Whole, p.Ref)
		}
	}
	l.Files = append(l.Files, keyCommands(x)...)
	return l
}

func busy(p *fact.Process) bool { return p.CPULife >= busyPercent || p.CPUNow >= busyPercent }

// misplaced: it lies where nobody installs programs, not even for oneself.
func misplaced(p fact.Path) bool { return Uninstalled(p) && !OwnTools(p) }

// worthRemembering reports whether the memory of a process that is worth a look
// may hold what its image does not: it is busy, or its image is packed, was
// deleted, or lies where programs are not installed. Of those that run the same
// one is enough, the busiest, where they are not busy or the program is the
// system's: a pool of fifty workers is one program.
func (x *Index) worthRemembering(p *fact.Process, seen map[running]bool) bool {
	what := running{p.ExeID, Script(p)}
	switch {
	case len(p.Hidden) > 0:
		return true
	case !busy(p) && !x.worksUnseen(p) && !p.ExeDeleted && !Uninstalled(p.Exe) && !x.packed(p), seen[what] && (!busy(p) || x.Shared(p)):
		return false
	}
	seen[what] = p.ExeID != fact.FileID{}
	return true
}

// running is what processes have in common that run the same program.
type running struct {
	image  fact.FileID
	script fact.Path
}

func (x *Index) packed(p *fact.Process) bool {
	f := x.Image(p)
	return f != nil && f.ELF.Packed()
}

// unowned: it is known that no package owns what the process runs.
func (x *Index) unowned(p *fact.Process) bool {
	ok, _ := x.Covered("package")
	f := x.Image(p)
	return ok && f != nil && f.Package == ""
}

// keyCommands are the programs that every sshd asks for the keys of an account.
func keyCommands(x *Index) []fact.Path {
	var out []fact.Path
	for i := range x.S.Service {
		for _, s := range x.S.Service[i].Settings {
			if f, _, _ := strings.Cut(s.Value, " "); strings.HasSuffix(s.Name, "authorizedkeyscommand") && strings.HasPrefix(f, "/") {
				out = append(out, fact.Path(f))
			}
		}
	}
	return out
}
