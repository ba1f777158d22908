package respond

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/format/firewalld"
	"demine/internal/format/iptablessave"
	"demine/internal/format/nftconf"
	"demine/internal/format/ufw"
	"demine/internal/host"
	"demine/internal/host/fixture"
	"demine/internal/judge"
	"demine/internal/relate"
)

// tape is a Journal in memory.
type tape struct {
	plan Plan
	rs   []Record
}

func (t *tape) Begin(p Plan, by Operator) (string, error) {
	t.plan, t.rs = p, []Record{{Kind: RecBegin, Plan: &p, By: &by}}
	return "R1", nil
}
func (t *tape) Append(_ string, r Record) error  { t.rs = append(t.rs, r); return nil }
func (t *tape) Records(string) ([]Record, error) { return t.rs, nil }
func (t *tape) Runs() ([]string, error)          { return []string{"R1"}, nil }
func (t *tape) run() Run                         { return Fold("R1", t.rs) }
func quiet(Progress)                             {}

// shopHost has Redis open on 6380, SSH on 22, and these filters; its Redis has
// the given clients.
func shopHost(sets []fact.Ruleset, peers ...string) *explain.Scan {
	s := &fact.Snapshot{
		Host:     fact.HostInfo{Self: 900, Root: "/"},
		Coverage: []fact.Coverage{{Observer: "firewall", State: fact.Seen}},
		Process: []fact.Process{
			{Ref: "process:46", PID: 46, Comm: "redis-server", NetNS: 1, Sockets: []uint64{10, 11}},
			{Ref: "process:50", PID: 50, Comm: "sshd", NetNS: 1, Sockets: []uint64{20, 21}},
			{Ref: "process:60", PID: 60, Comm: "java", NetNS: 1, Sockets: []uint64{30}},
			{Ref: "process:70", PID: 70, Comm: "minerd", NetNS: 1, Sockets: []uint64{40}},
			{Ref: "process:900", PID: 900, PPID: 50, NetNS: 1},
		},
		Service:   []fact.Service{{Ref: "service:redis", Name: "redis", Process: "process:46", Auth: "none", AuthAt: []int{6380}}},
		Autostart: []fact.Autostart{{Ref: "autostart:1", Shell: fact.Shell{URLs: []string{"http://198.51.100.66:8000/a?b", "http://pool.example/x"}}}},
		Key:       []fact.Key{{Ref: "key:1", Fingerprint: "SHA256:x", Used: []fact.KeyUse{{From: "192.168.7.7"}}}},
		Log:       []fact.LogEvent{{Kind: "ssh-accepted", Key: "SHA256:x", From: "100.64.3.3"}},
		Firewall:  sets,
	}
	sock := func(inode uint64, local string, port int, peer string, peerPort int) {
		x := fact.Socket{Ref: fact.SocketRef(1, inode, "tcp"), Proto: "tcp", State: "LISTEN", Local: netip.MustParseAddr(local), Port: port, Inode: inode, NetNS: 1}
		if peer != "" {
			x.State, x.Peer, x.PeerPort = "ESTABLISHED", netip.MustParseAddr(peer), peerPort
		}
		s.Socket = append(s.Socket, x)
	}
	sock(10, "0.0.0.0", 6380, "", 0)
	sock(11, "::", 6380, "", 0)
	s.Socket[1].V6Only = true
	sock(20, "0.0.0.0", 22, "", 0)
	sock(21, "10.77.0.1", 22, "10.9.9.9", 5555)
	sock(30, "127.0.0.1", 40000, "127.0.0.1", 6380)
	sock(40, "10.77.0.1", 40001, "203.0.113.80", 3333)
	for i, p := range peers {
		sock(uint64(100+i), "10.77.0.1", 6380, p, 50000+i)
	}
	scan := &explain.Scan{ID: "S1", Snapshot: s, Operator: explain.Operator{Peer: "10.9.9.9"}}
	in := explain.Incident{ID: "I1", Certainty: judge.Confirmed, Findings: []string{"F0"},
		Implants: []explain.Implant{{Kind: "process", Ref: "process:70"}, {Kind: "autostart", Ref: "autostart:1"}, {Kind: "key", Ref: "key:1"}}}
	for _, e := range relate.New(s).Exposures {
		scan.Exposure = append(scan.Exposure, e)
		in.Graph.Nodes = append(in.Graph.Nodes, explain.Node{Ref: e.Ref, Kind: "exposure"}) // SSH's too: it must be refused
		if e.Port == 6380 {
			scan.Findings = append(scan.Findings, judge.Finding{ID: "F-" + e.Addr, Rule: "redis/open", Certainty: judge.Confirmed, Subject: e.Ref,
				Remedy: []string{"firewall.close"}})
		}
	}
	scan.Incidents = []explain.Incident{in}
	return scan
}

func steps(p Plan, do string) (out []Step) {
	for _, s := range p.Steps {
		if s.Do == do {
			out = append(out, s)
		}
	}
	return out
}

func leftIDs(p Plan) (out []string) {
	for _, l := range p.Left {
		out = append(out, l.ID)
	}
	return out
}

// With no rules at all everybody reaches everything: the door is shut, the
// inside clients and the operator are kept, strangers and intruders are not,
// and SSH is left alone.
func TestPlanDoor(t *testing.T) {
	scan := shopHost(nil, "10.0.0.5", "10.0.0.5", "fd00::5", "203.0.113.7", "198.51.100.66", "192.168.7.7", "203.0.113.80", "100.64.3.3")
	p := Make(scan, Request{Kind: KindContain, Keep: prefixes("203.0.113.200/32", "198.51.100.0/24")})
	door := steps(p, "door.shut")
	if len(door) != 1 || door[0].Target != "tcp/6380" || door[0].Revert != 0 || door[0].Keeps != KeepsDoor {
		t.Fatalf("steps: %+v", p.Steps)
	}
	with, err := decode[doorWith](door[0].With)
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]bool{"10.0.0.5": true, "fd00::5": true, "10.9.9.9": true, "100.64.9.9": true, "169.254.169.254": true, "203.0.113.200": true,
		"198.51.100.65": true, "198.51.100.66": false, "203.0.113.7": false, "192.168.7.7": false, "203.0.113.80": false, "100.64.3.3": false, "100.64.3.2": true, "8.8.8.8": false} {
		if got := covered(with.Shut.Keep, netip.MustParseAddr(a)); got != want {
			t.Errorf("%s is kept: %v", a, got)
		}
	}
	var told []string
	for _, b := range append(slices.Clone(door[0].Breaks), door[0].Notes...) {
		a, _ := b.Args["addr"].(string)
		told = append(told, strings.TrimSpace(b.ID+" "+a))
	}
	want := []string{"door.breaks.kept 10.0.0.5", "door.breaks.kept fd00::5", "door.breaks.cut 203.0.113.7", "door.breaks.intruder 198.51.100.66",
		"door.breaks.intruder 192.168.7.7", "door.breaks.intruder 203.0.113.80", "door.breaks.intruder 100.64.3.3", "door.breaks.others", "door.breaks.local", "door.breaks.cloud"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("breaks (-want +got):\n%s", diff)
	}
	if !slices.Contains(leftIDs(p), "left.door.keep-intruder") {
		t.Errorf("left: %v", leftIDs(p))
	}
}

func TestPlanDoorRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*explain.Scan)
		left string
	}{
		{"SSH on the port", func(s *explain.Scan) { s.Snapshot.Process[0].Comm = "sshd" }, "left.door.ssh"},
		{"the operator is connected by it", func(s *explain.Scan) { s.Snapshot.Socket[3].Port = 6380 }, "left.door.ssh"},
		{"a password may be set", func(s *explain.Scan) { s.Snapshot.Service[0].Auth = "unknown" }, "left.door.auth"},
		{"published for a container", func(s *explain.Scan) { s.Snapshot.Process[0].Exe = "/usr/bin/docker-proxy" }, "left.door.published"},
		{"of a container", func(s *explain.Scan) { s.Snapshot.Socket[0].NetNS, s.Snapshot.Socket[1].NetNS = 7, 7 }, "left.door.namespace"},
	} {
		s := shopHost(nil)
		c.set(s)
		p := Make(s, Request{Kind: KindContain})
		if len(steps(p, "door.shut")) > 0 || !slices.Contains(leftIDs(p), c.left) {
			t.Errorf("%s: %+v, left %v", c.name, p.Steps, leftIDs(p))
		}
	}
	s := shopHost(nil)
	s.Incidents[0].Graph.Nodes = nil
	if p := Make(s, Request{Kind: KindContain}); len(steps(p, "door.shut")) > 0 {
		t.Errorf("a port that is no door of the incident: %+v", p.Steps)
	}
	for certainty, shut := range map[string]bool{judge.Possible: false, judge.Likely: false, judge.Confirmed: true} {
		s := shopHost(nil)
		door := s.Incidents[0].Graph.Nodes[0].Ref
		s.Incidents[0].Graph.Nodes = nil
		s.Incidents[0].Causes = []explain.Cause{{ID: "redis-module", Certainty: certainty, For: []explain.Evidence{{ID: "open", About: door}}}}
		if got := len(steps(Make(s, Request{Kind: KindContain}), "door.shut")) > 0; got != shut {
			t.Errorf("a door that a %s cause speaks of: shut %v", certainty, got)
		}
	}
}

// A plan cannot be bent to hit SSH: the guard looks again when it is applied.
func TestGuardSSH(t *testing.T) {
	h, err := fixture.Parse([]byte(`
-- /proc/50/comm --
sshd
-- /proc/50/fd/3 -> socket:[20] --
-- /proc/51/comm --
redis-server
-- /proc/51/fd/3 -> socket:[10] --
-- kernel/sockets --
tcp LISTEN 0.0.0.0:2222 inode=20 uid=0 netns=1
tcp LISTEN 0.0.0.0:6380 inode=10 uid=0 netns=1
`))
	if err != nil {
		t.Fatal(err)
	}
	for port, want := range map[int]bool{22: true, 2222: true, 6380: false} {
		var r *Refusal
		if err := guardSSH(context.Background(), h, port); errors.As(err, &r) != want {
			t.Errorf("port %d: %v", port, err)
		}
	}
}

func (l *filterLab) writer() *Writer {
	return &Writer{Host: host.Live(), Filter: LiveFilter(), Files: LiveFiles(), Vault: &shelf{}}
}

// The door of an incident, from scan to undo, in a kernel.
func TestDoorShut(t *testing.T) {
	ctx := context.Background()
	l := newFilterLab(t)
	w, j := l.writer(), &tape{}
	before := l.sh("nft list ruleset", "")
	l.must(func() error {
		p := Make(shopHost(nil, labApp4, labApp6), Request{Kind: KindContain})
		if err := Survey(ctx, w.Host, &p); err != nil {
			return err
		}
		if _, err := j.Begin(p, Operator{}); err != nil {
			return err
		}
		_, err := Apply(ctx, w, j, "R1", p, quiet)
		return err
	})
	l.mustReach(labApp4, 6380)
	l.mustReach(labApp6, 6380)
	l.mustNotReach(labEvil4, 6380)
	l.mustNotReach(labEvil6, 6380)
	l.must(func() error {
		again := Make(shopHost(nil, labApp4, labApp6), Request{Kind: KindContain})
		if err := Survey(ctx, w.Host, &again); err != nil || len(steps(again, "door.shut")) != 0 {
			t.Errorf("it is shut just so already: %v, %+v", err, again.Steps)
		}
		out, err := Undo(ctx, w, j, j.run(), UndoOptions{}, quiet)
		if err != nil || len(out) != 1 || out[0].State != Left {
			t.Errorf("a default undo: %+v, %v", out, err)
		}
		return nil
	})
	l.mustNotReach(labEvil4, 6380)
	for range 2 { // the second time there is nothing to undo
		l.must(func() error { _, err := Undo(ctx, w, j, j.run(), UndoOptions{Reopen: true}, quiet); return err })
		l.mustReach(labEvil4, 6380)
	}
	if diff := cmp.Diff(before, l.sh("nft list ruleset", "")); diff != "" {
		t.Errorf("undone, it is not as before:\n%s", diff)
	}
}

// The lab's hosts in each kind of filter, and all of them at once, v4 and v6,
// with the files that load them.
func TestFirewallClose(t *testing.T) {
	ctx := context.Background()
	for _, kinds := range [][]string{{"iptables-legacy"}, {"iptables-nft"}, {"nft"}, backends} {
		t.Run(strings.Join(kinds, "+"), func(t *testing.T) {
			l := newFilterLab(t)
			w, j := l.writer(), &tape{}
			listing := func() (out []string) {
				for _, k := range kinds {
					out = append(out, steady(noHandles(l.listing(k)))...)
				}
				return out
			}
			for _, k := range kinds {
				l.load(k)
			}
			dir, sets := folderFor(t), l.rules()
			files := saveFiles(t, dir, kinds, &sets)
			before := listing()
			scan := shopHost(sets, labApp4)
			var p Plan
			l.must(func() error {
				p = Make(scan, Request{Kind: KindHarden})
				err := Survey(ctx, w.Host, &p)
				if err == nil {
					_, err = j.Begin(p, Operator{})
				}
				if err == nil {
					_, err = Apply(ctx, w, j, "R1", p, quiet)
				}
				return err
			})
			if want := map[bool]int{true: 1, false: 2}[kinds[0] == "nft"]; len(kinds) == 1 && len(steps(p, "firewall.close")) != want {
				t.Fatalf("steps: %+v\nleft: %+v", p.Steps, p.Left)
			}
			for _, s := range steps(p, "firewall.close") {
				if o := j.run(); o.Outcome(s.ID).State != Done || o.Outcome(s.ID).Until.IsZero() {
					t.Errorf("outcome: %+v", o.Outcome(s.ID))
				}
			}
			l.mustNotReach(labEvil4, 6380)
			l.mustNotReach(labEvil6, 6380)
			l.mustReach(labEvil4, 22)
			if diff := cmp.Diff(files, readAll(t, files)); diff != "" {
				t.Errorf("a file was changed before the confirmation:\n%s", diff)
			}
			l.must(func() error { _, err := Confirm(ctx, w, j, j.run(), Operator{}, quiet); return err })
			for name, text := range readAll(t, files) {
				if got, want := strings.Count(text, "\n"), strings.Count(files[name], "\n")-1; got != want || strings.Contains(text, "6380") {
					t.Errorf("%s: %d lines, want %d\n%s", name, got, want, text)
				}
			}
			l.must(func() error { _, err := Undo(ctx, w, j, j.run(), UndoOptions{Reopen: true}, quiet); return err })
			if diff := cmp.Diff(before, listing()); diff != "" {
				t.Errorf("undone, the filter is not as before:\n%s", diff)
			}
			if diff := cmp.Diff(files, readAll(t, files)); diff != "" {
				t.Errorf("undone, a file is not as before:\n%s", diff)
			}
		})
	}
}

// saveFiles writes what loads the filters and adds it to what is known.
func saveFiles(t *testing.T, dir string, kinds []string, sets *[]fact.Ruleset) map[string]string {
	t.Helper()
	out := map[string]string{}
	put := func(name, text string) fact.Path {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		out[p] = text
		return fact.Path(p)
	}
	if slices.Contains(kinds, "nft") {
		p := put("nftables.conf", "#!/usr/sbin/nft -f\n\nflush ruleset\n\n"+labNFT)
		*sets = append(*sets, nftconf.Parse([]byte(out[string(p)]), p)...)
	}
	if kinds[0] != "nft" {
		p := put("rules.v4", labXT("icmp"))
		*sets = append(*sets, iptablessave.Parse([]byte(out[string(p)]), "ip", p)...)
		p = put("rules.v6", labXT("ipv6-icmp"))
		*sets = append(*sets, iptablessave.Parse([]byte(out[string(p)]), "ip6", p)...)
	}
	return out
}

func readAll(t *testing.T, files map[string]string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for p := range files {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out[p] = string(b)
	}
	return out
}

// What is not one rule for everybody to one port is left, and it is said why.
func TestPlanCloseLeaves(t *testing.T) {
	head := "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n"
	for _, c := range []struct{ name, rules, left string }{
		{"several ports", "-A INPUT -p tcp -m multiport --dports 6379,6380 -j ACCEPT\n", "left.firewall.other-rule"},
		{"a range", "-A INPUT -p tcp -m tcp --dport 6379:6381 -j ACCEPT\n", "left.firewall.other-rule"},
		{"no port", "-A INPUT -p tcp -j ACCEPT\n", "left.firewall.other-rule"},
		{"one too many", "-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT\n-A INPUT -p tcp -j ACCEPT\n", "left.firewall.other-rule"},
		{"a policy", strings.Replace(":INPUT DROP", "DROP", "ACCEPT", 1) + " [0:0]\n-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT\n", "left.firewall.policy"},
		{"only some sources", "-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 6380 -j ACCEPT\n", ""},
		{"also for what is forwarded", ":U - [0:0]\n-A INPUT -j U\n-A FORWARD -j U\n-A U -p tcp -m tcp --dport 6380 -j ACCEPT\n", "left.firewall.other-rule"},
	} {
		sets := iptablessave.Parse([]byte(head+c.rules+"COMMIT\n"), "ip", "/x")
		sets[0].Persisted = ""
		p := Make(shopHost(sets), Request{Kind: KindHarden})
		if len(p.Steps) > 0 || c.left != "" && !slices.Contains(leftIDs(p), c.left) {
			t.Errorf("%s: steps %+v, left %v", c.name, p.Steps, leftIDs(p))
		}
	}
}

// Two rules alike are one step; a door that is shut for now is closed for good.
func TestPlanCloseWhileShut(t *testing.T) {
	sets := iptablessave.Parse([]byte("*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"+
		"-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT\nCOMMIT\n"), "ip", "/x")
	sets[0].Persisted = ""
	port := []fact.PortRange{{From: 6380, To: 6380}}
	sets = append(sets, fact.Ruleset{Backend: "nft", Family: "inet", Table: "demine", Chains: []fact.Chain{
		{Name: "input", Hook: "input", Priority: -300, Type: "filter", Policy: "accept", Rules: []fact.Rule{{N: 1, Proto: "tcp", DPort: port, Verdict: "jump", Target: "tcp-6380"}}},
		{Name: "tcp-6380", Rules: []fact.Rule{{N: 1, Src: prefixes("10.0.0.5/32"), Verdict: "accept"}, {N: 2, Verdict: "drop"}}},
	}})
	s := shopHost(sets)
	s.Findings = nil // nobody is let in now, so no rule fires
	p := Make(s, Request{Kind: KindHarden})
	if got := steps(p, "firewall.close"); len(got) != 1 || got[0].Revert != 300 {
		t.Errorf("steps: %+v, left %v", p.Steps, leftIDs(p))
	}
}

// Whom a run before kept keeps the way in when the door is shut anew without
// naming them; an intruder among them does not.
func TestPlanDoorKeepsWhoIsKept(t *testing.T) {
	was := fact.Ruleset{Backend: "nft", Family: "inet", Table: "demine", Chains: []fact.Chain{
		{Name: "tcp-6380", Rules: []fact.Rule{{N: 1, Src: prefixes("172.16.4.0/24"), Verdict: "accept"}, {N: 2, Src: prefixes("203.0.113.80/32"), Verdict: "accept"}, {N: 3, Verdict: "drop"}}},
	}}
	p := Make(shopHost([]fact.Ruleset{was}), Request{Kind: KindContain})
	door := steps(p, "door.shut")
	if len(door) != 1 {
		t.Fatalf("steps: %+v, left %v", p.Steps, leftIDs(p))
	}
	with, err := decode[doorWith](door[0].With)
	if err != nil || !covered(with.Shut.Keep, netip.MustParseAddr("172.16.4.9")) || covered(with.Shut.Keep, netip.MustParseAddr("203.0.113.80")) {
		t.Errorf("kept: %v, error %v", with.Shut.Keep, err)
	}
}

// Files of every kind lose the rule and keep every other byte; one that would
// lose more is refused.
func TestFindSaved(t *testing.T) {
	zone := "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<zone>\n  <short>Public</short>\n  <service name=\"ssh\"/>\n  <port protocol=\"tcp\" port=\"6380\"/>\n  <port port=\"6380\" protocol=\"udp\"/>\n</zone>\n"
	tuples := "*filter\n:ufw-user-input - [0:0]\n### RULES ###\n\n### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n\n" +
		"### tuple ### allow %s 6380 0.0.0.0/0 any 0.0.0.0/0 in comment=666f72\n-A ufw-user-input -p tcp --dport 6380 -j ACCEPT\n%s\n### END RULES ###\nCOMMIT\n"
	udp := "-A ufw-user-input -p udp --dport 6380 -j ACCEPT\n"
	one := func(proto, rest string) string {
		return strings.Replace(strings.Replace(tuples, "%s", proto, 1), "%s", rest, 1)
	}
	for _, c := range []struct{ name, backend, table, chain, text, want string }{
		{"zone", "firewalld", "x", "x", zone, strings.Replace(zone, "  <port protocol=\"tcp\" port=\"6380\"/>\n", "", 1)},
		{"zone in one line", "firewalld", "x", "x", "<zone><port protocol=\"tcp\" port=\"6380\"/><port port=\"22\" protocol=\"tcp\"/></zone>\n", "<zone><port port=\"22\" protocol=\"tcp\"/></zone>\n"},
		{"zone, long form", "firewalld", "x", "x", "<zone>\n<port protocol=\"tcp\" port=\"6380\"></port>\n</zone>\n", ""},
		{"ufw", "ufw", "filter", "ufw-user-input", one("tcp", ""), strings.Replace(one("tcp", ""), "### tuple ### allow tcp 6380 0.0.0.0/0 any 0.0.0.0/0 in comment=666f72\n-A ufw-user-input -p tcp --dport 6380 -j ACCEPT\n", "", 1)},
		{"ufw, both protocols", "ufw", "filter", "ufw-user-input", one("any", udp), strings.Replace(one("udp", udp), "-A ufw-user-input -p tcp --dport 6380 -j ACCEPT\n", "", 1)},
		{"nft, lines shared", "nft", "filter", "input", "table inet filter { chain input { type filter hook input priority 0; policy drop; tcp dport 6380 accept; }; }\n", ""},
		{"nft", "nft", "filter", "input", labNFT, strings.Replace(labNFT, "\t\ttcp dport 6380 ct state { new, untracked } counter packets 7 bytes 420 accept comment \"for the developer at home\"\n", "", 1)},
	} {
		with := savedWith{Path: "/x.xml", Backend: c.backend, Family: "ip"}
		var sets []fact.Ruleset
		switch c.backend {
		case "firewalld":
			rs, err := firewalld.Parse([]byte(c.text), "/x.xml", nil)
			if err != nil {
				t.Fatal(err)
			}
			sets = []fact.Ruleset{rs}
		case "ufw":
			sets = ufw.Parse([]byte(c.text), "ip", "/x.xml")
		default:
			sets = nftconf.Parse([]byte(c.text), "/x.xml")
		}
		for _, rs := range sets {
			for _, ch := range rs.Chains {
				for _, r := range whole(ch.Rules) {
					if opensOnly(ch.Rules, r.N, "tcp", 6380) {
						with.Rules = append(with.Rules, savedRule{rs.Table, ch.Name, r.Origin.Line, r.Text, "tcp", 6380, false})
					}
				}
			}
		}
		edits, err := findSaved(nil, with, "/x.xml", []byte(c.text))
		var refusal *Refusal
		if c.want == "" {
			if !errors.As(err, &refusal) {
				t.Errorf("%s: %v, %v", c.name, edits, err)
			}
			continue
		}
		got, e := editLines([]byte(c.text), edits)
		if err != nil || e != nil {
			t.Errorf("%s: %v, %v", c.name, err, e)
			continue
		}
		if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if _, err := findSaved(nil, with, "/x.xml", got); !errors.Is(err, ErrNothing) {
			t.Errorf("%s, again: %v", c.name, err)
		}
	}
}
