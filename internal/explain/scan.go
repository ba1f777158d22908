// Package explain makes one story of what the rules found: incidents with
// graph, timeline, ranked causes with evidence for and against, the impact on
// the business, and the true cause of the load. It is pure.
package explain

import (
	"time"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/relate"
)

// Verdicts.
const (
	Mining       = "mining"        // a confirmed miner runs now
	Compromised  = "compromised"   // confirmed attack findings, none mines now
	Suspicious   = "suspicious"    // only likely or possible ones
	NothingFound = "nothing-found" // none, and all that can be seen was seen
	Incomplete   = "incomplete"    // none, but not all was seen
)

// Scan is one look at a host with all that was made of it: the JSON contract.
type Scan struct {
	Schema    int               `json:"schema"`
	ID        string            `json:"id"`
	Host      fact.HostInfo     `json:"host"`
	Taken     time.Time         `json:"taken"`
	Verdict   string            `json:"verdict"`
	Exit      int               `json:"exit"`
	Exposed   int               `json:"exposed"` // posture findings
	Load      LoadCause         `json:"load"`
	Impact    []Impact          `json:"impact"`
	Incidents []Incident        `json:"incidents"`
	Findings  []judge.Finding   `json:"findings"`
	Exposure  []relate.Exposure `json:"exposure"`
	Openings  []relate.OpenRule `json:"openings,omitempty"` // rules that let others in, and leases
	Schedule  []relate.Schedule `json:"schedule,omitempty"` // of the autostarts in incidents
	Unknown   []judge.Unknown   `json:"unknown"`
	Excused   []judge.Excused   `json:"excused,omitempty"`
	Allowed   []judge.Allowed   `json:"allowed,omitempty"` // miners that somebody decided to let be
	Coverage  []fact.Coverage   `json:"coverage"`
	Counts    map[string]int    `json:"counts"` // what was examined: process, socket, autostart …
	Operator  Operator          `json:"operator"`
	Took      Took              `json:"took"`
	Snapshot  *fact.Snapshot    `json:"snapshot,omitempty"` // only with --snapshot
}

// Found gives the finding about an opening, or nil: a rule has looked at it and
// let it be.
func (s *Scan) Found(o *relate.OpenRule) *judge.Finding {
	for i := range s.Findings {
		if f := &s.Findings[i]; o.Ref != "" && f.Subject == o.Ref {
			return f
		}
	}
	return nil
}

// Covers says what an observer has seen; of one that has not looked, that it has not.
func (s *Scan) Covers(observer string) fact.Coverage {
	for _, c := range s.Coverage {
		if c.Observer == observer {
			return c
		}
	}
	return fact.Coverage{Observer: observer, State: fact.Unavailable}
}

// SavedLeases are the findings about files that let leases in after a boot.
func (s *Scan) SavedLeases() (out []*judge.Finding) {
	for i := range s.Findings {
		if s.Findings[i].Rule == "exposure/lease-saved" {
			out = append(out, &s.Findings[i])
		}
	}
	return out
}

// Took is what the look itself cost.
type Took struct {
	WallMS  int64 `json:"wall_ms"`
	CPUMS   int64 `json:"cpu_ms"`
	PeakKiB int64 `json:"peak_kib"`
	FirstMS int64 `json:"first_ms,omitempty"` // until the first confirmed finding
}

// Operator is who looks, as the host sees it.
type Operator struct {
	Peer string `json:"peer,omitempty"` // address of the SSH client
	SSHD int    `json:"sshd,omitempty"` // pid
}

// LoadCause says what the load really is, miner or not.
type LoadCause struct {
	Cause string       `json:"cause"` // miner, cpu, disk, memory, steal, none, unknown
	By    []LoadBy     `json:"by"`    // largest first
	Line  i18n.Message `json:"line"`  // the sentence of the first screen
	Avg   [3]float64   `json:"avg"`
	CPUs  int          `json:"cpus"`
}

// LoadBy is one part of the load.
type LoadBy struct {
	What    string   `json:"what"` // process, disk-wait, steal, irq, unseen, outside
	Name    string   `json:"name,omitempty"`
	PID     int      `json:"pid,omitempty"`
	Process fact.Ref `json:"process,omitempty"`
	Percent float64  `json:"percent"` // of one CPU for processes, of the machine for the rest
	Detail  string   `json:"detail,omitempty"`
}

// Incident is what belongs together.
type Incident struct {
	ID        string         `json:"id"`
	Certainty string         `json:"certainty"`
	Title     i18n.Message   `json:"title"`
	Findings  []string       `json:"findings"` // ids
	Implants  []Implant      `json:"implants"`
	Causes    []Cause        `json:"causes"` // likeliest first; "unknown" when none stands
	Timeline  []Event        `json:"timeline"`
	Graph     Graph          `json:"graph"`
	Impact    []Impact       `json:"impact"`
	Advice    string         `json:"advice"` // clean, rebuild
	AdviceWhy i18n.Message   `json:"advice_why"`
	Rotate    []i18n.Message `json:"rotate"` // credentials that the intruder could have read
}

// Implant is one thing that was put on the host.
type Implant struct {
	Kind    string       `json:"kind"` // process, autostart, key, file
	Ref     fact.Ref     `json:"ref"`
	Name    string       `json:"name"`              // path, or text of the line
	Members []fact.Ref   `json:"members,omitempty"` // processes of its family
	Origin  *fact.Origin `json:"origin,omitempty"`
	Dormant bool         `json:"dormant,omitempty"` // an autostart that this host does not run

	Container *fact.Container `json:"container,omitempty"` // that a process runs in
	HostPath  fact.Path       `json:"host_path,omitempty"` // where its program is found from the host
	Flows     []*fact.Flow    `json:"flows,omitempty"`     // of mining, that were heard of a process
}

// Cause is one hypothesis of how they got in.
type Cause struct {
	ID        string       `json:"id"`
	Certainty string       `json:"certainty"` // confirmed, likely, possible
	Score     float64      `json:"score"`     // 0 to 1
	Title     i18n.Message `json:"title"`
	For       []Evidence   `json:"for"`
	Against   []Evidence   `json:"against"`
	Missing   []Evidence   `json:"missing,omitempty"` // what would settle it and was not seen
	Fix       i18n.Message `json:"fix"`
}

// Evidence is one artefact that speaks for or against a cause.
type Evidence struct {
	ID      string       `json:"id"`
	Weight  float64      `json:"weight"`
	Message i18n.Message `json:"message"`
	Origin  *fact.Origin `json:"origin,omitempty"`
	Time    *time.Time   `json:"time,omitempty"`
	About   fact.Ref     `json:"about,omitempty"`
}

// Event is one line of the timeline.
type Event struct {
	Time    time.Time    `json:"time"`
	Message i18n.Message `json:"message"`
	Source  string       `json:"source"` // where the time is from: kernel, rdb, mtime, ctime, log, history, schedule
	Origin  *fact.Origin `json:"origin,omitempty"`
	About   fact.Ref     `json:"about,omitempty"`
	Future  bool         `json:"future,omitempty"`
}

// Graph is what belongs together, as nodes and edges.
type Graph struct {
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
}

// Node is a fact in the graph.
type Node struct {
	Ref   fact.Ref `json:"ref"`
	Kind  string   `json:"kind"`
	Label string   `json:"label"`
}

// Edge says how two facts belong together: started, runs, wrote, listens,
// opened-by, logged-in, fetched-by.
type Edge struct {
	From fact.Ref `json:"from"`
	To   fact.Ref `json:"to"`
	Kind string   `json:"kind"`
	Why  string   `json:"why,omitempty"`
}

// Impact is what a business process suffers.
type Impact struct {
	Process fact.Ref `json:"process"`
	PID     int      `json:"pid"`
	Name    string   `json:"name"`
	Waits   float64  `json:"waits"` // percent of the time in which it wanted a CPU and got none
	CPU     float64  `json:"cpu"`   // percent of one CPU that it got
	Peers   int      `json:"peers"` // clients connected from other hosts
}
