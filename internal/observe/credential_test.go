package observe

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"demine/internal/fact"
	"demine/internal/host/fixture"

	"github.com/google/go-cmp/cmp"
)

// What programs keep is found by its place, and who can read it by the modes of
// the file and of all folders above it. An empty file, a public key and the
// certificate that every Debian makes are none.
func TestCredentials(t *testing.T) {
	h, err := fixture.Parse([]byte(`
-- /etc/passwd --
root:x:0:0:root:/root:/bin/bash
shop:x:1000:1000::/home/shop:/bin/bash
redis:x:106:112::/var/lib/redis:/usr/sbin/nologin
-- /etc/group --
web:x:2000:redis
-- /root type=dir mode=0700 --
-- /root/.ssh type=dir mode=0700 --
-- /root/.ssh/id_ed25519 mode=0600 --
x
-- /root/.ssh/id_ed25519.pub mode=0644 --
x
-- /root/.aws/credentials mode=0644 --
x
-- /home type=dir mode=0755 --
-- /home/shop type=dir mode=0755 uid=1000 gid=1000 --
-- /home/shop/.pgpass mode=0600 uid=1000 gid=1000 --
x
-- /home/shop/.netrc mode=0600 uid=1000 gid=1000 --
-- /opt/app type=dir mode=0755 --
-- /opt/app/.env mode=0640 uid=1000 gid=2000 --
x
-- /srv/site type=dir mode=0755 --
-- /srv/site/config type=dir mode=0755 --
-- /srv/site/config/database.yml mode=0644 --
x
-- /etc/ssl/private/ssl-cert-snakeoil.key mode=0640 --
x
-- /proc/900/stat --
900 (java) S 1 900 900 0 -1 4194560 0 0 0 0 9 9 0 0 20 0 1 0 100 7000000 600
-- /proc/900/status --
Uid:	1000	1000	1000	1000
-- /proc/900/cwd -> /data/shop --
-- /data/shop type=dir mode=0755 --
-- /data/shop/application.yml mode=0600 uid=1000 --
x
`))
	if err != nil {
		t.Fatal(err)
	}
	s := Run(context.Background(), h, []*Observer{hostinfo, account, process, credential}, Scope{}, nil)
	got := map[fact.Path][]string{}
	for _, c := range s.Credential {
		got[c.Path] = append([]string{c.Kind}, c.Readers...)
	}
	want := map[fact.Path][]string{
		"/root/.ssh/id_ed25519":         {"ssh-key"},
		"/root/.aws/credentials":        {"aws"}, // anyone may read it, but nobody may enter /root
		"/home/shop/.pgpass":            {"postgresql", "shop"},
		"/opt/app/.env":                 {"settings", "shop", "redis"},
		"/srv/site/config/database.yml": {"settings", "everyone"},
		"/data/shop/application.yml":    {"settings", "shop"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A file where folders are looked for, and a home that is none, hide nothing.
func TestCredentialsNoFolder(t *testing.T) {
	h, err := fixture.Parse([]byte(`
-- /etc/passwd --
root:x:0:0:root:/root:/bin/bash
tss:x:59:59::/dev/null:/sbin/nologin
-- /etc/group --
-- /root type=dir --
-- /dev/null type=device --
-- /srv/capture.jsonl --
x
-- /opt/app -> /data/app --
-- /data/app/.env --
x
-- /opt/gone -> /data/gone --
-- /var/www --
x
`))
	if err != nil {
		t.Fatal(err)
	}
	s := Run(context.Background(), h, []*Observer{hostinfo, account, process, credential}, Scope{}, nil)
	if c := s.Coverage[len(s.Coverage)-1]; c.Observer != "credential" || c.State != fact.Seen {
		t.Errorf("%+v", c)
	}
	if len(s.Credential) != 1 || s.Credential[0].Path != "/opt/app/.env" {
		t.Errorf("%+v", s.Credential)
	}
}

// What is beyond the bound is counted.
func TestCredentialsTooMany(t *testing.T) {
	var text strings.Builder
	text.WriteString("-- /etc/passwd --\nroot:x:0:0:root:/root:/bin/bash\n-- /etc/group --\n")
	for i := range maxCredentials + 7 {
		fmt.Fprintf(&text, "-- /root/.ssh/id_%d --\nx\n", i)
	}
	h, err := fixture.Parse([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	s := Run(context.Background(), h, []*Observer{hostinfo, account, process, credential}, Scope{}, nil)
	want := []fact.Gap{{Code: "too-many", What: "credentials", Count: 7}}
	if d := cmp.Diff(want, s.Coverage[len(s.Coverage)-1].Gaps); d != "" || len(s.Credential) != maxCredentials {
		t.Error(len(s.Credential), d)
	}
}
