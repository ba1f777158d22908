package observe

import (
	"context"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/format/pattern"
	"demine/internal/format/proc"
	"demine/internal/host"
)

var memory = &Observer{
	Name:  "memory",
	Doc:   "known byte patterns in the memory of processes worth a look, whom they mine for, and how their memory is laid out",
	Sees:  []string{fact.KindProcess},
	Needs: []string{"process", "image"},
	Reads: []string{"/proc/*", "/proc/*/**"},
	See:   seeMemory,
}

// Bounds of a look, so that one at a host full of large processes costs half a
// second: what a miner is known by (its code, its settings, what it says to its
// pool) mostly lies in its first MiB, and the gigabytes of a data base are not
// read. What is busy and lies where no programs are installed is read further:
// what a runtime such as Java's keeps is anywhere in its heap.
const (
	maxMemory    = 96 << 20 // of all processes
	maxOneMemory = 24 << 20 // of one; never more than a quarter of what is left
	minOneMemory = 1 << 20
	maxWhole     = 256 << 20 // of all that are searched whole; never more than half of what is left for one
	maxArea      = 8 << 20   // of one mapping
	maxSample    = 1 << 20   // of a large one
	usualMaps    = 256 << 10 // bytes of /proc/PID/maps: of most, read without asking for more memory
	maxMaps      = 16 << 20  // bytes of /proc/PID/maps: some 200,000 mappings
	memoryChunk  = 64 << 10  // one call: 16 pages are looked up under the lock of the target's map
)

// settle is how long after the first look data is looked at again.
const settle = 200 * time.Millisecond

func seeMemory(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	var p Part
	if len(sc.Memory) == 0 {
		return p, nil
	}
	set, err := known()
	if err != nil {
		return p, err
	}
	r := &memoryReader{v: v, set: set, whole: sc.Whole, left: maxMemory, leftWhole: maxWhole}
	r.buf, r.maps = make([]byte, memoryChunk), make([]byte, 0, usualMaps)
	defer func() { clear(r.buf) }() // demine that looks at this one shall not find there what this one read
	for _, q := range memoryOrder(in, sc.Memory) {
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		r.process(q, in, &p)
	}
	if r.skipped > 0 {
		p.Gaps = append(p.Gaps, fact.Gap{Code: "too-many", What: "memory", Count: r.skipped})
	}
	return p, r.again(ctx, &p)
}

// memoryOrder leaves out what runs the image of demine itself, which holds what
// it has just read of others, and takes those last whose image has told already
// what they are: of them it is only asked whom they mine for.
func memoryOrder(in *fact.Snapshot, refs []fact.Ref) []*fact.Process {
	var own fact.FileID
	at := map[fact.Ref]*fact.Process{}
	for i := range in.Process {
		p := &in.Process[i]
		at[p.Ref] = p
		if p.PID == in.Host.Self {
			own = p.ExeID
		}
	}
	var first, last []*fact.Process
	for _, ref := range refs {
		p := at[ref]
		switch {
		case p == nil || p.PID == in.Host.Self || p.ExeID == own && own != fact.FileID{}:
		case conclusive(fileOf(in, p)):
			last = append(last, p)
		default:
			first = append(first, p)
		}
	}
	return append(first, last...)
}

func fileOf(in *fact.Snapshot, p *fact.Process) *fact.File {
	i := slices.IndexFunc(in.File, func(f fact.File) bool { return f.Ref == p.ExeFile })
	if i < 0 || p.ExeFile == "" {
		return &fact.File{}
	}
	return &in.File[i]
}

func conclusive(f *fact.File) bool {
	return slices.ContainsFunc(f.Patterns, func(p fact.Pattern) bool { return p.Strength == pattern.Conclusive })
}

// readMaps reads /proc/PID/maps up to maxMaps. A buffer of that size for every
// look would be the most of what demine holds, so it grows where one asks for it.
func (r *memoryReader) readMaps(d host.Dir) ([]byte, error) {
	for {
		text, err := d.ReadFile("maps", r.maps)
		if err != nil || len(text) < cap(r.maps) || cap(r.maps) == maxMaps {
			return text, err
		}
		r.maps = make([]byte, 0, min(4*cap(r.maps), maxMaps))
	}
}

type memoryReader struct {
	v         *View
	set       *pattern.Set
	whole     []fact.Ref // of which all is wanted
	left      int64      // bytes that may still be read, of all processes
	leftWhole int64      // of all that are to be searched whole
	skipped   int        // processes for which nothing was left
	buf       []byte
	maps      []byte
	doubts    []doubt
}

// share is how many bytes of a process may be read, and from what they are
// taken.
func (r *memoryReader) share(whole bool) (pool *int64, most int64) {
	if half := r.leftWhole / 2; whole && half > maxOneMemory {
		return &r.leftWhole, half
	}
	return &r.left, min(maxOneMemory, max(minOneMemory, r.left/4), r.left)
}

// process looks at one process. Its folder is held open, and who it is is asked
// before and after: a number can be taken over meanwhile.
func (r *memoryReader) process(q *fact.Process, in *fact.Snapshot, out *Part) {
	if _, most := r.share(slices.Contains(r.whole, q.Ref)); most <= 0 {
		r.skipped++
		return
	}
	d, err := r.v.OpenDir(pidPath(q.PID))
	if err != nil {
		out.gapUnlessGone(pidPath(q.PID), err)
		return
	}
	defer d.Close()
	if !sameProcess(d, q) {
		return
	}
	text, err := r.readMaps(d)
	if err != nil {
		out.gapUnlessGone(pidPath(q.PID)+"/maps", err)
		return
	}
	image := fileOf(in, q)
	l := layoutOf(text, q, image.ELF.Packed())
	if len(text) == maxMaps {
		l.memory.Scanned = "part"
	}
	mem, err := r.v.Host().Kernel.Memory(q.PID)
	if err != nil {
		out.gapUnlessGone(pidPath(q.PID)+"/mem", err)
		return
	}
	defer mem.Close()
	s := r.search(q, mem, l, conclusive(image))
	if !sameProcess(d, q) {
		return
	}
	if s.err != nil && s.memory.Bytes == 0 { // what is known is the layout alone
		s.memory.Scanned = ""
		out.gapUnlessGone(pidPath(q.PID)+"/mem", s.err)
	}
	p := *q
	p.Memory = s.memory
	out.Process = append(out.Process, p)
	r.doubts = append(r.doubts, s.doubts...)
}

// sameProcess: the folder is that of the process, and it runs the same program.
func sameProcess(d host.Dir, p *fact.Process) bool {
	b, err := d.ReadFile("stat", make([]byte, 0, 2048))
	if err != nil {
		return false
	}
	st, err := proc.Stat(b)
	if err != nil || st.Start != p.StartTicks {
		return false
	}
	i, err := d.Stat("exe")
	return err != nil || p.ExeID == fact.FileID{} || i.ID == p.ExeID
}
