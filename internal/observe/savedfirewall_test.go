package observe

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

func TestSavedFirewall(t *testing.T) {
	s, c := lookAt(t, "savedfirewall", fact.Snapshot{}, savedfirewall)
	var got []string
	for _, r := range s.Firewall {
		for _, ch := range r.Chains {
			for _, x := range ch.Rules {
				if x.Counter || x.Packets > 0 {
					t.Errorf("%s: a saved rule counts nothing", x.Text)
				}
				got = append(got, fmt.Sprintf("%s %s %s %s %s %v:%d %v %s", r.Backend, r.Family, ch.Name, x.Verdict, x.Proto, r.Persisted, x.Origin.Line, x.DPort, x.Unknown))
			}
		}
	}
	want := []string{
		"firewalld inet public accept tcp /etc/firewalld/zones/public.xml:3 [{8080 8080}] []",
		"firewalld inet public accept tcp /etc/firewalld/zones/public.xml:4 [{6380 6380}] []",
		"nft inet input accept tcp /etc/nftables.conf:4 [{22 22}] []",
		"iptables-legacy ip INPUT accept tcp /etc/sysconfig/iptables:3 [{6380 6380}] []",
		"ufw ip ufw-user-input accept tcp /etc/ufw/user.rules:5 [{6380 6380}] []",
	}
	if d := cmp.Diff(want, got); d != "" || c.State != fact.Seen {
		t.Error(c, d)
	}
	if _, c := lookAt(t, "rc-alpine", fact.Snapshot{}, savedfirewall); c.State != fact.Absent {
		t.Error(c)
	}
}
