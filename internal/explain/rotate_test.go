package explain

import (
	"fmt"
	"strings"
	"testing"

	"demine/internal/fact"
	"demine/internal/judge"
	"demine/internal/relate"

	"github.com/google/go-cmp/cmp"
)

// With root everything is lost; with one account what it could read.
func TestRotate(t *testing.T) {
	s := &fact.Snapshot{
		Coverage: []fact.Coverage{{Observer: "credential", State: fact.Seen}},
		Account:  []fact.Account{{Name: "root", Password: "set"}, {Name: "shop", Password: "set"}},
		Credential: []fact.Credential{
			{Kind: "ssh-key", Path: "/root/.ssh/id_rsa"},
			{Kind: "settings", Path: "/opt/app/.env", Readers: []string{"shop"}},
			{Kind: "settings", Path: "/srv/x/.env", Readers: []string{"everyone"}},
		},
	}
	told := func(user string) (out []string) {
		sc := &scene{x: relate.New(s), keys: []*fact.Key{{Account: user}}}
		_, _, ms := sc.advice()
		for _, m := range ms {
			text := m.ID
			for _, arg := range []string{"account", "path"} {
				if v, ok := m.Args[arg]; ok {
					text += fmt.Sprintf(" %s", v)
				}
			}
			out = append(out, text)
		}
		return out
	}
	want := []string{"rotate.host-keys", "rotate.password root", "rotate.password shop", "rotate.credential /root/.ssh/id_rsa",
		"rotate.credential /opt/app/.env", "rotate.credential /srv/x/.env"}
	if d := cmp.Diff(want, told("root")); d != "" {
		t.Error(d)
	}
	want = []string{"rotate.password shop", "rotate.credential /opt/app/.env", "rotate.credential /srv/x/.env"}
	if d := cmp.Diff(want, told("shop")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"rotate.credential /srv/x/.env"}, told("www-data")); d != "" {
		t.Error(d)
	}
	s.Coverage[0].State = fact.Partial
	if d := cmp.Diff([]string{"rotate.credential /srv/x/.env", "rotate.not-seen"}, told("www-data")); d != "" {
		t.Error(d)
	}
	s.Coverage = nil
	if d := cmp.Diff([]string{"rotate.credential /srv/x/.env", "rotate.not-seen"}, told("www-data")); d != "" {
		t.Error(d)
	}
}

// Who an implant in a container is says nothing of the host, unless the
// container is not kept from it.
func TestAdviceContainer(t *testing.T) {
	box := strings.Repeat("ab", 32)
	in := func(uid int, user string) fact.Process {
		return fact.Process{Ref: "process:9", PID: 9, UID: uid, User: user, Container: box}
	}
	beside := fact.Process{Ref: "process:8", PID: 8, UID: 1000, User: "shop"}
	for name, c := range map[string]struct {
		box    []fact.Container
		p      []fact.Process
		advice string
		why    string
		rotate []string
	}{
		"root in it":       {[]fact.Container{{ID: box, Name: "web"}}, []fact.Process{in(0, "root")}, "clean", "advice.container", []string{"rotate.container web"}},
		"a name in it":     {[]fact.Container{{ID: box, Name: "web"}}, []fact.Process{in(1000, "shop")}, "clean", "advice.container", []string{"rotate.container web"}},
		"nothing is known": {nil, []fact.Process{in(0, "root")}, "clean", "advice.container-unknown", []string{"rotate.container " + box[:12]}},
		"privileged": {[]fact.Container{{ID: box, Privileged: true}}, []fact.Process{in(0, "root")}, "rebuild", "advice.rebuild",
			[]string{"rotate.host-keys", "rotate.password", "rotate.credential", "rotate.credential"}},
		"another beside it": {[]fact.Container{{ID: box, Name: "web"}}, []fact.Process{in(0, "root"), beside}, "clean", "advice.container",
			[]string{"rotate.password", "rotate.credential", "rotate.container web"}},
	} {
		s := &fact.Snapshot{
			Coverage:   []fact.Coverage{{Observer: "credential", State: fact.Seen}},
			Account:    []fact.Account{{Name: "shop", Password: "set"}},
			Credential: []fact.Credential{{Kind: "ssh-key", Path: "/root/.ssh/id_rsa"}, {Kind: "settings", Path: "/srv/x/.env", Readers: []string{"everyone"}}},
			Container:  c.box, Process: c.p,
		}
		sc := &scene{x: relate.New(s)}
		for _, p := range c.p {
			sc.findings = append(sc.findings, judge.Finding{Subject: p.Ref})
		}
		advice, why, ms := sc.advice()
		var rotate []string
		for _, m := range ms {
			text := m.ID
			if v, ok := m.Args["container"]; ok {
				text += fmt.Sprintf(" %s", v)
			}
			rotate = append(rotate, text)
		}
		if d := cmp.Diff(c.rotate, rotate); d != "" || advice != c.advice || why.ID != c.why {
			t.Errorf("%s: %s, %s %s", name, advice, why.ID, d)
		}
	}
}
