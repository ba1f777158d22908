package firewalld

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"demine/internal/fact"
)

const public = `<?xml version="1.0" encoding="utf-8"?>
<zone>
  <short>Public</short>
  <description>For use in public areas.</description>
  <service name="ssh"/>
  <service name="dns"/>
  <service name="mine"/>
  <service name="nobody-knows"/>
  <port port="6380" protocol="tcp"/>
  <port port="8000-8100" protocol="udp"/>
  <protocol value="gre"/>
  <source-port port="53" protocol="udp"/>
  <forward-port port="80" protocol="tcp" to-port="8080"/>
  <masquerade/>
  <rule family="ipv4">
    <source address="10.0.0.0/8"/>
    <port port="6379" protocol="tcp"/>
    <accept/>
  </rule>
  <rule family="ipv4">
    <source address="1.2.3.4" invert="true"/>
    <service name="dns"/>
    <log prefix="x"><limit value="1/m"/></log>
    <reject type="icmp-port-unreachable"/>
  </rule>
  <rule><source ipset="bad"/><drop/></rule>
  <rule><icmp-type name="echo-request"/><accept><limit value="1/s"/></accept></rule>
</zone>
`

func show(rules []fact.Rule) (out []string) {
	for _, r := range rules {
		s := fmt.Sprintf("%d %s proto=%s dport=%v src=%v", r.Origin.Line, r.Verdict, r.Proto, r.DPort, r.Src)
		if r.NotSrc {
			s += " notsrc"
		}
		if len(r.Unknown) > 0 {
			s += fmt.Sprint(" unknown=", r.Unknown)
		}
		out = append(out, s)
	}
	return out
}

func TestParse(t *testing.T) {
	mine := func(name string) []Port {
		if name == "mine" {
			return []Port{{"tcp", fact.PortRange{From: 7, To: 9}}}
		}
		return nil
	}
	rs, err := Parse([]byte(public), "/etc/firewalld/zones/public.xml", mine)
	if err != nil {
		t.Fatal(err)
	}
	if rs.Backend != "firewalld" || rs.Table != "public" || len(rs.Chains) != 1 || rs.Chains[0].Policy != "drop" {
		t.Errorf("%+v", rs)
	}
	want := `5 accept proto=tcp dport=[{22 22}] src=[]
6 accept proto=tcp dport=[{53 53}] src=[]
6 accept proto=udp dport=[{53 53}] src=[]
7 accept proto=tcp dport=[{7 9}] src=[]
8 accept proto= dport=[] src=[] unknown=[service nobody-knows]
9 accept proto=tcp dport=[{6380 6380}] src=[]
10 accept proto=udp dport=[{8000 8100}] src=[]
11 accept proto=47 dport=[] src=[]
12 accept proto=udp dport=[] src=[]
13 dnat proto=tcp dport=[{80 80}] src=[]
15 accept proto=tcp dport=[{6379 6379}] src=[10.0.0.0/8]
20 reject proto=tcp dport=[{53 53}] src=[1.2.3.4/32] notsrc
20 reject proto=udp dport=[{53 53}] src=[1.2.3.4/32] notsrc
26 drop proto= dport=[] src=[] unknown=[rich source]
27 accept proto= dport=[] src=[] unknown=[rich icmp-type]`
	if got := strings.Join(show(rs.Chains[0].Rules), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestZoneOfSources(t *testing.T) {
	rs, err := Parse([]byte(`<zone target="ACCEPT"><source address="192.168.0.0/16"/><port port="1" protocol="tcp"/></zone>`), "/z/inside.xml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := show(rs.Chains[0].Rules); len(got) != 1 || got[0] != "1 accept proto=tcp dport=[{1 1}] src=[192.168.0.0/16]" || rs.Chains[0].Policy != "accept" {
		t.Errorf("%v, policy %s", got, rs.Chains[0].Policy)
	}
}

func TestService(t *testing.T) {
	p, err := Service([]byte(`<service><port port="22" protocol="tcp"/><port protocol="udp" port="1-2"/><module name="x"/></service>`))
	if err != nil || len(p) != 2 || p[1] != (Port{"udp", fact.PortRange{From: 1, To: 2}}) {
		t.Errorf("%v, %v", p, err)
	}
	if _, err := Service([]byte("<service><port")); !errors.Is(err, ErrMalformed) {
		t.Errorf("cut off: %v", err)
	}
}

// FuzzParse: no panic; the rules are numbered and have a verdict.
func FuzzParse(f *testing.F) {
	f.Add([]byte(public))
	f.Add([]byte(`<zone><rule><rule></rule><accept/></zone>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		rs, _ := Parse(b, "/z.xml", nil)
		for i, r := range rs.Chains[0].Rules {
			if r.N != i+1 || r.Verdict == "" || r.Origin.Line == 0 {
				t.Fatalf("%+v", r)
			}
		}
		if _, err := json.Marshal(rs); err != nil {
			t.Fatal(err)
		}
		_, _ = Service(b)
	})
}
