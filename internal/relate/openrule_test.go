package relate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"demine/internal/fact"
	"demine/internal/format/firewalld"
	"demine/internal/format/iptablessave"
	"demine/internal/format/nftconf"
	"demine/internal/format/ufw"
)

var openTime = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

const startOfTable = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
`

// drifting is a host with a filter in force, a day after openTime.
func drifting(live []fact.Ruleset, saved []fact.Ruleset, lines ...fact.LogEvent) *Index {
	for i := range live {
		live[i].Persisted, live[i].Ref = "", fact.Ref("firewall:live:"+live[i].Family+live[i].Table)
	}
	for i := range saved {
		saved[i].Changed = openTime.Add(time.Hour)
	}
	return New(&fact.Snapshot{
		Host: fact.HostInfo{Self: 900, BootTime: openTime.Add(-30 * 24 * time.Hour)}, Taken: openTime.Add(24 * time.Hour),
		Coverage: []fact.Coverage{{Observer: "firewall", State: fact.Seen}, {Observer: "savedfirewall", State: fact.Seen}},
		Process: []fact.Process{{Ref: "process:900", PID: 900, NetNS: 1},
			{Ref: "process:46", PID: 46, Comm: "redis-server", NetNS: 1, Sockets: []uint64{10}}},
		Socket:   []fact.Socket{{Ref: "socket:10", Proto: "tcp", State: "LISTEN", Local: any4, Port: 6380, Inode: 10, NetNS: 1}},
		Firewall: append(live, saved...), Log: lines,
	})
}

func tables(rules string) []fact.Ruleset {
	return iptablessave.Parse([]byte(startOfTable+rules+"COMMIT\n"), "ip", "/etc/iptables/rules.v4")
}

func typedLine(text string, after time.Duration) fact.LogEvent {
	return fact.LogEvent{Kind: "history", Time: openTime.Add(after), User: "root", Text: text}
}

// keptAs is what is told of the rule for 6380.
func keptAs(x *Index) string {
	var out []string
	for _, o := range x.OpenRules() {
		if len(o.Ports) == 0 || hasPort(o.Ports, 6380) {
			out = append(out, strings.TrimSpace(fmt.Sprint(o.Kept, " ", o.Known, " ", o.Since.Sub(openTime), " ", len(o.By), " ", o.Drift)))
		}
	}
	return strings.Join(out, "; ")
}

const (
	door   = "-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT\n"
	person = "-A INPUT -s 203.0.113.7/32 -p tcp -m tcp --dport 6380 -j ACCEPT\n"
	ssh    = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"
)

func TestOpenRulesOfTables(t *testing.T) {
	at := typedLine
	cron := func(x *Index) *Index {
		s := *x.S
		s.Autostart = []fact.Autostart{{Ref: "autostart:1", Active: true, Command: "iptables-allow", Shell: fact.Shell{Programs: []string{"iptables"}}}}
		return New(&s)
	}
	tunnel := func(x *Index) *Index {
		s := *x.S
		s.Autostart = []fact.Autostart{{Ref: "autostart:1", Active: true, Name: "wg-quick@wg0.service", Package: "wireguard-tools"}}
		return New(&s)
	}
	for _, tt := range []struct {
		name, want string
		x          *Index
	}{
		{"typed and saved", "saved command 0s 1 typed", drifting(tables(door), tables(door), at("iptables -I INPUT 5 -p tcp --dport 6380 -j ACCEPT", 0))},
		{"saved, nobody knows whose", "saved not-later 1h0m0s 0", drifting(tables(door), tables(door))},
		{"beside what is saved", "runtime not-before -720h0m0s 0 runtime", drifting(tables(ssh+person), tables(ssh))},
		{"the file is not what was loaded", "unknown  " + never + " 0", drifting(tables(person), tables(ssh))},
		{"no file", "unknown  " + never + " 0", drifting(tables(person), nil)},
		{"a script may have done it", "unknown  " + never + " 0", cron(drifting(tables(ssh+person), tables(ssh)))},
		{"typed for somebody else", "runtime not-before -720h0m0s 0 runtime",
			drifting(tables(ssh+person), tables(ssh), at("iptables -I INPUT -s 198.51.100.9 -p tcp --dport 6380 -j ACCEPT", 0))},
		{"a tunnel may have done it", "unknown  " + never + " 0", tunnel(drifting(tables(ssh+person), tables(ssh)))},
		{"typed twice", "runtime command 2h0m0s 2 typed", drifting(tables(ssh+person), tables(ssh),
			at("sudo iptables -I INPUT -s 203.0.113.7 -p tcp --dport 6380 -j ACCEPT", 0), at("iptables -t filter -A INPUT -s 203.0.113.7/32 -p tcp -m tcp --dport 6380 -j ACCEPT -w", 2*time.Hour))},
		{"by Ansible", "unknown  " + never + " 0", drifting(tables(person), nil,
			at("/bin/sh -c 'echo BECOME-SUCCESS-x ; iptables -I INPUT -s 203.0.113.7 -p tcp --dport 6380 -j ACCEPT'", 0))},
		{"everything from one", "runtime command 0s 1 typed",
			drifting(tables("-A INPUT -s 203.0.113.7/32 -j ACCEPT\n"), nil, at("iptables -I INPUT -s 203.0.113.7 -j ACCEPT", 0))},
		{"without effect", "", drifting(iptablessave.Parse([]byte("*filter\n:INPUT ACCEPT [0:0]\n"+person+"COMMIT\n"), "ip", ""), nil)},
		{"behind a drop", "", drifting(tables("-A INPUT -j DROP\n"+door), nil)},
		{"from containers", "", drifting(tables("-A INPUT -i docker0 -p tcp -m tcp --dport 6380 -j ACCEPT\n"), nil)},
		{"the same twice", "saved not-later 1h0m0s 0", drifting(tables(door+door), tables(door))},
	} {
		if got := keptAs(tt.x); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// What Docker lets in to a published port is Docker's, however it was asked for.
func TestOpenRulesOfDocker(t *testing.T) {
	x := New(&fact.Snapshot{
		Host: fact.HostInfo{Self: 900, BootTime: openTime.Add(-time.Hour)}, Taken: openTime.Add(24 * time.Hour), Network: dockerHost(),
		Coverage: []fact.Coverage{{Observer: "firewall", State: fact.Seen}, {Observer: "savedfirewall", State: fact.Absent}},
		Process:  []fact.Process{{Ref: "process:900", PID: 900, NetNS: 1}, {Ref: "process:46", PID: 46, Comm: "nginx", NetNS: 2, Sockets: []uint64{10}}},
		Socket:   []fact.Socket{{Ref: "socket:10", Proto: "tcp", State: "LISTEN", Local: any4, Port: 6379, Inode: 10, NetNS: 2}},
		Firewall: live(dockerNat+dockerForward+"COMMIT\n", false), Log: []fact.LogEvent{typedLine("docker run -d -p 16379:6379 nginx", 0)},
	})
	got := x.OpenRules()
	if len(got) != 1 || got[0].Keeper != "docker" || got[0].Drift != "" || len(got[0].Published) == 0 {
		t.Errorf("%+v", got)
	}
}

// never is how the distance of no time reads.
var never = time.Time{}.Sub(openTime).String()

func TestOpenRulesOfManagers(t *testing.T) {
	const live = startOfTable + ":%[1]s - [0:0]\n-A INPUT -j %[1]s\n%[2]sCOMMIT\n"
	in := func(chain, rules string) []fact.Ruleset {
		return iptablessave.Parse(fmt.Appendf(nil, live, chain, strings.ReplaceAll(rules, "-A INPUT", "-A "+chain)), "ip", "")
	}
	user := func(rules string) []fact.Ruleset {
		return ufw.Parse([]byte("*filter\n:ufw-user-input - [0:0]\n"+strings.ReplaceAll(rules, "-A INPUT", "-A ufw-user-input")+"COMMIT\n"), "ip", "/etc/ufw/user.rules")
	}
	zone := func(rules string) []fact.Ruleset {
		rs, err := firewalld.Parse([]byte("<zone>"+rules+"</zone>"), "/etc/firewalld/zones/public.xml", nil)
		if err != nil {
			t.Fatal(err)
		}
		return []fact.Ruleset{rs}
	}
	const rich = `<rule family="ipv4"><source address="203.0.113.7"/><port port="6380" protocol="tcp"/><accept/></rule>`
	const add = `firewall-cmd --zone=public --add-rich-rule='rule family="ipv4" source address="203.0.113.7" port port="6380" protocol="tcp" accept'`
	for _, tt := range []struct {
		name, want string
		x          *Index
	}{
		{"ufw's way to configure", "saved command 0s 1", drifting(in("ufw-user-input", door), user(door), typedLine("ufw allow 6380/tcp", 0))},
		{"ufw's, for one person", "saved command 0s 1 typed",
			drifting(in("ufw-user-input", person), user(person), typedLine("ufw allow from 203.0.113.7 to any port 6380 proto tcp", 0))},
		{"past ufw", "runtime not-before -720h0m0s 0 runtime", drifting(in("ufw-user-input", person), user(""))},
		{"firewalld's permanent", "saved command 0s 1", drifting(in("IN_public_allow", door), zone(`<port port="6380" protocol="tcp"/>`), typedLine("firewall-cmd --permanent --add-port=6380/tcp", 0))},
		{"firewalld's runtime", "runtime not-before -720h0m0s 0 runtime", drifting(in("IN_public_allow", door), zone(""))},
		{"given for long enough", "runtime command 0s 1", drifting(in("IN_public_allow", person), zone(""), typedLine(add+" --timeout=48h", 0))},
		{"the daemon forgot its end", "runtime command 0s 1 outlived", drifting(in("IN_public_allow", person), zone(""), typedLine(add+" --timeout 3600", 0))},
		{"made permanent meanwhile", "saved command 0s 1 outlived", drifting(in("IN_public_allow", person), zone(rich), typedLine(add+" --timeout=48h", 0))},
		{"then decided for good", "saved command 0s 2 typed", drifting(in("IN_public_allow", person), zone(rich),
			typedLine(add+" --timeout=48h", 0), typedLine(add+" --permanent", time.Hour))},
	} {
		if got := keptAs(tt.x); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestOpenRulesOfNft(t *testing.T) {
	parse := func(rules, path string) []fact.Ruleset {
		return nftconf.Parse([]byte("table inet filter {\n chain input {\n type filter hook input priority 0; policy drop;\n tcp dport 22 accept\n"+rules+"}\n}\n"), fact.Path(path))
	}
	const conf = "/etc/nftables.conf"
	including := parse("", conf)
	including[0].Partial = true
	for _, tt := range []struct {
		name, want string
		x          *Index
	}{
		{"what the file takes in may have it", "unknown  " + never + " 0", drifting(parse("tcp dport 6380 accept\n", ""), including)},
		{"typed", "runtime command 0s 1 typed", drifting(parse("ip saddr 203.0.113.7 tcp dport 6380 accept\n", ""), parse("", conf),
			typedLine("nft add rule inet filter input ip saddr 203.0.113.7 tcp dport 6380 accept", 0))},
		{"typed into another chain", "runtime not-before -720h0m0s 0 runtime", drifting(parse("tcp dport 6380 accept\n", ""), parse("", conf),
			typedLine("nft 'add rule inet filter other tcp dport 6380 accept'", 0))},
		{"saved in a set", "saved not-later 1h0m0s 0", drifting(parse("tcp dport { 6380, 6381 } accept\n", ""), parse("tcp dport { 6381, 6380 } accept\n", conf))},
	} {
		if got := keptAs(tt.x); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// A lease is told of beside the rules, and is never drift; nor is the rule by
// which those come in whom it marks.
func TestOpenRulesOfLeases(t *testing.T) {
	live := tables("-A INPUT -m mark --mark 0x1000/0x1000 -m comment --comment \"demine lease\" -j ACCEPT\n")
	own := fact.Ruleset{Backend: "nft", Family: "inet", Table: LeaseTable, Chains: []fact.Chain{{
		Name: "prerouting", Hook: "prerouting", Type: "filter", Policy: "accept",
		Rules: []fact.Rule{{N: 3, Proto: "tcp", DPort: []fact.PortRange{{From: 6380, To: 6380}}, Comment: "L-7Q2K", Left: 1800,
			SetMark: fact.Mark{Value: 1, Mask: 1}, Verdict: "continue", Text: "…"}},
	}}}
	got := drifting(append(live, own), nil).OpenRules()
	if len(got) != 1 || got[0].Lease != "L-7Q2K" || got[0].Left != 1800 || got[0].Drift != "" || len(got[0].Listeners) != 1 {
		t.Errorf("%+v", got)
	}
}

// A listener is told the leases of the family of addresses that it takes.
func TestLeasesOfListeners(t *testing.T) {
	lease := fact.Rule{Src: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}}
	for want, e := range map[bool]Exposure{true: {V4: "some", V6: "nobody"}, false: {V6: "nobody"}} {
		if got := e.hears(&lease); got != want {
			t.Errorf("%+v: %t", e, got)
		}
	}
}

// Who closes a rule is told by which others the port stays open: not those of other
// ports, nor leases, which end.
func TestTwins(t *testing.T) {
	port := func(n uint16) []fact.PortRange { return []fact.PortRange{{From: n, To: n}} }
	all := []OpenRule{
		{ID: "O-1", Proto: "tcp", Ports: port(6380)}, {ID: "O-2", Family: "ip6", Proto: "tcp", Ports: port(6380)},
		{ID: "O-3", Proto: "udp", Ports: port(6380)}, {ID: "O-4", Proto: "tcp", Ports: port(22)},
		{ID: "O-5", Proto: "tcp", Ports: port(6380), Lease: "L-7Q2K"}, {ID: "O-6", Proto: "tcp"},
	}
	if got := all[0].Twins(all); !slices.Equal(got, []string{"O-2"}) {
		t.Error(got)
	}
	if got := all[5].Twins(all); got != nil {
		t.Error(got)
	}
}

// What a rule asks for besides is told, so that no lease is made that lets in
// others; a comment hides no rule.
func TestOpenRulesAskForMore(t *testing.T) {
	for rule, want := range map[string]string{
		"-s 203.0.113.7 -p tcp --dport 6380 -j ACCEPT":                        "tcp",
		"! -s 203.0.113.7 -p tcp --dport 6380 -j ACCEPT":                      "tcp inverted",
		"-p tcp ! --dport 22 -j ACCEPT":                                       "tcp inverted",
		"-i eth1 -p tcp --dport 6380 -j ACCEPT":                               "tcp narrow",
		"-d 10.0.0.5 -p tcp --dport 6380 -j ACCEPT":                           "tcp narrow",
		"-p tcp --dport 6380 -m comment --comment \"demine lease\" -j ACCEPT": "tcp",
		"-p tcp --dport 6380 -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT": "tcp narrow",
		"-p tcp --dport 6380 -m conntrack --ctstate NEW -j ACCEPT":            "tcp",
	} {
		got := ""
		for _, o := range drifting(tables("-A INPUT "+rule+"\n"), nil).OpenRules() {
			got += o.Proto
			if o.Inverted {
				got += " inverted"
			}
			if o.Narrow {
				got += " narrow"
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", rule, got, want)
		}
	}
	sets := nftconf.Parse([]byte("table inet f { chain input { type filter hook input priority 0; policy drop; meta l4proto { tcp, udp } th dport 6380 accept\n } }"), "/etc/nftables.conf")
	if got := drifting(sets, nil).OpenRules(); len(got) != 1 || got[0].Proto != "" {
		t.Errorf("for both protocols: %+v", got)
	}
}

// FuzzTyped: no line of a history breaks the reading of commands, and what
// does not name the port of a rule never made it.
func FuzzTyped(f *testing.F) {
	f.Add("sudo iptables -t filter -I INPUT 5 -s 203.0.113.7 -p tcp --dport 6380 -j ACCEPT; x && y | z")
	f.Add("nft 'add rule inet filter input tcp dport { 22, 6380 } accept'")
	f.Add("firewall-cmd --add-rich-rule='rule port port=\"6380\" accept' --timeout 9999999999h")
	f.Add("iptables -A\x00 \"'")
	sets := tables(person)
	c := &opener{set: &sets[0], chain: "INPUT", rule: &sets[0].Chains[0].Rules[2]}
	f.Fuzz(func(t *testing.T, line string) {
		if _, ok := c.typed(line); ok && !strings.Contains(line, "6380") {
			t.Error(line)
		}
	})
}

// Of demine's own table the elements of some leases can be left out; the host's rules and what was handed over stay.
func TestWithoutLeases(t *testing.T) {
	named := func(names ...string) (out []fact.Rule) {
		for _, n := range names {
			out = append(out, fact.Rule{Comment: n})
		}
		return out
	}
	sets := []fact.Ruleset{
		{Backend: "nft", Family: "inet", Table: LeaseTable, Chains: []fact.Chain{{Name: "prerouting", Rules: named("", "L-1", "L-2", "L-1")}}},
		{Backend: "nft", Family: "inet", Table: "fw", Chains: []fact.Chain{{Name: "input", Rules: named("L-1")}}},
	}
	got := WithoutLeases(sets, []string{"L-1"})
	if r := got[0].Chains[0].Rules; len(r) != 2 || r[1].Comment != "L-2" {
		t.Errorf("left: %+v", r)
	}
	if len(got[1].Chains[0].Rules) != 1 || len(sets[0].Chains[0].Rules) != 4 {
		t.Errorf("%+v of %+v", got, sets)
	}
}

// What a rule lets in is told by the part of it that counted most, and as nothing
// only where it counts; earlier scans have numbers without saying that they count.
func TestOpenRulesCount(t *testing.T) {
	counts := func(n uint64) fact.Rule { return fact.Rule{Counter: true, Packets: n} }
	for name, tt := range map[string]struct {
		rules []fact.Rule
		want  string
	}{
		"counts":                      {[]fact.Rule{counts(7)}, "7"},
		"counted nobody":              {[]fact.Rule{counts(0)}, "0"},
		"does not count":              {[]fact.Rule{{}}, "nil"},
		"counted, in an earlier scan": {[]fact.Rule{{Packets: 7}}, "7"},
		"the first part idle":         {[]fact.Rule{counts(0), counts(7)}, "7"},
		"the last part idle":          {[]fact.Rule{counts(7), counts(0)}, "7"},
		"the first part counts not":   {[]fact.Rule{{}, counts(7)}, "7"},
		"the last part counts not":    {[]fact.Rule{counts(7), {}}, "7"},
		"no part counts":              {[]fact.Rule{{}, {}}, "nil"},
	} {
		sets := tables(strings.Repeat(door, len(tt.rules)))
		for i, r := range slices.Backward(tt.rules) {
			in := sets[0].Chains[0].Rules
			at := &in[len(in)-len(tt.rules)+i]
			at.Counter, at.Packets = r.Counter, r.Packets
		}
		got := drifting(sets, nil).OpenRules()
		if len(got) != 1 {
			t.Fatalf("%s: %+v", name, got)
		}
		said := "nil"
		if got[0].Packets != nil {
			said = fmt.Sprint(*got[0].Packets)
		}
		if said != tt.want {
			t.Errorf("%s: %s packets, want %s", name, said, tt.want)
		}
	}
}
