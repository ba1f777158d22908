package sshdconfig

import (
	"strings"
	"testing"

	"demine/internal/fact"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     []Directive
	}{
		{"comment and blank", "# PermitRootLogin yes\n\n  #x\n", nil},
		{"equals", "Port=2222\nPort = 22\n", []Directive{
			{Name: "port", Args: []string{"2222"}, Line: 1}, {Name: "port", Args: []string{"22"}, Line: 2}}},
		{"quoted keyword, CRLF", "\"PermitRootLogin\" no\r\n", []Directive{
			{Name: "permitrootlogin", Args: []string{"no"}, Line: 1}}},
		{"trailing comment", "PermitRootLogin no # for now", []Directive{
			{Name: "permitrootlogin", Args: []string{"no"}, Line: 1}}},
		{"hash in a word", `AllowUsers a#b "c # d" e\ f`, []Directive{
			{Name: "allowusers", Args: []string{"a#b", "c # d", "e f"}, Line: 1}}},
		{"no argument, open quote", "PermitRootLogin\nAllowUsers \"a\nUsePAM yes", []Directive{
			{Name: "usepam", Args: []string{"yes"}, Line: 3}}},
		{"alias", "ChallengeResponseAuthentication no", []Directive{
			{Name: "kbdinteractiveauthentication", Args: []string{"no"}, Line: 1}}},
		{"rest of the line", "ForceCommand /bin/x \"a b\" # c", []Directive{
			{Name: "forcecommand", Args: []string{`/bin/x "a b" # c`}, Line: 1}}},
		{"match", "Match User bob Address 10.0.0.0/8\n  X11Forwarding yes\nMatch all\nUseDNS no\n", []Directive{
			{Name: "match", Args: []string{"User", "bob", "Address", "10.0.0.0/8"}, Line: 1},
			{Name: "x11forwarding", Args: []string{"yes"}, Line: 2, Match: "User bob Address 10.0.0.0/8"},
			{Name: "match", Args: []string{"all"}, Line: 3},
			{Name: "usedns", Args: []string{"no"}, Line: 4, Match: "all"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := cmp.Diff(tc.want, Parse([]byte(tc.in))); d != "" {
				t.Error(d)
			}
		})
	}
}

// files gives an include function over paths; a pattern matches by its prefix
// up to the star.
func files(m map[string]string) func(string) []Source {
	return func(pattern string) []Source {
		var out []Source
		pre, post, star := strings.Cut(pattern, "*")
		for p, text := range m {
			if p == pattern || star && strings.HasPrefix(p, pre) && strings.HasSuffix(p, post) {
				out = append(out, Source{fact.Path(p), Parse([]byte(text))})
			}
		}
		return out
	}
}

func find(s []fact.Setting, name string) fact.Setting {
	return fact.Service{Settings: s}.Setting(name)
}

// cloudInit is the usual trap: the file says no, a drop-in that stands before
// it says yes.
func TestEffectiveFirstWins(t *testing.T) {
	main := Source{"/etc/ssh/sshd_config", Parse([]byte("Include /etc/ssh/sshd_config.d/*.conf\nPasswordAuthentication no\nPort 22\nPort 33768\n"))}
	got, blocks := Effective(main, files(map[string]string{
		"/etc/ssh/sshd_config.d/60-site.conf":       "PasswordAuthentication no\n",
		"/etc/ssh/sshd_config.d/50-cloud-init.conf": "PasswordAuthentication Yes\n",
	}))
	want := fact.Setting{Name: "passwordauthentication", Value: "yes", Default: "yes", From: "file",
		Origin: fact.Origin{Path: "/etc/ssh/sshd_config.d/50-cloud-init.conf", Line: 1}}
	if d := cmp.Diff(want, find(got, "passwordauthentication")); d != "" {
		t.Error(d)
	}
	if v := find(got, "port").Value; v != "22 33768" {
		t.Errorf("port = %q", v)
	}
	if s := find(got, "permitrootlogin"); s.Value != "prohibit-password" || s.From != "default" {
		t.Errorf("permitrootlogin = %+v", s)
	}
	if len(blocks) != 0 {
		t.Errorf("blocks = %v", blocks)
	}
}

func TestEffectiveMatch(t *testing.T) {
	main := Source{"/m", Parse([]byte(`
Match User git
  Include sub.conf
  PermitRootLogin yes
Match all
PermitEmptyPasswords yes
Match Group x
  PermitRootLogin no
  PermitRootLogin yes
`))}
	got, blocks := Effective(main, files(map[string]string{
		"/etc/ssh/sub.conf": "UseDNS yes\nMatch Address 1.2.3.4\nForceCommand /x\n"}))
	if v := find(got, "permitemptypasswords").Value; v != "yes" {
		t.Errorf("what follows Match all is global: %q", v)
	}
	if v := find(got, "permitrootlogin").Value; v != "prohibit-password" {
		t.Errorf("permitrootlogin = %q", v)
	}
	var names []string
	for _, b := range blocks {
		var s []string
		for _, x := range b.Settings {
			s = append(s, x.Name+"="+x.Value)
		}
		names = append(names, b.Criteria+": "+strings.Join(s, ","))
	}
	want := []string{
		"User git: permitrootlogin=yes,usedns=yes",
		"User git Address 1.2.3.4: forcecommand=/x",
		"Group x: permitrootlogin=no",
	}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
}

func TestEffectiveIncludesItself(t *testing.T) {
	n := 0
	self := Source{"/s", Parse([]byte("Include /s /s /s\nPort 1\n"))}
	Effective(self, func(string) []Source { n++; return []Source{self} })
	if n > 3*maxSources {
		t.Errorf("%d expansions", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"Port=1\n", `AllowUsers "a b" c\ d # e`, "Match User x\nInclude *\n", "\"a\" b", "LoginGraceTime 1h30m"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ds := Parse(b)
		lines := strings.Count(string(b), "\n") + 1
		for _, d := range ds {
			if d.Name != strings.ToLower(d.Name) || d.Line < 1 || d.Line > lines || len(d.Args) == 0 {
				t.Fatalf("bad directive %+v", d)
			}
		}
		src := Source{"/x", ds}
		a, _ := Effective(src, func(string) []Source { return []Source{src} })
		c, _ := Effective(src, func(string) []Source { return []Source{src} })
		if d := cmp.Diff(a, c); d != "" {
			t.Fatal("not the same twice:", d)
		}
		if len(a) < len(Defaults()) {
			t.Fatalf("%d settings", len(a))
		}
	})
}
