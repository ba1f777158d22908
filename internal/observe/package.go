package observe

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"demine/internal/fact"
	"demine/internal/format/dpkg"
	"demine/internal/host"
)

var packages = &Observer{
	Name:  "package",
	Doc:   "which package owns each file that something points at, and whether programs that run are as shipped",
	Sees:  []string{fact.KindFile, fact.KindAutostart},
	Needs: []string{"file"},
	Reads: []string{
		"/var/lib/dpkg/status", "/var/lib/dpkg/info", "/var/lib/dpkg/info/*", "/var/lib/dpkg/diversions",
		apkDatabases[0].String(), apkDatabases[1].String(),
		"/var/lib/rpm/*", "/usr/lib/sysimage/rpm/*", prelinked.String(),
	},
	Follows: []string{fact.KindFile},
	See:     seePackages,
}

const (
	maxList     = 16 << 20 // of one list of files
	maxVerified = 20
	maxHashed   = 12 << 20 // bytes of all that are compared: 30 ms
)

// foreignDatabases are those that are not read yet: whether a package owns a
// file is then unknown.
var foreignDatabases = []fact.Path{"/var/lib/pacman/local"}

func seePackages(ctx context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	var p Part
	apk, rpm := apkDatabase(v), rpmDatabases(v)
	if !exists(v, "/var/lib/dpkg/status") && apk == "" && rpm == nil {
		for _, db := range foreignDatabases {
			if exists(v, db) {
				p.Gaps = append(p.Gaps, fact.Gap{Code: "package-database-unread", What: db.String()})
			}
		}
		p.Absent = len(p.Gaps) == 0
		return p, nil
	}
	d := &owners{v: v, in: in, want: map[string]bool{}, owner: map[string]string{}, from: map[string]string{}, places: newPlaces(v, &fact.Snapshot{})}
	d.sums = d.md5sums
	d.ask()
	switch {
	case apk != "":
		d.readApk(apk, &p)
	case rpm != nil:
		d.readRpm(ctx, rpm, &p)
	default:
		if err := d.read(ctx, &p); err != nil {
			return p, err
		}
	}
	sums := d.verify(ctx, &p)
	for _, f := range in.File {
		pkg, same := d.ownerOf(f), sums[f.Ref]
		if pkg != f.Package || same != f.Verified {
			f.Package, f.Verified = pkg, same
			p.File = append(p.File, f)
		}
	}
	for _, a := range in.Autostart {
		if pkg := d.lookup(a.Origin.Path); pkg != a.Package {
			a.Package = pkg
			p.Autostart = append(p.Autostart, a)
		}
	}
	return p, ctx.Err()
}

// owners asks the database of a package manager for the owners of some paths.
type owners struct {
	v      *View
	in     *fact.Snapshot
	places *places
	merged bool // /bin is a link to /usr/bin
	mu     sync.Mutex
	want   map[string]bool
	owner  map[string]string // path as a list has it → name of the list, "libc6:amd64"
	from   map[string]string // diverted path → the one that its package ships

	sums func(list string, p *Part) (byPath map[string]string) // that files came with, in hex
}

// ask collects every name under which a list could have one of the paths.
func (d *owners) ask() {
	if i, err := d.v.Lstat("/bin"); err == nil {
		d.merged = i.Type == "link"
	}
	b, _, _ := d.v.ReadFile("/var/lib/dpkg/diversions", 4<<20)
	for _, x := range dpkg.Diversions(b) {
		d.from[string(x.To)] = string(x.From)
	}
	for i := range d.in.File {
		if f := &d.in.File[i]; onHost(f) {
			for _, n := range d.namesOf(f.Path) {
				d.want[n] = true
			}
		}
	}
	for i := range d.in.Autostart {
		for _, n := range d.namesOf(d.in.Autostart[i].Origin.Path) {
			d.want[n] = true
		}
	}
}

// onHost: the path is one of the host, not of a container.
func onHost(f *fact.File) bool { return !slices.Contains(f.Gaps, "other-namespace") }

// namesOf are the names of a path in the lists: as it stands, what it leads to
// (links made by update-alternatives are in no list), each with and without
// /usr, and where a diversion put it.
func (d *owners) namesOf(p fact.Path) []string {
	out := []string{string(p)}
	if w := d.places.to(p); !w.missing && w.real != p {
		out = append(out, string(w.real))
	}
	if f := d.from[string(p)]; f != "" {
		out = append(out, f)
	}
	if !d.merged {
		return out
	}
	for _, n := range slices.Clone(out) {
		rest, usr := strings.CutPrefix(n, "/usr")
		top, _, _ := strings.Cut(strings.TrimPrefix(cmp.Or(rest, n), "/"), "/")
		if !slices.Contains([]string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"}, top) {
			continue
		}
		if usr {
			out = append(out, rest)
		} else {
			out = append(out, "/usr"+n)
		}
	}
	return out
}

func (d *owners) lookup(p fact.Path) string {
	pkg, _, _ := strings.Cut(d.list(p), ":")
	return pkg
}

func (d *owners) list(p fact.Path) string {
	for _, n := range d.namesOf(p) {
		if l := d.owner[n]; l != "" {
			return l
		}
	}
	return ""
}

func (d *owners) ownerOf(f fact.File) string {
	if !onHost(&f) {
		return ""
	}
	return d.lookup(f.Path)
}

// read goes through all lists of files, some at once.
func (d *owners) read(ctx context.Context, p *Part) error {
	const info = fact.Path("/var/lib/dpkg/info")
	names, err := d.v.Names(info)
	if err != nil {
		return err
	}
	dir, err := d.v.OpenDir(info)
	if err != nil {
		return err
	}
	defer dir.Close()
	var lists []string
	for _, n := range names {
		if strings.HasSuffix(n, ".list") {
			lists = append(lists, n)
		}
	}
	parts := make([]Part, min(4, max(2, runtime.GOMAXPROCS(0))))
	var wg sync.WaitGroup
	for w := range parts {
		wg.Add(1)
		go func() {
			defer wg.Done()
			buf := make([]byte, 0, 1<<20)
			for i := w; i < len(lists) && ctx.Err() == nil; i += len(parts) {
				d.one(dir, lists[i], buf, &parts[w])
			}
		}()
	}
	wg.Wait()
	for _, x := range parts {
		p.Gaps = append(p.Gaps, x.Gaps...)
	}
	return ctx.Err()
}

func (d *owners) one(dir host.Dir, name string, buf []byte, p *Part) {
	b, err := dir.ReadFile(name, buf)
	at := host.Join("/var/lib/dpkg/info", name)
	if err == nil && len(b) == cap(buf) { // it did not fit
		b, _, err = d.v.ReadFile(at, maxList)
	}
	p.gap(at, err)
	pkg := strings.TrimSuffix(name, ".list")
	dpkg.ListHas(b, d.want, func(f string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		// Lists of several packages share folders only; the first in the
		// order of names stays, whichever worker comes first.
		if old := d.owner[f]; old == "" || pkg < old {
			d.owner[f] = pkg
		}
	})
}

// verify compares programs that run and scripts of autostarts with the sums
// that the package came with, the busiest first, within a budget.
func (d *owners) verify(ctx context.Context, p *Part) map[fact.Ref]string {
	out := map[fact.Ref]string{}
	for i := range d.in.File { // what was compared before stays
		if f := &d.in.File[i]; f.Verified != "" {
			out[f.Ref] = f.Verified
		}
	}
	sums := map[string]map[string]string{}
	done := map[fact.FileID]string{} // one file has several paths on a merged /usr
	left, n := int64(maxHashed), 0
	for _, f := range d.byUse() {
		list := d.list(f.Path)
		if list == "" || out[f.Ref] != "" || f.Size > left || n == maxVerified || ctx.Err() != nil {
			continue
		}
		if sums[list] == nil {
			sums[list] = d.sums(list, p)
		}
		want := ""
		for _, name := range d.namesOf(f.Path) {
			want = cmp.Or(want, sums[list][name])
		}
		if hashes[len(want)] == nil {
			continue // a configuration file, or shipped without sums
		}
		sum, ok := done[f.ID]
		if !ok {
			n++
			left -= f.Size
			var err error
			if sum, err = d.sum(f, hashes[len(want)]); err != nil {
				p.gap(f.Path, err)
				continue
			}
			done[f.ID] = sum
		}
		if out[f.Ref] = "same"; sum != want {
			out[f.Ref] = "changed"
		}
	}
	return out
}

// byUse sorts the files that count: images by the CPU of their processes, then
// what autostarts run.
func (d *owners) byUse() []*fact.File {
	use := map[fact.Ref]float64{}
	for i := range d.in.Autostart {
		for _, t := range d.in.Autostart[i].Targets {
			use[t] = 0.001
		}
		use[d.in.Autostart[i].File] = 0.001
	}
	for i := range d.in.Process {
		p := &d.in.Process[i]
		use[p.ExeFile] += 0.01 + max(0, p.CPUNow)
	}
	var out []*fact.File
	for i := range d.in.File {
		f := &d.in.File[i]
		if use[f.Ref] > 0 && f.Type == "regular" && !f.Deleted && onHost(f) && (f.Format == "elf" || f.Format == "script") {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b *fact.File) int { return cmp.Compare(use[b.Ref], use[a.Ref]) })
	return out
}

// md5sums are those of the files of a list that are in question.
func (d *owners) md5sums(list string, p *Part) map[string]string {
	b, _, ok := p.read(d.v, host.Join("/var/lib/dpkg/info", list+".md5sums"), maxList)
	if !ok {
		return map[string]string{}
	}
	return dpkg.Md5sums(b, func(f string) bool { return d.want[f] })
}

// hashes are those of sums by how many digits they have.
var hashes = map[int]func() hash.Hash{32: md5.New, 40: sha1.New, 64: sha256.New, 128: sha512.New}

func (d *owners) sum(f *fact.File, sum func() hash.Hash) (string, error) {
	r, info, err := d.v.Open(f.Path)
	if err != nil {
		return "", err
	}
	defer r.Close()
	if info.ID != f.ID {
		return "", errors.New("the file was replaced meanwhile: " + path.Base(string(f.Path)))
	}
	h := sum()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, min(info.Size, maxHashed))); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
