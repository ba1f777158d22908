package observe

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"demine/internal/fact"
	"demine/internal/format/pattern"
	"demine/internal/format/yara"
	"demine/internal/host"
)

var tree = &Observer{
	Name:  "tree",
	Doc:   "every file in the folders that --deep names, searched for known byte patterns and YARA rules",
	Sees:  []string{fact.KindFile},
	Needs: []string{"account"},
	Reads: []string{"/**"},
	Long:  true,
	See:   seeTrees,
}

// Deep says which folders to search, and is told how far the search is.
type Deep struct {
	Roots []fact.Path
	Told  func(files, bytes int64)
}

// Bounds of the search.
const (
	treeWorkers  = 2
	maxTreeFacts = 5000
	maxTreeDepth = 200  // each level holds a descriptor
	tellEvery    = 1000 // files
)

// ownFolders hold what demine itself put there: implants in them are encoded.
var ownFolders = []fact.Path{"/var/lib/demine", "/run/demine"}

func seeTrees(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	if sc.Deep == nil || len(sc.Deep.Roots) == 0 {
		return Part{Absent: true}, nil
	}
	set, err := known()
	if err != nil {
		return Part{}, err
	}
	w := &walker{ctx: ctx, v: v, deep: sc.Deep, work: make(chan treeFile, 2*treeWorkers), seen: map[fact.FileID]bool{}}
	var wg sync.WaitGroup
	parts := make([]*treeReader, treeWorkers)
	for i := range parts {
		parts[i] = newTreeReader(v, set, sc.Yara)
		wg.Go(func() { host.Background(func() { parts[i].run(ctx, w) }) })
	}
	for _, root := range sc.Deep.Roots {
		w.root(root)
	}
	close(w.work)
	wg.Wait()
	out := w.part
	for _, r := range parts {
		out.File = append(out.File, r.part.File...)
		out.Gaps = append(out.Gaps, r.part.Gaps...)
	}
	finish(v, in, &out)
	sc.Deep.told(w)
	return out, ctx.Err()
}

func (d *Deep) told(w *walker) {
	if d.Told != nil && w.ctx.Err() == nil { // who was interrupted waits for nothing more
		d.Told(w.files.Load(), w.bytes.Load())
	}
}

// finish puts the files in order, bounds them, and says whose they are.
func finish(v *View, in *fact.Snapshot, out *Part) {
	slices.SortFunc(out.File, func(a, b fact.File) int { return strings.Compare(string(a.Path), string(b.Path)) })
	out.File = slices.CompactFunc(out.File, func(a, b fact.File) bool { return a.Ref == b.Ref })
	if over := len(out.File) - maxTreeFacts; over > 0 {
		out.Gaps = append(out.Gaps, fact.Gap{Code: "too-many", What: "files with patterns", Count: over})
		out.File = out.File[:maxTreeFacts]
	}
	have := map[fact.Ref]*fact.File{}
	for i := range in.File {
		have[in.File[i].Ref] = &in.File[i]
	}
	pl := newPlaces(v, in)
	for i := range out.File {
		f := &out.File[i]
		if old := have[f.Ref]; old != nil { // what was found out about it stays
			f.Pointed, f.Package, f.Verified, f.Shell = old.Pointed, old.Package, old.Verified, old.Shell
			f.Born, f.Flags, f.ELF, f.Indicators = old.Born, old.Flags, old.ELF, old.Indicators
		}
		f.Owner, f.WritableBy = pl.name(f.UID), pl.to(f.Path).by
	}
}

// walker goes through folders and hands on the files in them.
type walker struct {
	ctx   context.Context
	v     *View
	deep  *Deep
	work  chan treeFile
	seen  map[fact.FileID]bool // files with several names
	part  Part
	dev   uint64 // of the folder that was named
	files atomic.Int64
	bytes atomic.Int64
}

type treeFile struct {
	at   fact.Path
	file host.File
	info host.Info
}

func (w *walker) root(p fact.Path) {
	info, err := w.v.Stat(p)
	w.part.named(p, err)
	if err != nil {
		return
	}
	if info.Type != "dir" {
		file, info, err := w.v.Open(p)
		w.part.named(p, err)
		if err == nil {
			w.hand(treeFile{p, file, info})
		}
		return
	}
	d, err := w.v.OpenDir(p)
	w.part.named(p, err)
	if err != nil {
		return
	}
	w.dev = info.ID.Dev
	w.dir(d, p, 0)
}

// named is gap, but what the operator named and is not there is one too.
func (p *Part) named(at fact.Path, err error) {
	if err != nil && gone(err) {
		p.Gaps = append(p.Gaps, fact.Gap{Code: "unreadable", What: at.String(), Detail: rootCause(err)})
		return
	}
	p.gap(at, err)
}

// dir goes through one folder and closes it.
func (w *walker) dir(d host.Dir, at fact.Path, depth int) {
	defer d.Close()
	names, err := d.Names(".")
	w.part.gap(at, err)
	for _, n := range names {
		if w.ctx.Err() != nil {
			return
		}
		w.entry(d, host.Join(at, n), n, depth)
	}
}

func (w *walker) entry(d host.Dir, p fact.Path, name string, depth int) {
	info, err := d.Lstat(name)
	switch {
	case err != nil:
		w.part.gap(p, err)
	case info.Type == "dir" && (info.ID.Dev != w.dev || depth == maxTreeDepth || slices.Contains(ownFolders, p) || pseudo(p)):
		w.left(p, info, depth)
	case info.Type == "dir":
		sub, now, err := d.Sub(name)
		w.part.gap(p, err)
		switch {
		case err != nil:
		case now.ID.Dev != w.dev: // mounted this moment
			sub.Close()
		default:
			w.dir(sub, p, depth+1)
		}
	case info.Type == "regular" && info.Size >= pattern.MinLen && info.ID.Dev == w.dev && !w.again(info):
		file, info, err := d.Open(name)
		w.part.gap(p, err)
		if err == nil {
			w.hand(treeFile{p, file, info})
		}
	}
}

// left says which folders were not entered; the kernel's own hold no files, but
// for shared memory.
func (w *walker) left(p fact.Path, info host.Info, depth int) {
	switch {
	case p == "/dev":
		w.part.Gaps = append(w.part.Gaps, fact.Gap{Code: "other-filesystem", What: "/dev/shm"})
	case slices.Contains(ownFolders, p), pseudo(p):
	case info.ID.Dev != w.dev:
		w.part.Gaps = append(w.part.Gaps, fact.Gap{Code: "other-filesystem", What: p.String()})
	default:
		w.part.Gaps = append(w.part.Gaps, fact.Gap{Code: "too-many", What: p.String()})
	}
}

// again reports whether a file was met by another of its names.
func (w *walker) again(i host.Info) bool {
	if i.Links < 2 {
		return false
	}
	met := w.seen[i.ID]
	w.seen[i.ID] = true
	return met
}

func (w *walker) hand(f treeFile) {
	select {
	case w.work <- f:
		if w.files.Add(1)%tellEvery == 0 {
			w.deep.told(w)
		}
	case <-w.ctx.Done():
		f.file.Close()
	}
}

// treeReader searches files, one after the other.
type treeReader struct {
	v    *View
	s    *searcher
	part Part
}

func newTreeReader(v *View, set *pattern.Set, rules *yara.Rules) *treeReader {
	return &treeReader{v: v, s: newSearcher(set, rules)}
}

func (r *treeReader) run(ctx context.Context, w *walker) {
	for f := range w.work {
		if ctx.Err() == nil {
			r.one(ctx, f)
			w.bytes.Add(f.info.Size)
		}
		f.file.Close()
	}
}

func (r *treeReader) one(ctx context.Context, t treeFile) {
	hits, whole, err := r.s.file(ctx, t.file, t.info.Size)
	if err != nil && ctx.Err() == nil {
		r.part.gap(t.at, err)
	}
	if !whole && err == nil {
		r.part.Gaps = append(r.part.Gaps, fact.Gap{Code: "too-large", What: t.at.String()})
	}
	f := fact.File{
		Ref: fact.FileRef(t.at), Path: t.at, ID: t.info.ID, Type: t.info.Type, Mode: t.info.Mode, UID: t.info.UID, GID: t.info.GID,
		Size: t.info.Size, Modified: t.info.Modified, Changed: t.info.Changed, Scanned: "whole", Patterns: hits,
	}
	if !whole {
		f.Scanned = "part"
	}
	if len(hits) == 0 {
		return
	}
	f.Format = r.s.format()
	if f.Format == "json" || slices.ContainsFunc(hits, tells) {
		r.part.File = append(r.part.File, f)
	}
}

// tells: a weak pattern of demine's own says nothing alone, and half of all
// changelogs have one.
func tells(p fact.Pattern) bool {
	return p.Strength != pattern.Weak || strings.HasPrefix(p.ID, yaraPrefix)
}
