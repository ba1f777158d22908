package xtables

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"demine/internal/fact"
)

var update = flag.Bool("update", false, "write the golden files")

// capture reads a table as it came from a kernel (x86-64, Linux 6.18): the
// numbers of Info and then the entries.
func capture(t testing.TB, name string) (Info, []byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	var i Info
	n, err := binary.Decode(b, binary.LittleEndian, &i)
	if err != nil {
		t.Fatal(err)
	}
	return i, b[n:]
}

func TestParseCaptures(t *testing.T) {
	for _, name := range []string{"ip-filter", "ip-nat", "ip6-filter"} {
		t.Run(name, func(t *testing.T) {
			info, blob := capture(t, name)
			family, table, _ := strings.Cut(name, "-")
			chains, err := Parse(family, table, info, blob)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", chains)
		})
	}
}

func golden(t *testing.T, name string, v any) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("%s differs from what was read:\n%s", path, b.Bytes())
	}
}

func TestParseCutOff(t *testing.T) {
	info, blob := capture(t, "ip-filter")
	for n := range len(blob) {
		if _, err := Parse("ip", "filter", info, blob[:n]); n%8 != 0 && !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if _, err := Parse("arp", "filter", info, blob); !errors.Is(err, ErrMalformed) {
		t.Errorf("family arp: %v", err)
	}
}

func TestPrefixes(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"10.0.0.1", "10.0.0.1", "10.0.0.1/32"},
		{"10.0.0.0", "10.0.0.255", "10.0.0.0/24"},
		{"1.2.3.4", "1.2.3.9", "1.2.3.4/30 1.2.3.8/31"},
		{"0.0.0.0", "255.255.255.255", "0.0.0.0/0"},
		{"255.255.255.254", "255.255.255.255", "255.255.255.254/31"},
		{"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"},
		{"fd00::1", "fd00::2", "fd00::1/128 fd00::2/128"},
		{"10.0.0.2", "10.0.0.1", ""},
		{"10.0.0.2", "fd00::1", ""},
	} {
		var got []string
		for _, p := range Prefixes(netip.MustParseAddr(c.from), netip.MustParseAddr(c.to)) {
			got = append(got, p.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s-%s: %v, want %s", c.from, c.to, got, c.want)
		}
	}
}

func TestNarrow(t *testing.T) {
	p := func(s ...string) (out []netip.Prefix) {
		for _, x := range s {
			out = append(out, netip.MustParsePrefix(x))
		}
		return out
	}
	for _, c := range []struct {
		name string
		do   func(*fact.Rule)
		want fact.Rule
	}{
		{"two sources", func(r *fact.Rule) {
			NarrowSrc(r, p("10.0.0.0/8"), false)
			NarrowSrc(r, p("10.1.0.0/16", "11.0.0.0/8"), false)
		},
			fact.Rule{Src: p("10.1.0.0/16")}},
		{"sources that exclude each other", func(r *fact.Rule) { NarrowSrc(r, p("10.0.0.0/8"), false); NarrowSrc(r, p("11.0.0.0/8"), false) },
			fact.Rule{Src: p("10.0.0.0/8"), DPort: []fact.PortRange{never}}},
		{"a source but not a part of it", func(r *fact.Rule) { NarrowSrc(r, p("10.0.0.0/8"), false); NarrowSrc(r, p("10.1.0.0/16"), true) },
			fact.Rule{Src: p("10.0.0.0/8"), Unknown: []string{"source"}}},
		{"an empty set", func(r *fact.Rule) { NarrowSrc(r, nil, false) }, fact.Rule{DPort: []fact.PortRange{never}}},
		{"not an empty set", func(r *fact.Rule) { NarrowSrc(r, nil, true) }, fact.Rule{}},
		{"ports but one", func(r *fact.Rule) {
			NarrowDPort(r, []fact.PortRange{{From: 1, To: 100}}, false)
			NarrowDPort(r, []fact.PortRange{{From: 22, To: 22}}, true)
		}, fact.Rule{DPort: []fact.PortRange{{From: 1, To: 21}, {From: 23, To: 100}}}},
		{"two protocols", func(r *fact.Rule) { NarrowProto(r, "tcp", false); NarrowProto(r, "udp", false) },
			fact.Rule{Proto: "tcp", DPort: []fact.PortRange{never}}},
		{"states", func(r *fact.Rule) {
			NarrowState(r, []string{"related", "new"}, false)
			NarrowState(r, []string{"new"}, false)
		},
			fact.Rule{CTState: []string{"new"}}},
		{"a limit on accept", func(r *fact.Rule) { Doubt(r, "limit"); r.Verdict = "accept"; Settle(r) }, fact.Rule{Verdict: "accept"}},
		{"a limit on drop", func(r *fact.Rule) { Doubt(r, "limit"); r.Verdict = "drop"; Settle(r) },
			fact.Rule{Verdict: "drop", Unknown: []string{"limit"}}},
	} {
		var got fact.Rule
		c.do(&got)
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(c.want)
		if !bytes.Equal(a, b) {
			t.Errorf("%s:\n got %s\nwant %s", c.name, a, b)
		}
	}
}

// FuzzParse: no panic, and what a chain holds is in order, whatever the bytes.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"ip-filter", "ip-nat", "ip6-filter"} {
		info, blob := capture(f, name)
		f.Add(name[:3] == "ip6", info.ValidHooks, info.HookEntry[1], info.Underflow[1], blob)
	}
	f.Fuzz(func(t *testing.T, v6 bool, hooks, entry, underflow uint32, blob []byte) {
		family := "ip"
		if v6 {
			family = "ip6"
		}
		info := Info{ValidHooks: hooks, HookEntry: [5]uint32{1: entry}, Underflow: [5]uint32{1: underflow}}
		chains, _ := Parse(family, "filter", info, blob)
		rules := 0
		for _, c := range chains {
			for i, r := range c.Rules {
				rules++
				if r.N != i+1 || r.Verdict == "" || !strings.HasPrefix(r.Text, "-A "+c.Name) {
					t.Fatalf("rule %+v of chain %q", r, c.Name)
				}
				if (r.Verdict == "jump" || r.Verdict == "goto") && r.Target == "" && r.Text == "" {
					t.Fatalf("jump to nothing: %+v", r)
				}
			}
		}
		if rules*112 > len(blob) {
			t.Fatalf("%d rules of %d bytes", rules, len(blob))
		}
		if _, err := json.Marshal(chains); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzMatch: a match that is not understood is a doubt, never nothing.
func FuzzMatch(f *testing.F) {
	for name := range matches {
		f.Add(name, uint8(1), make([]byte, 64))
		f.Add(name, uint8(3), make([]byte, 300))
	}
	f.Add("mystery", uint8(0), []byte{})
	f.Fuzz(func(t *testing.T, name string, rev uint8, data []byte) {
		var r, target fact.Rule
		Match(name, rev, data, &r)
		if _, known := matches[name]; !known && len(r.Unknown) == 0 {
			t.Fatalf("match %q left no doubt: %+v", name, r)
		}
		if r.Text == "" {
			t.Fatal("no text")
		}
		Target(name, rev, data, &target)
		if target.Verdict == "" || target.Text == "" {
			t.Fatalf("target %q: %+v", name, target)
		}
	})
}
