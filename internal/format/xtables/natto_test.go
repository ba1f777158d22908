package xtables

import (
	"net/netip"
	"testing"

	"demine/internal/fact"
)

func TestNatTo(t *testing.T) {
	a := netip.MustParseAddr
	for s, want := range map[string]fact.NatTo{
		"":                       {},
		"172.17.0.2":             {Addr: a("172.17.0.2"), Last: a("172.17.0.2")},
		"172.17.0.2:80":          {Addr: a("172.17.0.2"), Last: a("172.17.0.2"), Port: fact.PortRange{From: 80, To: 80}},
		"10.0.0.1-10.0.0.9:1-20": {Addr: a("10.0.0.1"), Last: a("10.0.0.9"), Port: fact.PortRange{From: 1, To: 20}},
		"[fd00::2]:80":           {Addr: a("fd00::2"), Last: a("fd00::2"), Port: fact.PortRange{From: 80, To: 80}},
		"fd00::2":                {Addr: a("fd00::2"), Last: a("fd00::2")},
		":8080":                  {Port: fact.PortRange{From: 8080, To: 8080}},
		"tcp dport map":          {Unclear: true},
		"10.0.0.1:x":             {Unclear: true},
	} {
		if got := NatTo(s); got != want {
			t.Errorf("%q: %+v, want %+v", s, got, want)
		}
	}
}
