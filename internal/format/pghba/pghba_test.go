package pghba

import (
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const file = `# TYPE DATABASE USER ADDRESS METHOD
local   all             postgres                                peer
host    all             all             127.0.0.1/32            scram-sha-256 # loopback
host    "all",b         all,"x y"       10.0.0.0 255.255.0.0    trust map=x
hostssl replication, c  +admins         .example.org            cert \
        clientcert=verify-full
include_dir hba.d
host    all all 10.0.0.0/33 trust
host    all all 10.0.0.0 255.0.255.0 trust
host    all
nonsense all all all trust
host all all all md5
`
	var got []string
	for _, r := range Parse([]byte(file)) {
		got = append(got, r.Text())
	}
	want := []string{
		"local all postgres peer", "host all all 127.0.0.1/32 scram-sha-256", "host all,b all,x y 10.0.0.0/16 trust",
		"hostssl replication,c +admins .example.org cert", "include_dir hba.d", "host all all all md5",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRemote(t *testing.T) {
	const debian = "local all postgres peer\nlocal all all peer\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n"
	for name, c := range map[string]struct{ file, asks, by, trusting string }{
		"as Debian ships it":       {debian, "acl", "", ""},
		"trust for all":            {debian + "host all all 0.0.0.0/0 trust\n", "none", "host all all 0.0.0.0/0 trust", ""},
		"of IPv6 too":              {"host all all ::/0 md5\nhost all all all trust\n", "none", "host all all all trust", ""},
		"reject comes first":       {"host all all all reject\nhost all all 0.0.0.0/0 trust\n", "acl", "", ""},
		"reject of a part":         {"host all all 10.0.0.0/8 reject\nhost all all 0.0.0.0/0 trust\n", "none", "host all all 0.0.0.0/0 trust", ""},
		"a password comes first":   {"host all all 0.0.0.0/0 scram-sha-256\nhost all app 0.0.0.0/0 trust\n", "password", "host all all 0.0.0.0/0 scram-sha-256", ""},
		"and for one user only":    {"host all app 0.0.0.0/0 scram-sha-256\nhost all all 0.0.0.0/0 trust\n", "none", "host all all 0.0.0.0/0 trust", ""},
		"over SSL only":            {"hostssl all all all cert\nhost all all all trust\n", "none", "host all all all trust", ""},
		"SSL is covered":           {"host all all all cert\nhostssl all all all trust\n", "key", "host all all all cert", ""},
		"all is not replication":   {"host all all all md5\nhost replication all all trust\n", "none", "host replication all all trust", ""},
		"a quoted all is a name":   {"host \"all\" all all reject\nhost all all all trust\n", "none", "host all all all trust", ""},
		"trust for a network":      {"host all all 10.0.0.0/8 trust\nhost all all all md5\n", "password", "host all all all md5", "host all all 10.0.0.0/8 trust"},
		"and no one else":          {"host all all samenet trust\n", "acl", "", "host all all samenet trust"},
		"believes the other side":  {"host all all all ident\n", "none", "host all all all ident", ""},
		"Docker's image, loopback": {"local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all all scram-sha-256\n", "password", "host all all all scram-sha-256", ""},
		"nothing":                  {"", "acl", "", ""},
	} {
		asks, by, trusting := Remote(Parse([]byte(c.file)))
		some := ""
		for _, r := range trusting {
			some += r.Text()
		}
		if asks != c.asks || by.Text() != c.by || some != c.trusting {
			t.Errorf("%s: %s by %q, trusting %q", name, asks, by.Text(), some)
		}
	}
}

// What a rule covers, every rule that it covers covers no more than it.
func FuzzParse(f *testing.F) {
	f.Add([]byte("host all,\"a b\" all 10.0.0.0 255.0.0.0 trust # c\nlocal a b \\\n peer\ninclude \"x\"\n"))
	f.Add([]byte("host , , , ,\n\"\nhost a \xff 1/1 x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		rules := Parse(b)
		for _, r := range rules {
			if r.Type == "" || r.Line < 1 || !utf8.ValidString(r.Text()) || r.Method == "" && r.Address == "" {
				t.Errorf("%+v", r)
			}
			if r.Method != "" && !r.covers(r) {
				t.Errorf("%q does not cover itself", r.Text())
			}
		}
		Remote(rules)
	})
}
