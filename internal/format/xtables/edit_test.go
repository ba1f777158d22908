package xtables

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

func loadCapture(t testing.TB, name, family string) (*Table, Info, []byte) {
	t.Helper()
	info, blob := capture(t, name)
	tab, err := Load(family, info, blob)
	if err != nil {
		t.Fatal(err)
	}
	return tab, info, blob
}

// Every rule of every chain that is taken out and put back gives the same
// bytes, and what is left in between is the chains without that rule.
func TestDeleteInsertIsIdentity(t *testing.T) {
	for name, family := range map[string]string{"ip-filter": "ip", "ip-nat": "ip", "ip6-filter": "ip6"} {
		tab, info, blob := loadCapture(t, name, family)
		before, err := Parse(family, "filter", info, blob)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range before {
			for n := 1; n <= len(c.Rules); n++ {
				e, err := tab.Rule(c.Name, n)
				if err != nil {
					t.Fatal(err)
				}
				if err := tab.Delete(c.Name, n); err != nil {
					t.Fatal(err)
				}
				wantWithout(t, tab, family, before, c.Name, n)
				if err := tab.Insert(c.Name, n, e); err != nil {
					t.Fatal(err)
				}
				if i, b := tab.Blob(); !bytes.Equal(b, blob) || i.Entries != info.Entries {
					t.Fatalf("%s %s %d: not the same bytes", name, c.Name, n)
				}
			}
		}
	}
}

func wantWithout(t *testing.T, tab *Table, family string, before []fact.Chain, chain string, n int) {
	t.Helper()
	i, b := tab.Blob()
	after, err := Parse(family, "filter", i, b)
	if err != nil {
		t.Fatal(err)
	}
	var want, got [][]string
	for k := range before {
		var w, g []string
		for m, r := range before[k].Rules {
			if before[k].Name != chain || m != n-1 {
				w = append(w, r.Text)
			}
		}
		for _, r := range after[k].Rules {
			g = append(g, r.Text)
		}
		want, got = append(want, w), append(got, g)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s %d (-want +got):\n%s", chain, n, diff)
	}
}

func TestEditRefuses(t *testing.T) {
	tab, info, blob := loadCapture(t, "ip-filter", "ip")
	rule, err := tab.Rule("INPUT", 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"no chain":       func() error { return tab.Delete("NONE", 1) },
		"rule 0":         func() error { return tab.Delete("INPUT", 0) },
		"the policy":     func() error { return tab.Delete("INPUT", len(tab.chain("INPUT").items)) },
		"behind the end": func() error { return tab.Insert("INPUT", len(tab.chain("INPUT").items)+1, rule) },
		"no such target": func() error {
			return tab.Insert("INPUT", 1, Entry{Bytes: NewEntry("ip", Criteria{}, Jump).Bytes, Jump: "NONE"})
		},
		"a base chain": func() error {
			return tab.Insert("INPUT", 1, Entry{Bytes: NewEntry("ip", Criteria{}, Jump).Bytes, Jump: "INPUT"})
		},
		"jump to nowhere": func() error { return tab.Insert("INPUT", 1, NewEntry("ip", Criteria{}, 8)) },
		"half a rule":     func() error { return tab.Insert("INPUT", 1, Entry{Bytes: rule.Bytes[:100]}) },
		"long name":       func() error { return tab.AddChain("a-name-that-is-longer-than-28-b", nil) },
		"same name":       func() error { return tab.AddChain("INPUT", nil) },
	} {
		if err := f(); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNotThere) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, b := tab.Blob(); !bytes.Equal(b, blob) {
		t.Error("a refused edit changed the table")
	}
	if _, err := Load("ip", info, blob[:len(blob)-16]); !errors.Is(err, ErrMalformed) {
		t.Errorf("cut off: %v", err)
	}
}

func TestAddChain(t *testing.T) {
	for _, family := range []string{"ip", "ip6"} {
		tab, info, blob := loadCapture(t, family+"-filter", family)
		src := netip.MustParsePrefix("10.1.2.0/23")
		if family == "ip6" {
			src = netip.MustParsePrefix("fd00:1::/47")
		}
		err := tab.AddChain("demine-tcp-6380", []Entry{NewEntry(family, Criteria{In: "docker*"}, Return), NewEntry(family, Criteria{Src: src}, Return), NewEntry(family, Criteria{}, Drop)})
		if err != nil {
			t.Fatal(err)
		}
		jump := NewEntry(family, Criteria{Proto: "tcp", DPort: 6380}, Jump)
		jump.Jump = "demine-tcp-6380"
		if err := tab.Insert("INPUT", 1, jump); err != nil {
			t.Fatal(err)
		}
		i, b := tab.Blob()
		chains, err := Parse(family, "filter", i, b)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := tab.chain("INPUT").items[0].to.name, "demine-tcp-6380"; got != want {
			t.Errorf("jump to %s", got)
		}
		var got []string
		for _, c := range chains {
			if c.Name == "INPUT" {
				got = append(got, c.Rules[0].Text)
			}
			if c.Name == "demine-tcp-6380" {
				for _, r := range c.Rules {
					got = append(got, r.Text)
				}
			}
		}
		want := []string{"-A INPUT -p tcp -m tcp --dport 6380 -j demine-tcp-6380", "-A demine-tcp-6380 -i docker+ -j RETURN",
			"-A demine-tcp-6380 -s " + src.String() + " -j RETURN", "-A demine-tcp-6380 -j DROP"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", family, diff)
		}
		if n := len(tab.Counters(make([]Counter, info.Entries))); n != int(i.Entries) {
			t.Errorf("%d counters of %d entries", n, i.Entries)
		}
		if err := tab.DeleteChain("demine-tcp-6380"); err != nil {
			t.Fatal(err)
		}
		if _, b := tab.Blob(); !bytes.Equal(b, blob) {
			t.Errorf("%s: taken away again, it is not as before", family)
		}
	}
}

// Whatever is edited in whatever the kernel says: no panic, and what comes out
// is a table again.
func FuzzEdit(f *testing.F) {
	for _, name := range []string{"ip-filter", "ip-nat"} {
		info, blob := capture(f, name)
		f.Add(blob, info.ValidHooks, info.HookEntry[1], info.Underflow[1], info.HookEntry[2], info.Underflow[2], info.HookEntry[3], info.Underflow[3], info.Entries, "INPUT", 1)
	}
	f.Fuzz(func(t *testing.T, blob []byte, hooks, h1, u1, h2, u2, h3, u3, entries uint32, chain string, n int) {
		for _, family := range []string{"ip", "ip6"} {
			info := Info{ValidHooks: hooks, HookEntry: [5]uint32{0, h1, h2, h3}, Underflow: [5]uint32{0, u1, u2, u3}, Entries: entries, Size: uint32(len(blob))}
			tab, err := Load(family, info, blob)
			if err != nil {
				continue
			}
			e, err := tab.Rule(chain, n)
			if err != nil {
				continue
			}
			if err := tab.Delete(chain, n); err != nil {
				t.Fatal(err)
			}
			i, b := tab.Blob()
			again, err := Load(family, i, b)
			if err != nil {
				t.Fatalf("what was written is no table: %v", err)
			}
			if err := again.Insert(chain, n, e); err != nil {
				t.Fatal(err)
			}
			if _, b := again.Blob(); !bytes.Equal(b, blob) {
				t.Fatal("put back, it is not as before")
			}
		}
	})
}
