package observe

import (
	"context"
	"fmt"
	"io"

	"demine/internal/fact"
	"demine/internal/format/rpmdb"
	"demine/internal/host"
)

// prelinked is there where prelink (CentOS 6) has changed programs after they were
// installed: their sums tell nothing.
const prelinked = fact.Path("/etc/prelink.cache")

// maxRpm is several times the database of a host with thousands of packages. A file
// with holes can be larger than its disk.
const maxRpm = 2 << 30

// rpmDatabases are those that there are, on a host where dpkg installed nothing: the
// form that rpm took last comes first.
func rpmDatabases(v *View) (out []fact.Path) {
	if dpkgInstalls(v) {
		return nil
	}
	seen := map[fact.FileID]bool{}
	for _, name := range []string{"rpmdb.sqlite", "Packages.db", "Packages"} {
		for _, dir := range []fact.Path{"/usr/lib/sysimage/rpm", "/var/lib/rpm"} {
			at := host.Join(dir, name)
			if i, err := v.Stat(at); err == nil && i.Type == "regular" && !seen[i.ID] { // one folder may be a link to the other
				seen[i.ID] = true
				out = append(out, at)
			}
		}
	}
	return out
}

// readRpm takes the owners, and the sums that files came with, from the first
// database. Another one beside it is one that rpm does not use; which, is not told.
func (d *owners) readRpm(ctx context.Context, dbs []fact.Path, p *Part) {
	shipped := map[string]string{}
	d.sums = func(string, *Part) map[string]string { return shipped }
	unread := func(at fact.Path) {
		p.Gaps = append(p.Gaps, fact.Gap{Code: "package-database-unread", What: at.String()})
	}
	for _, at := range dbs[1:] {
		unread(at)
	}
	wal := dbs[0] + "-wal" // what SQLite has not written into the database yet
	if i, err := d.v.Stat(wal); err == nil && i.Size > 0 {
		unread(wal)
	}
	db, info, err := d.v.Open(dbs[0])
	if err != nil {
		p.gap(dbs[0], err)
		return
	}
	defer db.Close()
	if info.Size > maxRpm {
		p.gap(dbs[0], fmt.Errorf("%w (%d bytes)", host.ErrTooLarge, info.Size))
		return
	}
	want, headers, bad := rpmdb.Want(d.want), 0, false
	for h, err := range rpmdb.Headers(whileAsked{db, ctx}, info.Size) {
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			headers++
			err = d.shipped(h, want, shipped)
		}
		bad = bad || err != nil
	}
	if bad || headers == 0 {
		unread(dbs[0])
	}
	if exists(d.v, prelinked) {
		clear(shipped)
	}
}

// shipped takes the files of one package, and adds their sums.
func (d *owners) shipped(header []byte, want rpmdb.Wanted, sums map[string]string) error {
	files, err := rpmdb.Files(header, want)
	for _, f := range files {
		d.owner[f.Path] = f.Package
		if f.Digest != "" {
			sums[f.Path] = f.Digest
		}
	}
	return err
}

// whileAsked reads as long as somebody waits for it: of pages without a header, of which
// there may be gigabytes, nothing else is heard.
type whileAsked struct {
	io.ReaderAt
	ctx context.Context
}

func (r whileAsked) ReadAt(b []byte, off int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.ReaderAt.ReadAt(b, off)
}
