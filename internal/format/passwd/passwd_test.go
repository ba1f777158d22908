package passwd

import (
	"strings"
	"testing"

	"demine/internal/fact"

	"github.com/google/go-cmp/cmp"
)

const sample = `root:x:0:0:root:/root:/bin/bash
daemon:*:1:1:daemon:/usr/sbin:/usr/sbin/nologin
# comment
+::::::
news:x:9:9:news:/var/spool/news:/usr/sbin/nologin 
sys$:$6$salt$hash:0:0::/tmp:
open::1000:1000:a,b:/home/o:/bin/sh
bad:x:y:0::/:/bin/sh
short:x:1:1
toor::0:0
cut:x:1
`

func TestPasswd(t *testing.T) {
	got := Passwd([]byte(sample))
	for i := range got {
		got[i].Ref = ""
	}
	at := func(n int) fact.Origin { return fact.Origin{Line: n} }
	want := []fact.Account{
		{Name: "root", Home: "/root", Shell: "/bin/bash", Login: true, Origin: at(1)},
		{Name: "daemon", UID: 1, GID: 1, Home: "/usr/sbin", Shell: "/usr/sbin/nologin", Password: Locked, Origin: at(2)},
		{Name: "news", UID: 9, GID: 9, Home: "/var/spool/news", Shell: "/usr/sbin/nologin ", Login: true, Origin: at(5)},
		{Name: "sys$", Home: "/tmp", Login: true, Password: InPasswd, Origin: at(6)},
		{Name: "open", UID: 1000, GID: 1000, Home: "/home/o", Shell: "/bin/sh", Login: true, Password: None, Origin: at(7)},
		// getent(1) of glibc 2.36 takes these two: "toor" is root without a password.
		{Name: "short", UID: 1, GID: 1, Login: true, Origin: at(9)},
		{Name: "toor", Login: true, Password: None, Origin: at(10)},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestShadow(t *testing.T) {
	got := Shadow([]byte("root:$y$j9T$x$y:19000:0:99999:7:::\na:!:1\nb:*:1\nc::1\nd:!$6$x$y:1\ne\nroot:!:2\n"))
	want := map[string]string{"root": Set, "a": Locked, "b": Locked, "c": None, "d": Locked}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestGroup(t *testing.T) {
	got := Group([]byte("root:x:0:\n\nsudo:x:27:ann,bob\nbad:x:q:\n"))
	want := []Member{{Name: "root", Line: 1}, {Name: "sudo", GID: 27, Users: []string{"ann", "bob"}, Line: 3}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzPasswd(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("root:$y$j9T$x$y:19000:0:99999:7:::\nsudo:x:27:ann,bob"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := strings.Count(string(b), "\n") + 1
		for _, a := range Passwd(b) {
			if a.Name == "" || a.UID < 0 || a.Origin.Line > n || !strings.Contains(string(b), string(a.Home)) || !strings.Contains(string(b), string(a.Shell)) {
				t.Fatalf("%+v", a)
			}
			if strings.Contains(a.Password, "$") {
				t.Fatal("a hash got out")
			}
		}
		for name, s := range Shadow(b) {
			if s != Set && s != None && s != Locked {
				t.Fatal(name, s)
			}
		}
		for _, g := range Group(b) {
			if g.Name == "" || g.GID < 0 {
				t.Fatalf("%+v", g)
			}
		}
	})
}
