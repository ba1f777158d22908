package explain

import (
	"slices"

	"demine/internal/fact"
	"demine/internal/judge"
	"demine/internal/relate"
)

// scene is what one incident is about; causes see it.
type scene struct {
	x          *relate.Index
	findings   []judge.Finding
	processes  []*fact.Process
	autostarts []*fact.Autostart
	keys       []*fact.Key
	services   []*fact.Service
	doors      []*relate.Exposure // listeners of the services in it
	family     map[fact.Ref]bool  // see implanted
}

func incident(x *relate.Index, fs []judge.Finding, causes []*Hypothesis) Incident {
	sc := newScene(x, fs)
	i := Incident{Certainty: judge.Possible}
	for _, f := range fs {
		i.Findings = append(i.Findings, f.ID)
		if certainties[f.Certainty] < certainties[i.Certainty] {
			i.Certainty = f.Certainty
		}
	}
	i.ID = "I" + fs[0].ID[1:]
	i.Title = chief(fs).Message
	i.Implants = sc.implants()
	i.Causes = rankCauses(sc, causes)
	i.Timeline = sc.timeline(i.Causes[0])
	i.Graph = sc.graph(i.Causes[0])
	i.Impact = impact(x, sc.members())
	i.Advice, i.AdviceWhy, i.Rotate = sc.advice()
	return i
}

// chief is the finding that names the incident: a confirmed miner before what
// else is as certain, since it is what hurts.
func chief(fs []judge.Finding) judge.Finding {
	for _, f := range fs {
		if f.Certainty == judge.Confirmed && IsMining(f.Rule) {
			return f
		}
	}
	return fs[0]
}

func newScene(x *relate.Index, fs []judge.Finding) *scene {
	sc := &scene{x: x, findings: fs}
	for _, f := range fs {
		for _, r := range append([]fact.Ref{f.Subject}, f.About...) {
			sc.add(r)
		}
	}
	sc.addDoors()
	return sc
}

func (sc *scene) add(r fact.Ref) {
	if p := sc.x.Process(r); p != nil && !slices.Contains(sc.processes, p) {
		sc.processes = append(sc.processes, p)
	}
	if a := sc.x.Autostart(r); a != nil && !slices.Contains(sc.autostarts, a) {
		sc.autostarts = append(sc.autostarts, a)
	}
	if k := sc.x.Key(r); k != nil && !slices.Contains(sc.keys, k) {
		sc.keys = append(sc.keys, k)
	}
	if s := sc.x.Service(r); s != nil && !slices.Contains(sc.services, s) {
		sc.services = append(sc.services, s)
	}
}

// addDoors adds the services that the facts of the incident point back to,
// and their listeners.
func (sc *scene) addDoors() {
	for i := range sc.x.S.Service {
		s := &sc.x.S.Service[i]
		if s.Name == "redis" && sc.fromRedis() && !slices.Contains(sc.services, s) {
			sc.services = append(sc.services, s)
		}
	}
	for i := range sc.x.Exposures {
		e := &sc.x.Exposures[i]
		for _, s := range sc.services {
			if s.Process != "" && e.Process == s.Process {
				sc.doors = append(sc.doors, e)
			}
		}
	}
}

func (sc *scene) fromRedis() bool {
	return slices.ContainsFunc(sc.autostarts, func(a *fact.Autostart) bool { return a.RDB != nil }) ||
		slices.ContainsFunc(sc.keys, func(k *fact.Key) bool { return k.RDB != nil })
}

// members are the processes of all implants.
func (sc *scene) members() map[fact.Ref]bool {
	out := map[fact.Ref]bool{}
	for _, p := range sc.implantProcesses() {
		for _, q := range sc.x.Family(p) {
			out[q.Ref] = true
		}
	}
	return out
}

// implantProcesses are those that a finding accuses: subjects, not processes
// that a finding merely speaks of.
func (sc *scene) implantProcesses() []*fact.Process {
	var out []*fact.Process
	for _, f := range sc.findings {
		if p := sc.x.Process(f.Subject); p != nil && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

func (sc *scene) implants() []Implant {
	var out []Implant
	for _, p := range sc.implantProcesses() {
		m := Implant{
			Kind: fact.KindProcess, Ref: p.Ref, Name: sc.x.Program(p).String(), Container: sc.x.ContainerOf(p), Flows: sc.x.Flows(p),
		}
		if at := sc.x.HostPath(p); at != p.Exe {
			m.HostPath = at
		}
		for _, q := range sc.x.Family(p) {
			if q != p {
				m.Members = append(m.Members, q.Ref)
			}
		}
		out = append(out, m)
	}
	for _, f := range sc.findings {
		out = appendPlanted(out, sc.x, f.Subject)
	}
	return runFirst(out)
}

// runFirst puts the autostarts that run before those that this host ignores.
func runFirst(ms []Implant) []Implant {
	var out, ignored []Implant
	for _, m := range ms {
		if m.Dormant {
			ignored = append(ignored, m)
		} else {
			out = append(out, m)
		}
	}
	return append(out, ignored...)
}

func appendPlanted(out []Implant, x *relate.Index, r fact.Ref) []Implant {
	if slices.ContainsFunc(out, func(m Implant) bool { return m.Ref == r }) {
		return out
	}
	if a := x.Autostart(r); a != nil {
		name := a.Text
		if name == "" {
			name = a.Name
		}
		out = append(out, Implant{Kind: fact.KindAutostart, Ref: r, Name: name, Origin: &a.Origin, Dormant: !a.Active})
	}
	if k := x.Key(r); k != nil {
		out = append(out, Implant{Kind: fact.KindKey, Ref: r, Name: k.Fingerprint, Origin: &k.Origin})
	}
	return out
}
