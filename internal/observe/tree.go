package observe

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"demine/internal/fact"
	"demine/internal/format/pattern"
	"demine/internal/format/wallet"
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
	treeAhead    = 64   // files that are open and wait
	maxTreeFacts = 5000 // files that hold something
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
	w := &walker{ctx: ctx, v: v, deep: sc.Deep, work: make(chan treeFile, treeAhead), seen: map[fact.FileID]bool{}}
	var readers sync.WaitGroup
	for range treeWorkers {
		r := &treeReader{w: w, s: newSearcher(set, sc.Yara)}
		readers.Go(func() { host.Background(r.run) })
	}
	host.Background(func() {
		for _, root := range sc.Deep.Roots {
			w.root(root)
		}
	})
	close(w.work)
	w.await(&readers)
	sc.Deep.told(w)
	out := w.taken()
	finish(v, in, &out)
	return out, ctx.Err()
}

// await waits for the readers to end; who was interrupted waits a moment only,
// and tells what is known: rules can take their time with a large file.
func (w *walker) await(readers *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { readers.Wait(); close(done) }()
	select {
	case <-done:
	case <-w.ctx.Done():
		select {
		case <-done:
		case <-time.After(grace / 2):
		}
	}
}

func (d *Deep) told(w *walker) {
	if d.Told != nil && w.ctx.Err() == nil { // who was interrupted waits for nothing more
		d.Told(w.files.Load(), w.bytes.Load())
	}
}

// finish puts the files in order and says whose they are.
func finish(v *View, in *fact.Snapshot, out *Part) {
	slices.SortFunc(out.File, func(a, b fact.File) int { return strings.Compare(string(a.Path), string(b.Path)) })
	out.File = slices.CompactFunc(out.File, func(a, b fact.File) bool { return a.Ref == b.Ref })
	have := map[fact.Ref]*fact.File{}
	for i := range in.File {
		have[in.File[i].Ref] = &in.File[i]
	}
	pl := newPlaces(v, in)
	for i := range out.File {
		f := &out.File[i]
		if old := have[f.Ref]; old != nil && old.ID == f.ID { // what was found out about it stays
			known := *old
			known.Scanned, known.Patterns, known.Format = f.Scanned, f.Patterns, f.Format
			known.Indicators = append(f.Indicators, old.Indicators...)
			*f = known
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
	mu    sync.Mutex
	part  Part   // guarded by mu
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
	w.named(p, err)
	if err != nil {
		return
	}
	if info.Type != "dir" {
		file, info, err := w.v.Open(p)
		w.named(p, err)
		if err == nil {
			w.hand(treeFile{p, file, info})
		}
		return
	}
	d, err := w.v.OpenDir(p)
	w.named(p, err)
	if err != nil {
		return
	}
	w.dev = info.ID.Dev
	w.dir(d, p, 0)
}

// named is gap, but what the operator named and is not there is one too.
func (w *walker) named(at fact.Path, err error) {
	if err != nil && gone(err) {
		w.add(nil, fact.Gap{Code: "unreadable", What: at.String(), Detail: rootCause(err)})
		return
	}
	w.gap(at, err)
}

func (w *walker) gap(at fact.Path, err error) {
	var p Part
	p.gap(at, err)
	if len(p.Gaps) > 0 {
		w.add(nil, p.Gaps...)
	}
}

// add keeps a file, or what was not seen. Of gaps only some are kept in full.
func (w *walker) add(f *fact.File, gaps ...fact.Gap) {
	const inFull = 1000
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case f != nil && len(w.part.File) == maxTreeFacts:
		gaps = append(gaps, fact.Gap{Code: "too-many", What: f.Path.String()})
	case f != nil:
		w.part.File = append(w.part.File, *f)
	}
	if w.part.Gaps = append(w.part.Gaps, gaps...); len(w.part.Gaps) > inFull {
		w.part.Gaps = foldGaps(w.part.Gaps)
	}
}

func (w *walker) taken() Part {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Part{File: slices.Clone(w.part.File), Gaps: slices.Clone(w.part.Gaps)}
}

// dir goes through one folder and closes it.
func (w *walker) dir(d host.Dir, at fact.Path, depth int) {
	defer d.Close()
	names, err := d.Names(".")
	w.gap(at, err)
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
		w.gap(p, err)
	case info.Type == "dir" && (info.ID.Dev != w.dev || depth == maxTreeDepth || slices.Contains(ownFolders, p) || pseudo(p)):
		w.left(p, info, depth)
	case info.Type == "dir":
		sub, now, err := d.Sub(name)
		w.gap(p, err)
		switch {
		case err != nil:
		case now.ID.Dev != w.dev: // mounted this moment
			sub.Close()
		default:
			w.dir(sub, p, depth+1)
		}
	case info.Type == "regular" && info.Size >= pattern.MinLen && info.ID.Dev == w.dev && !w.again(info):
		file, info, err := d.Open(name)
		w.gap(p, err)
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
		w.add(nil, fact.Gap{Code: "other-filesystem", What: "/dev/shm"})
	case slices.Contains(ownFolders, p), pseudo(p):
	case info.ID.Dev != w.dev:
		w.add(nil, fact.Gap{Code: "other-filesystem", What: p.String()})
	default:
		w.add(nil, fact.Gap{Code: "too-many", What: p.String()})
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
	w *walker
	s *searcher
}

func (r *treeReader) run() {
	for f := range r.w.work {
		if r.w.ctx.Err() == nil {
			r.one(f)
			r.w.bytes.Add(f.info.Size)
		}
		f.file.Close()
	}
}

func (r *treeReader) one(t treeFile) {
	hits, whole, err := r.s.file(r.w.ctx, t.file, t.info.Size)
	switch {
	case err != nil && r.w.ctx.Err() == nil:
		r.w.gap(t.at, err)
	case err == nil && !whole:
		r.w.add(nil, fact.Gap{Code: "too-large", What: t.at.String()})
	}
	if len(hits) == 0 {
		return
	}
	f := fact.File{
		Ref: fact.FileRef(t.at), Path: t.at, ID: t.info.ID, Type: t.info.Type, Mode: t.info.Mode, UID: t.info.UID, GID: t.info.GID,
		Size: t.info.Size, Modified: t.info.Modified, Changed: t.info.Changed, Scanned: "whole", Patterns: hits, Format: r.s.format(),
	}
	if !whole {
		f.Scanned = "part"
	}
	if f.Format == "json" { // settings name whom they mine for
		const most = 32
		b := r.s.buf[:min(t.info.Size, maxScriptRead)]
		n, _ := t.file.ReadAt(b, 0)
		f.Indicators = wallet.Find(b[:n], 0, most)
	}
	if f.Format == "json" || slices.ContainsFunc(hits, tells) {
		r.w.add(&f)
	}
}

// tells: a weak pattern of demine's own says nothing alone, and half of all
// changelogs have one.
func tells(p fact.Pattern) bool {
	return p.Strength != pattern.Weak || strings.HasPrefix(p.ID, yaraPrefix)
}
