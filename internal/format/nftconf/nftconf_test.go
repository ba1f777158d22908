package nftconf

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"demine/internal/fact"
)

var update = flag.Bool("update", false, "write the golden files")

// listed.nft is what nft 1.0.6 printed; that it means the same as the kernel's
// own answer is proven by the tests of package host.
func TestParseListed(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "listed.nft"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(Parse(b, "/etc/nftables.conf")); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "listed.json")
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, out.Bytes()) {
		t.Errorf("%s differs from what was read:\n%s", golden, out.Bytes())
	}
}

// show writes what matters of the rules of a chain.
func show(rules []fact.Rule) string {
	var out []string
	for _, r := range rules {
		s := r.Verdict
		add := func(name string, v any, on bool) {
			if on {
				s += fmt.Sprintf(" %s=%v", name, v)
			}
		}
		add("to", r.Target, r.Target != "")
		add("proto", r.Proto, r.Proto != "")
		add("notproto", true, r.NotProto)
		add("src", r.Src, len(r.Src) > 0)
		add("notsrc", true, r.NotSrc)
		add("dst", r.Dst, len(r.Dst) > 0)
		add("sport", r.SPort, len(r.SPort) > 0)
		add("dport", r.DPort, len(r.DPort) > 0)
		add("notdport", true, r.NotDPort)
		add("in", r.In, r.In != "")
		add("notin", true, r.NotIn)
		add("state", r.CTState, len(r.CTState) > 0)
		add("notstate", true, r.NotState)
		add("mark", r.Mark, r.Mark != fact.Mark{})
		add("setmark", r.SetMark, r.SetMark != fact.Mark{})
		add("comment", r.Comment, r.Comment != "")
		add("unknown", r.Unknown, len(r.Unknown) > 0)
		out = append(out, s)
	}
	return strings.Join(out, " | ")
}

func TestParseRules(t *testing.T) {
	for _, c := range []struct{ rule, want string }{
		{"tcp dport {22, 80} accept", "accept proto=tcp dport=[{22 22} {80 80}]"},
		{"tcp dport { ssh, http, } accept", "accept proto=tcp dport=[{22 22} {80 80}]"},
		{"tcp dport $web accept", "accept proto=tcp dport=[{80 80} {443 443}]"},
		{"ip saddr $lan tcp dport { $web, 22 } accept", "accept proto=tcp src=[10.0.0.0/8] dport=[{22 22} {80 80} {443 443}]"},
		{"iif lo accept", "accept in=lo"},
		{"iifname != \"eth*\" drop", "drop in=eth+ notin=true"},
		{"ct state established,related accept", "accept state=[established related]"},
		{"ct state { established, related } accept", "accept state=[established related]"},
		{"ct state != new drop", "drop state=[new] notstate=true"},
		{"ct state vmap { established:accept, invalid : drop }", "drop state=[invalid] | accept state=[established]"},
		{"ip saddr 10.0.0.1-10.0.0.2 drop", "drop src=[10.0.0.1/32 10.0.0.2/32]"},
		{"ip saddr @bad drop", "drop src=[1.2.3.4/32]"},
		{"ip saddr @nowhere drop", "drop src=[0.0.0.0/0] unknown=[ip saddr]"},
		{"ip saddr @empty drop", "drop src=[0.0.0.0/0] dport=[{1 0}]"},
		{"ip6 saddr fe80::/10 udp dport dhcpv6-client accept", "accept proto=udp src=[fe80::/10] dport=[{546 546}]"},
		{"meta l4proto { tcp, udp } th dport 53 accept", "accept proto=tcp dport=[{53 53}] | accept proto=udp dport=[{53 53}]"},
		{"tcp dport vmap { 22 : jump web, 25 : drop }", "jump to=web proto=tcp dport=[{22 22}] | drop proto=tcp dport=[{25 25}]"},
		{"ip saddr . tcp dport { 1.1.1.1 . 80, 2.2.2.2 . 90 } accept", "accept proto=tcp src=[1.1.1.1/32] dport=[{80 80}] | accept proto=tcp src=[2.2.2.2/32] dport=[{90 90}]"},
		{"tcp flags & (fin|syn|rst|ack) == syn ct state new accept", "accept proto=tcp state=[new] unknown=[tcp --tcp-flags FIN,SYN,RST,ACK SYN]"},
		{"tcp flags syn / fin,syn,rst,ack accept", "accept proto=tcp unknown=[tcp --tcp-flags FIN,SYN,RST,ACK SYN]"},
		{"icmp type echo-request limit rate 5/second accept", "accept proto=icmp src=[0.0.0.0/0] unknown=[icmp type]"},
		{"tcp dport 22 limit rate over 5/minute burst 5 packets drop", "drop proto=tcp dport=[{22 22}] unknown=[limit over]"},
		{"meta mark 0x1 accept", "accept mark={1 4294967295 false false}"},
		{"meta mark & 0x3 == 0x1 accept", "accept mark={1 3 false false}"},
		{"meta mark and 0x3 != 0x1 accept", "accept mark={1 3 true false}"},
		{"mark & 0x10 != 0x10 accept", "accept mark={0 16 false false}"},
		{"mark & 0x10 == 0x1 accept", "accept dport=[{1 0}]"},
		{"meta mark { 0x1, 0x2 } accept", "accept mark={1 4294967295 false false} | accept mark={2 4294967295 false false}"},
		{"meta mark 0x1-0x5 accept", "accept unknown=[mark]"},
		{"meta mark | 0x1 == 0x5 accept", "accept unknown=[mark]"},
		{"meta mark set 0x7", "continue setmark={7 4294967295 false false}"},
		{"meta mark set meta mark | 0x00400000", "continue setmark={4194304 4194304 false false}"},
		{"meta mark set mark and 0xffffff01 or 0x1 accept", "accept setmark={1 255 false false}"},
		{"meta mark set mark ^ 0x2", "continue setmark={2 0 false false}"},
		{"meta mark set 0x1 tcp dport 22 accept", "continue setmark={1 4294967295 false false} | accept proto=tcp dport=[{22 22}]"},
		{"mark 0x2 meta mark set 0x1 tcp dport 22 accept", "continue setmark={1 4294967295 false false} unknown=[mark] | accept proto=tcp dport=[{22 22}] unknown=[mark]"},
		{"log prefix \"a } b\" level warn counter packets 1 bytes 2 drop comment \"x;y\"", "drop comment=x;y"},
		{"fib saddr . iif oif missing drop", "drop unknown=[rpfilter --invert]"},
		{"quantum spin up accept", "accept unknown=[quantum spin up]"},
		{"tcp dport 80 dnat to 10.0.0.1:8080", "dnat to=dnat proto=tcp dport=[{80 80}]"},
		{"reject with icmpx type port-unreachable", "reject"},
	} {
		text := "define web = { 80, 443 }\ntable inet f {\n define lan = 10.0.0.0/8\n set bad { type ipv4_addr; elements = { 1.2.3.4 timeout 5m } }\n set empty { type ipv4_addr; }\n chain web { }\n chain input {\n  type filter hook input priority filter - 5; policy drop\n  " + c.rule + "\n }\n}\n"
		rs := Parse([]byte(text), "/n")
		if len(rs) != 1 || len(rs[0].Chains) != 2 {
			t.Fatalf("%s: %+v", c.rule, rs)
		}
		in := rs[0].Chains[1]
		if in.Hook != "input" || in.Priority != -5 || in.Policy != "drop" {
			t.Errorf("%s: chain %+v", c.rule, in)
		}
		got := show(in.Rules)
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.rule, got, c.want)
		}
		if r := in.Rules[0]; r.Origin != (fact.Origin{Path: "/n", Line: 9}) || r.N != 1 || r.Text != strings.Join(strings.Fields(c.rule), " ") {
			t.Errorf("%s: %+v", c.rule, r)
		}
	}
}

func TestCommands(t *testing.T) {
	text := `#!/usr/sbin/nft -f
flush ruleset
include "/etc/nftables.d/*.nft"
add table ip t
add chain ip t in { type filter hook input priority 0; policy drop; }
add rule t in tcp dport 1 \
   accept
insert rule ip t in tcp dport 2 accept
insert rule ip t in tcp dport 3 accept
add set ip t s { type inet_service; }
add element ip t s { 7, 8 }
add rule ip t in tcp dport @s drop
table arp x { chain y { type filter hook input priority 0; } }
`
	rs := Parse([]byte(text), "/n")
	if len(rs) != 1 {
		t.Fatalf("%+v", rs)
	}
	want := "accept proto=tcp dport=[{3 3}] | accept proto=tcp dport=[{2 2}] | accept proto=tcp dport=[{1 1}] | drop proto=tcp dport=[{7 7} {8 8}]"
	if got := show(rs[0].Chains[0].Rules); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := Includes([]byte(text)); len(got) != 1 || got[0] != "/etc/nftables.d/*.nft" {
		t.Errorf("includes %q", got)
	}
}

// FuzzParse: no panic; each rule has a verdict, a place and an origin; and all
// of it can be written.
func FuzzParse(f *testing.F) {
	b, err := os.ReadFile(filepath.Join("testdata", "listed.nft"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("define a = { 1, $a }\ntable t { chain c { type filter hook input priority raw + $a; tcp dport vmap { 1:jump x } \"\n"))
	f.Add([]byte("add rule t c tcp flags & (syn|ack == 1 accept; insert rule t c index 3 ip saddr . tcp dport @x drop }"))
	f.Add([]byte("table t { chain c { tcp dport 1000-"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rs := Parse(b, "/f")
		for _, s := range rs {
			for _, c := range s.Chains {
				last := 0
				for _, r := range c.Rules {
					if r.Verdict == "" || r.Origin.Line == 0 || r.N < last || r.N > last+1 {
						t.Fatalf("after %d: %+v", last, r)
					}
					last = r.N
				}
			}
		}
		if _, err := json.Marshal(rs); err != nil {
			t.Fatal(err)
		}
		Includes(b)
	})
}
