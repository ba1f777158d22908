package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/judge"
	"demine/internal/relate"
)

// Explain makes the Scan of what was seen and judged.
func Explain(ctx context.Context, x *relate.Index, r judge.Report, causes []*Hypothesis) (*Scan, error) {
	s := &Scan{
		Schema: fact.SchemaVersion, ID: scanID(x), Host: x.S.Host, Taken: x.S.Taken,
		Findings: r.Findings, Exposure: x.Exposures, Openings: x.OpenRules(), Unknown: r.Unknown, Excused: r.Excused, Allowed: r.Allowed,
		Coverage: x.S.Coverage, Counts: counts(x), Operator: operator(x),
	}
	for _, group := range groups(x, r.Findings) {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		s.Incidents = append(s.Incidents, incident(x, group, causes))
	}
	slices.SortStableFunc(s.Incidents, func(a, b Incident) int { return weight(a) - weight(b) })
	implants := implantProcesses(s.Incidents)
	s.Load, s.Impact = loadCause(x, implants), impact(x, implants)
	s.Schedule = schedulesOf(x, s.Incidents)
	for _, f := range r.Findings {
		if f.Class == judge.Posture {
			s.Exposed++
		}
	}
	s.Verdict, s.Exit = verdict(s)
	s.noNulls()
	return s, nil
}

// weight orders incidents: the surest first, of those the miner.
func weight(i Incident) int {
	w := 2 * certainties[i.Certainty]
	if !IsMining(strings.TrimPrefix(i.Title.ID, "rule.")) {
		w++
	}
	return w
}

var certainties = map[string]int{judge.Confirmed: 0, judge.Likely: 1, judge.Possible: 2}

// Exit statuses of a look.
const (
	ExitNothing    = 0
	ExitFound      = 3
	ExitIncomplete = 4
)

// verdict is about attack findings alone.
func verdict(s *Scan) (string, int) {
	worst := ""
	for _, f := range s.Findings {
		if f.Class != judge.Attack {
			continue
		}
		if f.Certainty == judge.Confirmed && IsMining(f.Rule) {
			return Mining, ExitFound
		}
		if f.Certainty == judge.Confirmed {
			worst = Compromised
		} else if worst == "" {
			worst = Suspicious
		}
	}
	if worst != "" {
		return worst, ExitFound
	}
	for _, c := range s.Coverage {
		if !c.Complete() {
			return Incomplete, ExitIncomplete
		}
	}
	if len(s.Unknown) > 0 {
		return Incomplete, ExitIncomplete
	}
	return NothingFound, ExitNothing
}

// IsMining reports whether a rule speaks of a miner that runs: the tactic
// folder of rules/ says so.
func IsMining(rule string) bool { return len(rule) > 7 && rule[:7] == "mining/" }

func scanID(x *relate.Index) string {
	return fmt.Sprintf("S-%s-%.4s", x.S.Taken.UTC().Format("20060102T150405"), x.S.Host.Boot)
}

func counts(x *relate.Index) map[string]int {
	s := x.S
	c := map[string]int{
		fact.KindProcess: len(s.Process), fact.KindSocket: len(s.Socket), fact.KindAutostart: len(s.Autostart),
		fact.KindFile: len(s.File), fact.KindAccount: len(s.Account), fact.KindKey: len(s.Key),
		fact.KindService: len(s.Service), fact.KindLog: len(s.Log),
	}
	for i := range s.Firewall {
		for j := range s.Firewall[i].Chains {
			c["rule"] += len(s.Firewall[i].Chains[j].Rules)
		}
	}
	for i := range s.File {
		if s.File[i].Scanned != "" {
			c["image"]++
		}
	}
	return c
}

func operator(x *relate.Index) Operator {
	var o Operator
	me := x.Me()
	if me.SSHD != nil {
		o.SSHD = me.SSHD.PID
	}
	if me.Peer != nil {
		o.Peer = me.Peer.Peer.Unmap().String()
	}
	return o
}

func implantProcesses(is []Incident) map[fact.Ref]bool {
	out := map[fact.Ref]bool{}
	for _, i := range is {
		for _, m := range i.Implants {
			if m.Kind == fact.KindProcess {
				out[m.Ref] = true
				for _, r := range m.Members {
					out[r] = true
				}
			}
		}
	}
	return out
}

func schedulesOf(x *relate.Index, is []Incident) []relate.Schedule {
	var out []relate.Schedule
	for _, i := range is {
		for _, m := range i.Implants {
			if s := x.ScheduleOf(m.Ref); s != nil && !m.Dormant {
				out = append(out, *s)
			}
		}
	}
	return out
}

// noNulls keeps the JSON contract: a list that holds nothing is [].
func (s *Scan) noNulls() {
	s.Incidents, s.Findings, s.Exposure = list(s.Incidents), list(s.Findings), list(s.Exposure)
	s.Unknown, s.Coverage, s.Impact = list(s.Unknown), list(s.Coverage), list(s.Impact)
	for i := range s.Incidents {
		n := &s.Incidents[i]
		n.Implants, n.Timeline, n.Impact, n.Rotate = list(n.Implants), list(n.Timeline), list(n.Impact), list(n.Rotate)
		n.Graph.Nodes, n.Graph.Edges = list(n.Graph.Nodes), list(n.Graph.Edges)
		for j := range n.Causes {
			n.Causes[j].For, n.Causes[j].Against = list(n.Causes[j].For), list(n.Causes[j].Against)
		}
	}
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
