package iptablessave

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

// The files are what iptables-save 1.8.9 wrote; that they mean the same as the
// kernel's own answer is proven by the tests of package host.
func TestParseSaved(t *testing.T) {
	for name, family := range map[string]string{"rules.v4": "ip", "rules.v6": "ip6"} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			e := json.NewEncoder(&out)
			e.SetEscapeHTML(false)
			e.SetIndent("", " ")
			if err := e.Encode(Parse(b, family, "/etc/iptables/"+fact.Path(name))); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
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
		})
	}
}

// show writes what matters of a rule in one line.
func show(r fact.Rule) string {
	s := r.Verdict
	add := func(name string, v any, on bool) {
		if on {
			s += fmt.Sprintf(" %s=%v", name, v)
		}
	}
	add("to", r.Target, r.Target != "")
	add("proto", r.Proto, r.Proto != "")
	add("src", r.Src, len(r.Src) > 0)
	add("notsrc", true, r.NotSrc)
	add("dst", r.Dst, len(r.Dst) > 0)
	add("sport", r.SPort, len(r.SPort) > 0)
	add("dport", r.DPort, len(r.DPort) > 0)
	add("notdport", true, r.NotDPort)
	add("in", r.In, r.In != "")
	add("notin", true, r.NotIn)
	add("state", r.CTState, len(r.CTState) > 0)
	add("mark", r.Mark, r.Mark != fact.Mark{})
	add("setmark", r.SetMark, r.SetMark != fact.Mark{})
	add("saves", fmt.Sprintf("0x%x", r.Saves), r.Saves != 0)
	add("comment", r.Comment, r.Comment != "")
	add("unknown", r.Unknown, len(r.Unknown) > 0)
	return s
}

func TestParseRules(t *testing.T) {
	for _, c := range []struct{ rule, want string }{
		{"-A INPUT -p tcp --dport ssh -j ACCEPT", "accept proto=tcp dport=[{22 22}]"},
		{"-A INPUT -s 10.0.0.0/255.0.0.0 -j ACCEPT", "accept src=[10.0.0.0/8]"},
		{"-A INPUT -s 10.0.0.0/255.0.255.0 -j ACCEPT", "accept unknown=[address 10.0.0.0/255.0.255.0]"},
		{"-A INPUT -s ! 10.1.2.3 -j DROP", "drop src=[10.1.2.3/32] notsrc=true"},
		{"-A INPUT -s 10.0.0.1,10.0.0.2 -j DROP", "drop src=[10.0.0.1/32 10.0.0.2/32]"},
		{"-A INPUT -s 0.0.0.0/0 -j DROP", "drop"},
		{"-A INPUT -s example.com -j ACCEPT", "accept unknown=[address example.com]"},
		{"-A INPUT ! -i lo -p 6 --sport 1024: -j ACCEPT", "accept proto=tcp sport=[{1024 65535}] in=lo notin=true"},
		{"-A INPUT -m tcp -p tcp --dport 1:2 ! --dport 2 -j ACCEPT", "accept proto=tcp dport=[{1 1}]"},
		{"-A INPUT -p tcp --syn -j DROP", "drop proto=tcp unknown=[tcp --tcp-flags FIN,SYN,RST,ACK SYN]"},
		{"-A INPUT -m set --match-set black src -j DROP", "drop unknown=[set]"},
		{"-A INPUT -m time --timestart 10:00 -m comment --comment 'a b' -j ACCEPT", "accept comment=a b unknown=[time]"},
		{"-A INPUT -m limit --limit 3/min -j ACCEPT", "accept"},
		{"-A INPUT -m mark --mark 0x1/0x3 -m comment --comment x -j ACCEPT", "accept mark={1 3 false false} comment=x"},
		{"-A INPUT -m mark ! --mark 16 -j DROP", "drop mark={16 4294967295 true false}"},
		{"-A INPUT -m mark --mark x -j DROP", "drop unknown=[mark]"},
		{"-A INPUT -m connmark --mark 1 -j DROP", "drop unknown=[connmark]"},
		{"-A INPUT -j MARK --set-mark 0x10/0xf0", "continue to=MARK setmark={16 240 false false}"},
		{"-A INPUT -j MARK --set-xmark 0x10/0x0", "continue to=MARK setmark={16 0 false false}"},
		{"-A INPUT -j MARK --and-mark 0xff", "continue to=MARK setmark={0 4294967040 false false}"},
		{"-A INPUT -j MARK --or-mark 0x4", "continue to=MARK setmark={4 4 false false}"},
		{"-A INPUT -j CONNMARK --set-mark 1", "continue to=CONNMARK"},
		{"-A INPUT -j CONNMARK --save-mark", "continue to=CONNMARK saves=0xffffffff"},
		{"-A INPUT -j CONNMARK --save-mark --nfmask 0xf --ctmask 0xf0", "continue to=CONNMARK saves=0xf"},
		{"-A INPUT -j CONNMARK --restore-mark --nfmask 0xf --ctmask 0xf0", "continue to=CONNMARK setmark={0 255 false true}"},
		{"-A INPUT -m limit --limit 3/min -j DROP", "drop unknown=[limit]"},
		{"-A INPUT -m recent --name x --set", "continue"},
		{"-A INPUT -m recent --name x --update --seconds 60 -j DROP", "drop unknown=[recent update]"},
		{"-A INPUT -m state --state NEW,ESTABLISHED -j ACCEPT", "accept state=[new established]"},
		{"-A INPUT -m quantum --spin up -j ACCEPT", "accept unknown=[quantum]"},
		{"-A INPUT --frobnicate -j ACCEPT", "accept unknown=[--frobnicate]"},
		{"-A INPUT -p tcp --dport", "continue proto=tcp unknown=[cut off port ]"},
		{"-A INPUT -j f2b-sshd", "jump to=f2b-sshd"},
		{"-A INPUT -j NFQUEUE --queue-num 1", "other to=NFQUEUE"},
		{"-A INPUT -j LOG --log-prefix \"[x] \"", "continue to=LOG"},
		{"-A INPUT nonsense", "continue unknown=[word nonsense]"},
	} {
		rs := Parse([]byte("*filter\n:INPUT ACCEPT [0:0]\n"+c.rule+"\nCOMMIT\n"), "ip", "/r")
		if len(rs) != 1 || len(rs[0].Chains) != 1 || len(rs[0].Chains[0].Rules) != 1 {
			t.Errorf("%s: %+v", c.rule, rs)
			continue
		}
		r := rs[0].Chains[0].Rules[0]
		if got := show(r); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.rule, got, c.want)
		}
		if r.Text != c.rule || r.Origin != (fact.Origin{Path: "/r", Line: 3}) || r.N != 1 {
			t.Errorf("%s: text %q, origin %v, N %d", c.rule, r.Text, r.Origin, r.N)
		}
	}
}

func TestParseOrderAndFamily(t *testing.T) {
	rs := Parse([]byte("*filter\n:INPUT DROP [1:2]\n-A INPUT -j A\n-I INPUT -j B\n-I INPUT 2 -j C\n-A INPUT -6 -j D\n-A INPUT -4 -j E\n"), "ip", "")
	var got []string
	for _, r := range rs[0].Chains[0].Rules {
		got = append(got, r.Target)
	}
	if s := strings.Join(got, ""); s != "BCAE" || rs[0].Chains[0].Policy != "drop" {
		t.Errorf("%s, %+v", s, rs[0].Chains[0])
	}
}

// FuzzParse: no panic, and a line that adds a rule is never lost.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"rules.v4", "rules.v6"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("*filter\n-A INPUT -s ! 1.2.3.4 -j \"x\n-I INPUT 3 -m\n[1:2] -A X --dport"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rules := 0
		for _, rs := range Parse(b, "ip", "/f") {
			for _, c := range rs.Chains {
				for i, r := range c.Rules {
					rules++
					if r.N != i+1 || r.Verdict == "" || r.Text == "" || r.Origin.Line == 0 {
						t.Fatalf("rule %+v", r)
					}
				}
			}
		}
		want := 0
		for l := range strings.Lines(fact.Text(b)) {
			// iptables-restore parts words at blanks, tabs and line ends alone (add_param_to_argv).
			w := strings.FieldsFunc(l, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' })
			if len(w) > 2 && w[0] == "-A" && !strings.ContainsAny(l, "46\"'") {
				want++
			}
		}
		if rules < want {
			t.Fatalf("%d rules of %d lines", rules, want)
		}
	})
}
