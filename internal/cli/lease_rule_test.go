package cli

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/judge"
	"demine/internal/relate"
)

// The status of an audit says whether somebody has to answer for a rule, and
// whether all was seen.
func TestExitOfAudit(t *testing.T) {
	rule := func(drift string) []relate.OpenRule {
		return []relate.OpenRule{{Ref: "opening:O-1a2b3c4d", ID: "O-1a2b3c4d", Drift: drift, Kept: "saved"}}
	}
	found := []judge.Finding{{Subject: "opening:O-1a2b3c4d"}}
	seen := []fact.Coverage{{Observer: "socket", State: fact.Seen}, {Observer: "firewall", State: fact.Seen}, {Observer: "process", State: fact.Seen}}
	part := append(slices.Clone(seen[:1]), fact.Coverage{Observer: "firewall", State: fact.Partial}, seen[2])
	for _, tt := range []struct {
		name  string
		rules []relate.OpenRule
		found []judge.Finding
		seen  []fact.Coverage
		want  int
	}{
		{"nothing", nil, nil, seen, exitNothing}, {"meant to be", rule(""), nil, seen, exitNothing},
		{"typed, and may be meant to be", rule("typed"), nil, seen, exitNothing}, {"drift", rule("typed"), found, seen, exitFound},
		{"leases are saved", nil, []judge.Finding{{Rule: "exposure/lease-saved"}}, seen, exitFound},
		{"not all was seen", nil, nil, part, exitIncomplete}, {"drift, and more may be", rule("typed"), found, part, exitFound},
	} {
		for _, format := range [][]string{nil, {"--json"}} {
			st := &stage{env: english(), look: sees(&explain.Scan{Schema: 1, Openings: tt.rules, Findings: tt.found, Coverage: tt.seen}, nil)}
			if got := st.run(t.Context(), append([]string{"lease", "audit"}, format...)...); got != tt.want {
				t.Errorf("%s %v: exit %d, want %d", tt.name, format, got, tt.want)
			}
			if format != nil && !strings.Contains(st.out.String(), `"openings": [`) {
				t.Errorf("%s: %s", tt.name, st.out.String())
			}
		}
	}
}

// A lease takes over what a rule lets in: one port, its sources, the port of
// the host where it is a container's; what says no less than everybody has to be
// said.
func TestAdoptAsk(t *testing.T) {
	port := func(from, to uint16) []fact.PortRange { return []fact.PortRange{{From: from, To: to}} }
	one := []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}
	for _, tt := range []struct {
		name string
		o    relate.OpenRule
		f    leaseFlags
		port int
		from string
	}{
		{"as it is", relate.OpenRule{Proto: "tcp", Ports: port(6380, 6380), Sources: one}, leaseFlags{}, 6380, "[203.0.113.7/32]"},
		{"fewer", relate.OpenRule{Proto: "tcp", Ports: port(6380, 6380), Everyone: true}, leaseFlags{from: []string{"198.51.100.9"}}, 6380, "[198.51.100.9/32]"},
		{"everybody, said", relate.OpenRule{Proto: "udp", Family: "ip6", Ports: port(53, 53), Everyone: true}, leaseFlags{anyone: true}, 53, "[::/0]"},
		{"everybody, not said", relate.OpenRule{Proto: "tcp", Ports: port(6380, 6380), Everyone: true}, leaseFlags{}, 0, ""},
		{"a container's", relate.OpenRule{Proto: "tcp", Ports: port(6379, 6379), Sources: one, Published: []string{"0.0.0.0:16379"}}, leaseFlags{}, 16379, "[203.0.113.7/32]"},
		{"several ports", relate.OpenRule{Proto: "tcp", Ports: port(6379, 6381), Sources: one}, leaseFlags{}, 0, ""},
		{"all ports", relate.OpenRule{Proto: "tcp", Sources: one}, leaseFlags{}, 0, ""},
		{"all protocols", relate.OpenRule{Ports: port(53, 53), Sources: one}, leaseFlags{}, 0, ""},
	} {
		tt.f.who, tt.f.why, tt.f.howLong = "ops", "test", "8h"
		q, err := tt.f.adoptAsk(&tt.o)
		if tt.port == 0 {
			if err == nil {
				t.Errorf("%s: %+v", tt.name, q)
			}
			continue
		}
		if from := strings.Join([]string{"[", joinPrefixes(q.From), "]"}, ""); err != nil || q.Port != tt.port || from != tt.from || q.Proto != tt.o.Proto {
			t.Errorf("%s: %+v, %v", tt.name, q, err)
		}
	}
}

func joinPrefixes(in []netip.Prefix) string {
	var out []string
	for _, p := range in {
		out = append(out, p.String())
	}
	return strings.Join(out, " ")
}
