package observe

import (
	"bytes"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/apkdb"
)

// apkDatabases are where Alpine keeps what is installed, the second since its
// /lib is a link.
var apkDatabases = []fact.Path{"/lib/apk/db/installed", "/usr/lib/apk/db/installed"}

// maxApk is more than ten times the database of a host with 1000 packages.
const maxApk = 64 << 20

// dpkgInstalls reports whether the host's packages are those of dpkg: nobody is then
// fooled by another database that lies there.
func dpkgInstalls(v *View) bool {
	i, err := v.Stat("/var/lib/dpkg/status")
	return err == nil && i.Size > 0
}

// apkDatabase is the one that there is, on a host where dpkg installed nothing.
func apkDatabase(v *View) fact.Path {
	if dpkgInstalls(v) {
		return ""
	}
	for _, db := range apkDatabases {
		if exists(v, db) {
			return db
		}
	}
	return ""
}

// readApk takes the owners, and the sums that files came with.
func (d *owners) readApk(db fact.Path, p *Part) {
	shipped := map[string]string{}
	d.sums = func(string, *Part) map[string]string { return shipped }
	b, _, ok := p.read(d.v, db, maxApk)
	if !ok {
		return
	}
	if !bytes.Contains(b, []byte("\nP:")) { // no package at all: it is something else
		p.Gaps = append(p.Gaps, fact.Gap{Code: "package-database-unread", What: db.String()})
	}
	for _, f := range apkdb.Files(b, d.want) {
		d.owner[f.Path] = f.Package
		if !strings.HasPrefix(f.Path, "/etc/") { // that is the administrator's to change (apk's protected paths)
			shipped[f.Path] = f.SHA1
		}
	}
}
