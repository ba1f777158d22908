package respond

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"slices"
	"time"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/relate"
)

// Request says what a plan is to do.
type Request struct {
	Kind      string         `json:"kind"`
	Command   string         `json:"command,omitempty"`   // by which the plan is told of; empty: Kind
	Incidents []string       `json:"incidents,omitempty"` // only these; empty: all that are confirmed
	Findings  []string       `json:"findings,omitempty"`  // only these; empty: all that apply
	Rules     []string       `json:"rules,omitempty"`     // of harden: only these rules of the packet filter are taken out
	Keep      []netip.Prefix `json:"keep,omitempty"`      // sources that keep their way in, besides those found
	Revert    time.Duration  `json:"revert,omitempty"`    // of risky steps; 0: five minutes
	Wire      time.Duration  `json:"wire,omitempty"`      // how long the look before it listens for miners' words

	// What harden does only when asked, because somebody may depend on it.
	RedisPassword bool        `json:"redis_password,omitempty"`
	RedisBind     []string    `json:"redis_bind,omitempty"`
	RedisPort     int         `json:"redis_port,omitempty"`
	LockKeys      bool        `json:"lock_keys,omitempty"`
	ClientConfig  []fact.Path `json:"client_config,omitempty"` // files of clients that are changed with it
}

// DefaultRevert is how long a risky step waits for its confirmation.
const DefaultRevert = 300 * time.Second

func (r Request) revert() int {
	if r.Revert <= 0 {
		return int(DefaultRevert / time.Second)
	}
	return max(1, int(r.Revert/time.Second))
}

// Make makes a plan of a Scan with its snapshot. It is pure: call Survey
// before the plan is shown or applied. A plan without steps says in Left why.
func Make(s *explain.Scan, r Request) Plan {
	m := &Making{X: relate.New(s.Snapshot), Scan: s, Req: r}
	switch r.Kind {
	case KindContain:
		planContain(m)
	case KindClean:
		planContain(m)
		planClean(m)
	case KindHarden:
		if len(r.Rules) > 0 {
			planNamed(m)
		} else {
			planHarden(m)
		}
	}
	for i := range m.steps {
		m.steps[i].Dump = m.isDump(&m.steps[i])
	}
	p := Plan{Schema: fact.SchemaVersion, Kind: r.Kind, Command: r.Command, Host: s.Host.Name, Boot: s.Host.Boot, Scan: s.ID, Made: s.Taken,
		Steps: ordered(m.steps), Left: m.left, Spared: spared(m)}
	raw, _ := json.Marshal(p)
	sum := sha256.Sum256(raw)
	p.ID = "P-" + hex.EncodeToString(sum[:4])
	return p
}

// incidents are those that the plan is about: confirmed, and asked for.
func (m *Making) incidents() []*explain.Incident {
	var out []*explain.Incident
	for i := range m.Scan.Incidents {
		in := &m.Scan.Incidents[i]
		switch {
		case len(m.Req.Incidents) > 0 && !slices.Contains(m.Req.Incidents, in.ID):
		case in.Certainty != judge.Confirmed:
			m.Leave("left.not-confirmed", "incident", in.ID)
		default:
			out = append(out, in)
		}
	}
	return out
}

// findings gives the findings of an incident, most severe first.
func (m *Making) findings(in *explain.Incident) []*judge.Finding {
	var out []*judge.Finding
	for i := range m.Scan.Findings {
		f := &m.Scan.Findings[i]
		if slices.Contains(in.Findings, f.ID) && (len(m.Req.Findings) == 0 || slices.Contains(m.Req.Findings, f.ID)) {
			out = append(out, f)
		}
	}
	return out
}

// planRemedies asks the actions that a finding names. A rule on trial is
// reported, never acted on.
func (m *Making) planRemedies(f *judge.Finding, phases ...Phase) {
	if f.Trial {
		return
	}
	for _, name := range f.Remedy {
		a := byName[name]
		if a != nil && a.Plan != nil && slices.Contains(phases, a.Phase) {
			a.Plan(m, f)
		}
	}
}

// planClean: everything against the confirmed incidents. A finding that is
// only likely is acted on where a confirmed one accuses the same thing; a key
// is judged by where it came from (see key.remove-line).
func planClean(m *Making) {
	for _, in := range m.incidents() {
		fs := m.findings(in)
		sure := map[fact.Ref]bool{}
		for _, f := range fs {
			sure[f.Subject] = sure[f.Subject] || f.Certainty == judge.Confirmed
		}
		for _, f := range fs {
			if sure[f.Subject] || f.Subject.Kind() == fact.KindKey {
				m.planRemedies(f, Evidence, Disarm, Kill, Remove, Repair)
			} else {
				m.Leave("left.not-sure", "finding", f.ID, "certainty", f.Certainty)
			}
		}
	}
}

// planHarden: the posture findings, and what an incident left in the ways in.
func planHarden(m *Making) {
	for i := range m.Scan.Findings {
		f := &m.Scan.Findings[i]
		if len(m.Req.Findings) > 0 && !slices.Contains(m.Req.Findings, f.ID) {
			continue
		}
		m.planRemedies(f, Repair, Harden)
	}
	for _, plan := range optional {
		plan(m)
	}
}

// optional are planners of what harden does only when asked for.
var optional []func(*Making)

// ordered sorts by turn, numbers the steps and puts those that another step
// makes needless aside: lines of a file that goes to quarantine whole.
func ordered(steps []Step) []Step {
	whole := map[string]int{}
	for i, s := range steps {
		if s.Do == "file.quarantine" {
			whole[s.Target] = i
		}
	}
	needless := func(i int) (int, bool) {
		q, ok := whole[steps[i].Target]
		return q, ok && q != i && steps[i].Phase == Remove
	}
	for i, s := range steps {
		if q, ok := needless(i); ok {
			steps[q].Because = union(steps[q].Because, s.Because)
		}
	}
	var out []Step
	for i, s := range steps {
		if _, ok := needless(i); !ok {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b Step) int { return a.turn() - b.turn() })
	for i := range out {
		out[i].ID, out[i].After = i+1, nil
	}
	for i := range out {
		link(out, i)
		keepTogether(out, i)
	}
	return out
}

// turn is the place of a step in the order: that of its phase, but what starts
// the implant again goes before the kill. A job whose time comes in between
// would start it once more; until the kill the family stands still.
func (s Step) turn() int {
	about := func(kind string) bool {
		return slices.ContainsFunc(s.On, func(r fact.Ref) bool { return r.Kind() == kind })
	}
	if s.Phase == Remove && about(fact.KindAutostart) && !about(fact.KindProcess) {
		return 2*Kill.rank() - 1
	}
	return 2 * s.Phase.rank()
}

// keepTogether: what stands or falls together is left together too by a
// default undo; the files of two steps may be the same.
func keepTogether(steps []Step, i int) {
	for j := range steps {
		if steps[i].Group != "" && steps[j].Group == steps[i].Group && steps[i].Keeps == "" {
			steps[i].Keeps = steps[j].Keeps
		}
	}
}

// link gives a step its After: within a group each step follows the one
// before, and what Redis wrote is only removed after Redis was disarmed.
func link(steps []Step, i int) {
	for j := range i {
		switch {
		case steps[i].Group != "" && steps[j].Group == steps[i].Group,
			steps[i].Dump && (steps[i].Phase == Remove || steps[i].Phase == Repair) && steps[j].Phase == Disarm:
			steps[i].After = append(steps[i].After, steps[j].ID)
		}
	}
}

// isDump: the step is about a file that Redis wrote, in which jobs or keys are
// read.
func (m *Making) isDump(s *Step) bool {
	about := func(r fact.Ref, p fact.Path) bool { return slices.Contains(s.On, r) || s.Target == p.String() }
	return slices.ContainsFunc(m.X.S.Autostart, func(a fact.Autostart) bool { return a.RDB != nil && about(a.Ref, a.Origin.Path) }) ||
		slices.ContainsFunc(m.X.S.Key, func(k fact.Key) bool { return k.RDB != nil && about(k.Ref, k.Origin.Path) })
}

func union[T comparable](a, b []T) []T {
	out := slices.Clone(a)
	for _, v := range b {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// spared names what keeps running: the business processes and the operator.
func spared(m *Making) []i18n.Message {
	var out []i18n.Message
	seen := map[string]bool{}
	for _, i := range m.Scan.Impact {
		if !seen[i.Name] {
			seen[i.Name] = true
			out = append(out, i18n.M("spared.process", "name", i.Name, "pid", i.PID))
		}
	}
	if p := m.Scan.Operator.Peer; p != "" {
		out = append(out, i18n.M("spared.operator", "peer", p))
	} else {
		out = append(out, i18n.M("spared.session"))
	}
	return out
}
