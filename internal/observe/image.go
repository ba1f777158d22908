package observe

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync"

	"demine/internal/fact"
	"demine/internal/format/elf"
	"demine/internal/format/pattern"
	"demine/internal/format/wallet"
	"demine/internal/format/yara"
	"demine/internal/host"
	"demine/patterns"
)

var image = &Observer{
	Name:    "image",
	Doc:     "known byte patterns in what processes run: the loaded parts of the executables of those worth a look",
	Sees:    []string{fact.KindFile, fact.KindProcess},
	Needs:   []string{"process"},
	Reads:   []string{"/proc/*/exe"},
	Follows: []string{fact.KindProcess},
	See:     seeImages,
}

// Bounds of the search: the largest miners are some 10 MiB; a runtime of
// hundreds of MiB is searched in part and says so.
const (
	maxImage    = 160 << 20
	maxImageSum = 512 << 20
	imageChunk  = 256 << 10
	maxEntropy  = 1 << 20 // bytes of the code that are counted: tables of honest programs may have as little order as what a packer leaves
)

// known is compiled once: it takes milliseconds.
var known = sync.OnceValues(func() (*pattern.Set, error) {
	ps, err := patterns.Load()
	if err != nil {
		return nil, err
	}
	return pattern.Compile(ps)
})

func seeImages(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	var p Part
	set, err := known()
	if err != nil {
		return p, err
	}
	r := imageReader{v: v, set: set, rules: sc.Yara, seen: map[fact.FileID]fact.Ref{}, buf: make([]byte, imageChunk)}
	for i := range in.File {
		if in.File[i].Scanned != "" {
			r.seen[in.File[i].ID] = in.File[i].Ref
		}
		r.files = append(r.files, &in.File[i])
	}
	byRef := map[fact.Ref]*fact.Process{}
	for i := range in.Process {
		byRef[in.Process[i].Ref] = &in.Process[i]
	}
	for _, ref := range sc.Images {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		if q := byRef[ref]; q != nil {
			r.process(*q, &p)
		}
	}
	return p, nil
}

type imageReader struct {
	v     *View
	set   *pattern.Set
	rules *yara.Rules // nil: none
	seen  map[fact.FileID]fact.Ref
	files []*fact.File
	buf   []byte
	sum   int64

	counts  [256]int // of the bytes of the file under way
	counted int
}

// process searches the image of one process and ties the two.
func (r *imageReader) process(p fact.Process, out *Part) {
	ref, ok := r.seen[p.ExeID]
	if !ok {
		f, err := r.read(&p)
		if err != nil {
			if !gone(err) {
				out.gap(pidPath(p.PID)+"/exe", err)
			}
			return
		}
		if f.Scanned == "part" {
			out.Gaps = append(out.Gaps, fact.Gap{Code: "too-large", What: p.Exe.String()})
		}
		ref = f.Ref
		r.seen[p.ExeID] = ref
		out.File = append(out.File, f)
	}
	p.ExeFile = ref
	out.Process = append(out.Process, p)
}

// read opens the image through /proc: what runs, also when it is deleted or
// replaced.
func (r *imageReader) read(p *fact.Process) (fact.File, error) {
	at := pidPath(p.PID) + "/exe"
	file, info, err := r.v.Open(at)
	if err != nil {
		return fact.File{}, err
	}
	defer file.Close()
	f := r.known(p)
	f.ID, f.Size = info.ID, info.Size
	f.Type, f.Mode, f.UID, f.GID = info.Type, info.Mode, info.UID, info.GID
	f.Modified, f.Changed = info.Modified, info.Changed
	if full, err := r.v.Stat(at); err == nil {
		f.Born = full.Born
	}
	f.Scanned = "whole"
	parts := r.parts(file, info.Size, &f)
	if f.Patterns, err = r.search(file, parts); f.ELF != nil {
		f.ELF.Entropy = math.Round(100*elf.Entropy(&r.counts)) / 100
	}
	if len(f.Patterns) > 0 {
		f.SHA256 = digest(file, info.Size, r.buf)
	}
	if slices.ContainsFunc(f.Patterns, notWeak) {
		f.Indicators = r.indicators(file, parts)
	}
	if r.rules != nil && err == nil {
		err = r.yara(file, &f)
	}
	return f, err
}

// yara runs the rules over the whole file.
func (r *imageReader) yara(file host.File, f *fact.File) error {
	data := make([]byte, min(f.Size, maxYara))
	n, err := file.ReadAt(data, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	hits, all := yaraHits(r.rules, data[:n])
	f.Patterns = append(f.Patterns, hits...)
	if !all || f.Size > maxYara {
		f.Scanned = "part"
	}
	return nil
}

// known takes over what another observer found out about the file.
func (r *imageReader) known(p *fact.Process) fact.File {
	ref := fact.FileRef(p.Exe)
	if at, err := r.v.Stat(p.Exe); err != nil || at.ID != p.ExeID || p.ExeDeleted || p.Container != "" {
		ref = imageRef(p) // the path leads to another file, or to none
	}
	for _, f := range r.files {
		if f.Ref == ref {
			return *f
		}
	}
	return fact.File{Ref: ref, Path: p.Exe, Deleted: p.ExeDeleted, Pointed: []string{fact.KindProcess}}
}

func (r *imageReader) search(file host.File, parts []span) ([]fact.Pattern, error) {
	r.counts, r.counted = [256]int{}, 0
	hits := map[int]*fact.Pattern{}
	s := r.set.Scanner()
	s.Hit = func(id int, off int64) {
		if h := hits[id]; h != nil {
			h.Count++
			return
		}
		p := r.set.At(id)
		hits[id] = &fact.Pattern{ID: p.ID, Strength: p.Strength, Offset: off, Count: 1}
	}
	for _, part := range parts {
		s.Reset(part.from)
		if err := r.feed(file, part, func(b []byte, _ int64) {
			if part.code {
				r.count(b)
			}
			_, _ = s.Write(b)
		}); err != nil {
			return nil, err
		}
	}
	var out []fact.Pattern
	for id := range r.set.Len() {
		if h := hits[id]; h != nil {
			out = append(out, *h)
		}
	}
	return out, nil
}

type span struct {
	from, to int64
	code     bool
}

// parts are the segments that the kernel loads; a file whose headers cannot be
// read is searched from the start.
func (r *imageReader) parts(file host.File, size int64, f *fact.File) []span {
	n, _ := file.ReadAt(r.buf, 0)
	all := []span{{0, size, true}}
	if info, ok := elf.Look(r.buf[:n]); ok {
		f.Format = "elf"
		f.ELF = r.headers(file, info, n)
		all = loaded(info.Loads, size)
	}
	left := min(int64(maxImage), maxImageSum-r.sum)
	for i := range all {
		if l := all[i].to - all[i].from; l > left {
			f.Scanned = "part"
			all[i].to = all[i].from + max(0, left)
		}
		left -= all[i].to - all[i].from
		r.sum += all[i].to - all[i].from
	}
	return all
}

// loaded are the parts of a file of this size that the segments cover, each
// byte once: those of packed programs overlap.
func loaded(loads []elf.Segment, size int64) []span {
	loads = slices.Clone(loads)
	slices.SortStableFunc(loads, func(a, b elf.Segment) int { return cmp.Compare(a.Off, b.Off) })
	var all []span
	end := int64(0)
	for _, l := range loads {
		from := int64(min(l.Off, uint64(size)))
		to := from + int64(min(l.Size, uint64(size-from)))
		if from = max(from, end); from < to {
			all = append(all, span{from, to, l.Exec})
			end = to
		}
	}
	return all
}

// headers keeps of a program's headers what tells something. The section
// headers of a large one lie behind the n bytes that were looked at.
func (r *imageReader) headers(file host.File, info elf.Info, n int) *fact.ELF {
	e := &fact.ELF{
		Static: info.Static, Stripped: info.Stripped, UPX: info.UPX, Sections: info.Sections, Inflates: info.Inflates(), Odd: info.Odd,
	}
	if t := info.Table; t.Size > 0 && t.Off+t.Size > uint64(n) {
		n, _ := file.ReadAt(r.buf[:min(t.Size, uint64(len(r.buf)))], int64(t.Off&math.MaxInt64))
		e.Stripped = !elf.HasSymbols(r.buf[:n], info.Class)
	}
	return e
}

func (r *imageReader) count(b []byte) {
	b = b[:min(len(b), maxEntropy-r.counted)]
	r.counted += len(b)
	for _, c := range b {
		r.counts[c]++
	}
}

// indicators looks for addresses in a program that speaks of mining.
func (r *imageReader) indicators(file host.File, parts []span) []fact.Indicator {
	const most, mostBytes = 32, 32 << 20
	var out []fact.Indicator
	left := int64(mostBytes)
	piece := make([]byte, 0, wallet.Longest+len(r.buf))
	for _, part := range parts {
		part.to = min(part.to, part.from+max(0, left))
		left -= part.to - part.from
		piece = piece[:0]
		_ = r.feed(file, part, func(b []byte, off int64) {
			piece = append(piece[:copy(piece, piece[max(0, len(piece)-wallet.Longest):])], b...)
			for _, i := range wallet.Find(piece, off+int64(len(b)-len(piece)), most) {
				out = addIndicator(out, i, most)
			}
		})
	}
	return out
}

// feed gives the bytes of a part to f, piece after piece, with their offset.
func (r *imageReader) feed(file host.File, p span, f func(b []byte, off int64)) error {
	for p.from < p.to {
		n, err := file.ReadAt(r.buf[:min(int64(len(r.buf)), p.to-p.from)], p.from)
		f(r.buf[:n], p.from)
		p.from += int64(n)
		if errors.Is(err, io.EOF) || n == 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
