package observe

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host/fixture"
)

const redhat = `
-- /usr/bin/good mode=0755 --
#!/bin/sh
echo as shipped
-- /usr/bin/bad mode=0755 --
#!/bin/sh
echo changed
-- /usr/bin/own mode=0755 --
#!/bin/sh
-- /etc/tools.conf mode=0755 --
#!/bin/sh
echo edited
`

// database is one of rpm's, as an entry of a fixture.
func database(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open("../format/rpmdb/testdata/" + name + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("-- /var/lib/rpm/%s enc=base64 --\n%s\n", name, base64.StdEncoding.EncodeToString(b))
}

// Whose a file is, and whether it is as shipped, rpm's database tells in each of
// its forms. What keeps it from being sure is a gap.
func TestPackagesOfRedHat(t *testing.T) {
	owned := map[fact.Path]string{"/usr/bin/good": "tools same", "/usr/bin/bad": "tools changed", "/usr/bin/own": " ", "/etc/tools.conf": "tools "}
	unsure := map[fact.Path]string{"/usr/bin/good": "tools ", "/usr/bin/bad": "tools ", "/usr/bin/own": " ", "/etc/tools.conf": "tools "}
	nobody := map[fact.Path]string{"/usr/bin/good": " ", "/usr/bin/bad": " ", "/usr/bin/own": " ", "/etc/tools.conf": " "}
	sqlite := database(t, "rpmdb.sqlite")
	for name, c := range map[string]struct {
		more  string
		want  map[fact.Path]string
		state fact.State
	}{
		"berkeley":  {database(t, "Packages"), owned, fact.Seen},
		"ndb":       {database(t, "Packages.db"), owned, fact.Seen},
		"sqlite":    {sqlite, owned, fact.Seen},
		"flushed":   {sqlite + "-- /var/lib/rpm/rpmdb.sqlite-wal --\n", owned, fact.Seen},
		"unflushed": {sqlite + "-- /var/lib/rpm/rpmdb.sqlite-wal --\nx\n", owned, fact.Partial},
		"two":       {sqlite + "-- /var/lib/rpm/Packages --\nx\n", owned, fact.Partial},
		"damaged":   {"-- /var/lib/rpm/Packages --\nx\n", nobody, fact.Partial},
		"prelinked": {sqlite + "-- /etc/prelink.cache --\nx\n", unsure, fact.Seen},
		"of dpkg":   {sqlite + "-- /var/lib/dpkg/status --\nPackage: x\n-- /var/lib/dpkg/info/x.list --\n/usr/bin/other\n", nobody, fact.Seen},
	} {
		h, err := fixture.Parse([]byte(redhat + c.more))
		if err != nil {
			t.Fatal(err)
		}
		var base fact.Snapshot
		for p := range c.want {
			base.Autostart = append(base.Autostart, fact.Autostart{Ref: fact.Ref("autostart:" + p), Origin: fact.Origin{Path: p}})
		}
		s, cov := lookAtHost(t, h, base, file, packages)
		got := map[fact.Path]string{}
		for _, f := range s.File {
			got[f.Path] = f.Package + " " + f.Verified
		}
		if d := cmp.Diff(c.want, got); d != "" || cov.State != c.state {
			t.Errorf("%s: %+v %s", name, cov, d)
		}
	}
}

// A database that is larger than any is not read, and says so.
func TestRpmDatabaseTooLarge(t *testing.T) {
	h, err := fixture.Parse([]byte(redhat + "-- /var/lib/rpm/Packages size=2147483649 --\nx\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, cov := lookAtHost(t, h, fact.Snapshot{}, file, packages)
	if d := cmp.Diff([]string{"too-large /var/lib/rpm/Packages"}, gaps(cov)); d != "" || cov.State != fact.Partial {
		t.Errorf("%+v %s", cov, d)
	}
}

// Pages without a header are not read on when nobody waits for them any more: whether
// there is one among them is then not told.
func TestRpmDatabaseWithoutHeaders(t *testing.T) {
	db := make([]byte, 1<<20)
	binary.LittleEndian.PutUint32(db[12:], 0x061561) // a hash of Berkeley DB
	binary.LittleEndian.PutUint32(db[20:], 4096)
	h, err := fixture.Parse(fmt.Appendf(nil, "-- /var/lib/rpm/Packages enc=base64 --\n%s\n", base64.StdEncoding.EncodeToString(db)))
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(context.Background())
	end()
	for ctx, want := range map[context.Context][]string{
		context.Background(): {"package-database-unread /var/lib/rpm/Packages"},
		ended:                {"timeout "},
	} {
		_, cov := see(ctx, h, packages, &fact.Snapshot{}, Scope{})
		if d := cmp.Diff(want, gaps(cov)); d != "" {
			t.Errorf("%v: %s", ctx, d)
		}
	}
}
