package ufw

import (
	"testing"

	"demine/internal/fact"
)

// userRules is what ufw 0.36.1 writes for "ufw allow from 10.0.0.0/8 to any
// port 6380 proto tcp comment redis" and "ufw limit ssh".
const userRules = `*filter
:ufw-user-input - [0:0]
:ufw-user-limit - [0:0]
:ufw-user-limit-accept - [0:0]
### RULES ###

### tuple ### allow tcp 6380 0.0.0.0/0 any 10.0.0.0/8 in comment=7265646973
-A ufw-user-input -p tcp --dport 6380 -s 10.0.0.0/8 -j ACCEPT

### tuple ### limit tcp 22 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 22 -m conntrack --ctstate NEW -m recent --set
-A ufw-user-input -p tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 -j ufw-user-limit
-A ufw-user-input -p tcp --dport 22 -j ufw-user-limit-accept

### END RULES ###
-A ufw-user-limit -m limit --limit 3/minute -j LOG --log-prefix "[UFW LIMIT BLOCK] "
-A ufw-user-limit -j REJECT
-A ufw-user-limit-accept -j ACCEPT
COMMIT
`

func TestParse(t *testing.T) {
	rs := Parse([]byte(userRules), "ip", "/etc/ufw/user.rules")
	if len(rs) != 1 || rs[0].Backend != "ufw" || rs[0].Ref != "firewall:/etc/ufw/user.rules:ip/filter" || len(rs[0].Chains) != 3 {
		t.Fatalf("%+v", rs)
	}
	rules := rs[0].Chains[0].Rules
	if len(rules) != 4 || rules[0].Comment != "redis" || rules[1].Comment != "" || rules[0].Origin != (fact.Origin{Path: "/etc/ufw/user.rules", Line: 8}) {
		t.Errorf("%+v", rules)
	}
	if r := rules[2]; r.Verdict != "jump" || r.Target != "ufw-user-limit" || len(r.Unknown) != 1 || r.Unknown[0] != "recent update" {
		t.Errorf("%+v", r)
	}
}

// FuzzParse: no panic, and every ruleset says where it is from.
func FuzzParse(f *testing.F) {
	f.Add([]byte(userRules))
	f.Add([]byte("### tuple ### comment=zz\n-A x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, rs := range Parse(b, "ip6", "/u") {
			if rs.Backend != "ufw" || rs.Persisted != "/u" {
				t.Fatalf("%+v", rs)
			}
		}
	})
}
