package observe

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host/fixture"
)

const alpine = `
-- /bin/good mode=0755 --
#!/bin/sh
echo as shipped
-- /bin/bad mode=0755 --
#!/bin/sh
echo changed
-- /bin/own mode=0755 --
#!/bin/sh
-- /etc/init.d/edited mode=0755 --
#!/sbin/openrc-run
-- /etc/crontabs/root mode=0600 --
* * * * * /bin/good
-- /lib/apk/db/installed --
C:Q1x=
P:tools
V:1-r0
F:bin
R:good
a:0:0:755
Z:Q1uQudy2aq+S9hQimmgykK3Eq8WZA=
R:bad
a:0:0:755
Z:Q1uQudy2aq+S9hQimmgykK3Eq8WZA=
F:etc/init.d
R:edited
Z:Q1uQudy2aq+S9hQimmgykK3Eq8WZA=
F:etc/crontabs
R:root

`

// Whose a file is, and whether it is as shipped, apk's database tells, unless
// dpkg is what installs on the host: then nobody is fooled by one that lies there.
func TestPackagesOfAlpine(t *testing.T) {
	for _, c := range []struct {
		more  string
		want  map[fact.Path]string
		state fact.State
	}{
		{"", map[fact.Path]string{"/bin/good": "tools same", "/bin/bad": "tools changed", "/bin/own": " ", "/etc/init.d/edited": "tools ", "/etc/crontabs/root": "tools "}, fact.Seen},
		{"-- /var/lib/dpkg/status --\n", map[fact.Path]string{"/bin/good": "tools same", "/bin/bad": "tools changed", "/bin/own": " ", "/etc/init.d/edited": "tools ", "/etc/crontabs/root": "tools "}, fact.Seen},
		{"-- /var/lib/dpkg/status --\nPackage: x\n-- /var/lib/dpkg/info/x.list --\n/bin/own\n",
			map[fact.Path]string{"/bin/good": " ", "/bin/bad": " ", "/bin/own": "x ", "/etc/init.d/edited": " ", "/etc/crontabs/root": " "}, fact.Seen},
	} {
		h, err := fixture.Parse([]byte(alpine + c.more))
		if err != nil {
			t.Fatal(err)
		}
		var base fact.Snapshot
		for _, p := range []fact.Path{"/bin/good", "/bin/bad", "/bin/own", "/etc/init.d/edited", "/etc/crontabs/root"} {
			base.Autostart = append(base.Autostart, fact.Autostart{Ref: fact.Ref("autostart:" + p), Origin: fact.Origin{Path: p}})
		}
		s, cov := lookAtHost(t, h, base, file, packages)
		got := map[fact.Path]string{}
		for _, f := range s.File {
			got[f.Path] = f.Package + " " + f.Verified
		}
		if d := cmp.Diff(c.want, got); d != "" || cov.State != c.state {
			t.Errorf("%q: %+v %s", c.more, cov, d)
		}
	}
}
