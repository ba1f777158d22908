package respond

import (
	"context"
	"errors"
	"fmt"
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
	"demine/internal/relate"
)

// namedOf is the scan of shopHost with these filters, and the name of the rule
// for a person's address in it.
func namedOf(t *testing.T, sets []fact.Ruleset) (*explain.Scan, relate.OpenRule) {
	t.Helper()
	scan := shopHost(sets)
	for _, o := range relate.New(scan.Snapshot).OpenRules() {
		if len(o.Sources) == 1 && o.Sources[0].Addr().String() == labEvil4 {
			return scan, o
		}
	}
	t.Fatalf("no such rule is found in %+v", relate.New(scan.Snapshot).OpenRules())
	return nil, relate.OpenRule{}
}

// A rule for one person, in each kind of filter and saved: taken out by its
// name, in force at once and in the file when confirmed, and put back by undo as
// it was. Nothing else is touched.
func TestCloseNamed(t *testing.T) {
	ctx := context.Background()
	const xt = " -I INPUT -s " + "203.0.113.9" + " -p tcp -m tcp --dport 6381 -j ACCEPT"
	for kind, add := range map[string]string{
		"iptables-legacy": "iptables-legacy" + xt, "iptables-nft": "iptables-nft" + xt,
		"nft": "nft insert rule inet filter input ip saddr 203.0.113.9 tcp dport 6381 accept",
	} {
		t.Run(kind, func(t *testing.T) {
			l := newFilterLab(t)
			w, j := l.writer(), &tape{}
			l.load(kind)
			l.mustNotReach(labEvil4, 6381)
			l.sh(add, "")
			l.mustReach(labEvil4, 6381)
			before := steady(noHandles(l.listing(kind)))
			sets, file := l.rules(), filepath.Join(folderFor(t), "saved")
			text, parsed := savedNamed(kind, fact.Path(file))
			if err := os.WriteFile(file, []byte(text), 0o640); err != nil {
				t.Fatal(err)
			}
			scan, o := namedOf(t, append(sets, parsed...))
			if o.Kept != "saved" || len(o.Saved) != 1 {
				t.Fatalf("%+v", o)
			}
			l.must(func() error {
				p := Make(scan, Request{Kind: KindHarden, Rules: []string{o.ID}})
				if len(p.Steps) != 2 {
					t.Fatalf("steps: %+v, left %v", p.Steps, leftIDs(p))
				}
				err := Survey(ctx, w.Host, &p)
				if err == nil {
					_, err = j.Begin(p, Operator{})
				}
				if err == nil {
					_, err = Apply(ctx, w, j, "R1", p, quiet)
				}
				return err
			})
			l.mustNotReach(labEvil4, 6381)
			l.mustReach(labEvil4, 6380)
			l.must(func() error { _, err := Confirm(ctx, w, j, j.run(), Operator{}, quiet); return err })
			if b, err := os.ReadFile(file); err != nil || strings.Contains(string(b), "6381") || !strings.Contains(string(b), "6380") {
				t.Errorf("%v\n%s", err, b)
			}
			l.must(func() error { _, err := Undo(ctx, w, j, j.run(), UndoOptions{Reopen: true}, quiet); return err })
			l.mustReach(labEvil4, 6381)
			if diff := cmp.Diff(before, steady(noHandles(l.listing(kind)))); diff != "" {
				t.Errorf("undone, the filter is not as before:\n%s", diff)
			}
			if b, _ := os.ReadFile(file); string(b) != text {
				t.Errorf("undone, the file is not as before:\n%s", b)
			}
		})
	}
}

// Of a rule that was named nothing is said but what was proved: it may have let in one
// address, and the port may never have been open to everybody.
func TestClosedDetail(t *testing.T) {
	const shut = "*filter\n:INPUT DROP [0:0]\n%sCOMMIT\n"
	for _, tt := range []struct {
		name  string
		rules string
		with  closeWith
		want  string
	}{
		{"to everybody", "", closeWith{Proto: "tcp", Port: 8500}, "firewall.close.done"},
		{"named", "", closeWith{Proto: "tcp", Port: 8500, Named: true}, "openrule.close.done.port"},
		{"named, of all ports", "", closeWith{Named: true}, "openrule.close.done"},
		{"named, and another opens it", "-A INPUT -p tcp -m tcp --dport 8500 -j ACCEPT\n", closeWith{Proto: "tcp", Port: 8500, Named: true}, "firewall.close.still-open"},
	} {
		tt.with.Rule.Family = "ip"
		sets := iptablessave.Parse(fmt.Appendf(nil, shut, tt.rules), "ip", "")
		if got := closedDetail(sets, tt.with); got.ID != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got.ID, tt.want)
		}
	}
}

// savedNamed is a file that has the rule for the person too.
func savedNamed(kind string, file fact.Path) (string, []fact.Ruleset) {
	if kind == "nft" {
		text := strings.Replace(labNFT, "\t\ttcp dport 6380", "\t\tip saddr 203.0.113.9 tcp dport 6381 accept\n\t\ttcp dport 6380", 1)
		return text, nftconf.Parse([]byte(text), file)
	}
	text := strings.Replace(labXT("icmp"), "-A INPUT -g LATE", "-A INPUT -s 203.0.113.9/32 -p tcp -m tcp --dport 6381 -j ACCEPT\n-A INPUT -g LATE", 1)
	return text, iptablessave.Parse([]byte(text), "ip", file)
}

// What operators come in by is never taken out, however it is named; nor is what
// is not there.
func TestCloseNamedLeaves(t *testing.T) {
	head := "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT\n"
	for _, c := range []struct{ rules, left string }{
		{"-A INPUT -s 203.0.113.9/32 -p tcp -m tcp --dport 22 -j ACCEPT\n", "left.firewall.ssh"},
		{"-A INPUT -s 203.0.113.9/32 -p tcp -m multiport --dports 22,6381 -j ACCEPT\n", "left.firewall.ssh"},
		{"-A INPUT -s 203.0.113.9/32 -j ACCEPT\n", "left.firewall.ssh"},
		{"-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -s 203.0.113.9/32 -p tcp -m tcp --dport 6381 -j ACCEPT\n", ""},
	} {
		sets := iptablessave.Parse([]byte(head+c.rules+"COMMIT\n"), "ip", "/x")
		sets[0].Persisted = ""
		scan, o := namedOf(t, sets)
		p := Make(scan, Request{Kind: KindHarden, Rules: []string{o.ID, "O-000000"}})
		if left := leftIDs(p); !slices.Contains(left, "left.rule.none") || c.left != "" && !slices.Contains(left, c.left) || (len(p.Steps) == 0) != (c.left != "") {
			t.Errorf("%s: steps %+v, left %v", c.rules, p.Steps, left)
		}
	}
}

// A rich rule of firewalld goes as a whole, and only one that has its lines to
// itself.
func TestCutRichRule(t *testing.T) {
	const rich = "  <rule family=\"ipv4\">\n    <source address=\"203.0.113.9\"/>\n    <port port=\"6380\" protocol=\"tcp\"/>\n    <accept/>\n  </rule>\n"
	zone := func(rules string) string {
		return "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<zone>\n  <service name=\"ssh\"/>\n" + rules + "  <port port=\"80\" protocol=\"tcp\"/>\n</zone>\n"
	}
	for _, c := range []struct{ name, rules, left string }{
		{"as firewalld writes it", rich, ""},
		{"in one line", strings.NewReplacer("\n    ", "", "\n  ", "").Replace(rich), ""},
		{"beside another port", rich + strings.Replace(rich, "6380", "6381", 1), strings.Replace(rich, "6380", "6381", 1)},
		{"two in one line", "<rule><source address=\"203.0.113.9\"/><port port=\"6380\" protocol=\"tcp\"/><accept/></rule><port port=\"6380\" protocol=\"udp\"/>\n", "refused"},
		{"a service of two ports", "  <rule>\n    <source address=\"203.0.113.9\"/>\n    <service name=\"dns\"/>\n    <accept/>\n  </rule>\n", "refused"},
	} {
		text := zone(c.rules)
		rs, err := firewalld.Parse([]byte(text), "/z.xml", nil)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(rs.Chains[0].Rules, func(r fact.Rule) bool { return len(r.Src) > 0 && r.Verdict == "accept" })
		r := rs.Chains[0].Rules[i]
		with := savedWith{Path: "/z.xml", Backend: "firewalld", Rules: []savedRule{{rs.Table, rs.Chains[0].Name, r.Origin.Line, r.Text, r.Proto, firstPort(&r), true}}}
		edits, err := findSaved(nil, with, "/z.xml", []byte(text))
		var refusal *Refusal
		if c.left == "refused" {
			if !errors.As(err, &refusal) {
				t.Errorf("%s: %v, %v", c.name, edits, err)
			}
			continue
		}
		got, e := editLines([]byte(text), edits)
		if diff := cmp.Diff(zone(c.left), string(got)); err != nil || e != nil || diff != "" {
			t.Errorf("%s: %v, %v\n%s", c.name, err, e, diff)
		}
	}
}

// A rule that looks into a map is several rules of one place; all of them go, so
// all of them must do no more than let in.
func TestAcceptsOnly(t *testing.T) {
	rules := []fact.Rule{{N: 1, Verdict: "accept"}, {N: 2, Verdict: "accept"}, {N: 2, Verdict: "drop"}}
	if !acceptsOnly(rules, 1) || acceptsOnly(rules, 2) {
		t.Error("what drops too is taken for what only lets in")
	}
}
