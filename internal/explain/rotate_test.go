package explain

import (
	"fmt"
	"testing"

	"demine/internal/fact"
	"demine/internal/relate"

	"github.com/google/go-cmp/cmp"
)

// With root everything is lost; with one account what it could read.
func TestRotate(t *testing.T) {
	s := &fact.Snapshot{
		Account: []fact.Account{{Name: "root", Password: "set"}, {Name: "shop", Password: "set"}},
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
}
