package respond

import (
	"fmt"
	"slices"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/relate"
)

// planFreeze freezes each implant of an incident that is a process and is
// itself confirmed, once a family; in a clean its traces are kept as well.
func planFreeze(m *Making, in *explain.Incident) {
	fs := m.findings(in)
	for _, f := range fs {
		p := m.X.Process(f.Subject)
		switch {
		case p == nil || f.Class != judge.Attack || f.Trial:
		case f.Certainty != judge.Confirmed:
			sure := slices.ContainsFunc(fs, func(g *judge.Finding) bool { return g.Subject == f.Subject && g.Certainty == judge.Confirmed })
			if sure || m.Req.Kind == KindClean { // planClean says it of all findings
				continue
			}
			m.Leave("left.suspect", "name", nameOf(p.Exe, p.Comm), "pid", p.PID)
		case slices.Contains(f.Remedy, "process.freeze"):
			if m.freezes(p, f) && m.Req.Kind == KindClean {
				planEvidence(m, p, f)
			}
		}
	}
}

// freezes adds the step, or says why not.
func (m *Making) freezes(p *fact.Process, f *judge.Finding) bool {
	fam, kin, why := m.familyOf(p)
	if why != nil {
		m.left = unionMessage(m.left, *why)
		return false
	}
	if m.plannedFamily("process.freeze", fam) != nil {
		m.addFamily("process.freeze", Freeze, fam, kin, f)
		return true
	}
	s := m.addFamily("process.freeze", Freeze, fam, kin, f)
	s.Keeps = KeepsImplant
	s.Back = i18n.M("process.freeze.back")
	m.parent(p, kin)
	return true
}

// planKill is process.kill's Plan. Why a family is not ended was said when it
// was not frozen.
func planKill(m *Making, f *judge.Finding) {
	p := m.X.Process(f.Subject)
	if p == nil || f.Certainty != judge.Confirmed || f.Trial {
		return
	}
	fam, kin, why := m.familyOf(p)
	if why != nil {
		return
	}
	s := m.addFamily("process.kill", Kill, fam, kin, f)
	s.NoUndo = true
	s.Back = i18n.M("process.kill.back")
}

// addFamily adds a step about a family; What and Breaks are named after the
// action.
func (m *Making) addFamily(do string, phase Phase, fam family, kin []*fact.Process, f *judge.Finding) *Step {
	var on []fact.Ref
	for _, p := range kin {
		on = append(on, p.Ref)
	}
	return m.Add(Step{
		Do: do, Phase: phase, On: on, Target: m.targetOf(do, fam), Because: []string{f.ID},
		What:   i18n.M(do+".what", "n", len(kin), "exe", fam.name().String()),
		Breaks: []i18n.Message{i18n.M(do + ".breaks")},
	}, fam)
}

// targetOf is the image's path; two images of one path (one was deleted) are
// two targets.
func (m *Making) targetOf(do string, fam family) string {
	t := fam.name().String()
	if fam.Alone && fam.Script == "" && len(fam.Roots) > 0 {
		t = fmt.Sprintf("%s (pid %d)", t, fam.Roots[0].PID)
	}
	if s := m.Find(do, t); s == nil || isFamily(s, fam) {
		return t
	}
	return fmt.Sprintf("%s (inode %d)", t, fam.ID.Ino)
}

func (m *Making) plannedFamily(do string, fam family) *Step {
	if s := m.Find(do, m.targetOf(do, fam)); s != nil && isFamily(s, fam) {
		return s
	}
	return nil
}

func isFamily(s *Step, fam family) bool {
	old, err := decode[family](s.With)
	return err == nil && old.ID == fam.ID && old.Script == fam.Script
}

// familyOf names the family of an accused process, and which processes it is
// made of now. It is not given, with the reason, when one that runs the same
// image must not be stopped. Descendants that must not be are left out.
func (m *Making) familyOf(p *fact.Process) (family, []*fact.Process, *i18n.Message) {
	fam := family{Exe: p.Exe, ID: p.ExeID}
	if img := m.X.Image(p); img != nil && img.ID == p.ExeID {
		fam.Size, fam.Modified = img.Size, img.Modified
	}
	var kin []*fact.Process
	left := m.left
	spared := map[*fact.Process]bool{}
	if m.X.Shared(p) {
		fam.Alone, fam.Script = true, relate.Script(p)
	}
	for _, q := range m.relatives(p) {
		own := q == p || q.ExeID == p.ExeID && (!fam.Alone || fam.Script != "" && relate.Script(q) == fam.Script)
		if spared[m.X.Parent(q)] && !own {
			spared[q] = true
			continue
		}
		why, kept := m.keeps(q, fam)
		switch {
		case kept && own:
			return fam, nil, &why
		case kept && !own && m.mustSpare(q):
			spared[q] = true
			fam.Spare = append(fam.Spare, procID{q.PID, q.StartTicks})
			left = unionMessage(left, i18n.M("left.descendant", "exe", fam.name().String(), "why", why))
			continue
		case own:
			fam.Roots = append(fam.Roots, procID{q.PID, q.StartTicks})
		}
		kin = append(kin, q)
	}
	m.left = left
	return fam, kin, nil
}

// relatives are the processes of the family: of a script, also others that run
// the same one, with their descendants.
func (m *Making) relatives(p *fact.Process) []*fact.Process {
	all := m.X.Family(p)
	script := relate.Script(p)
	if script == "" || !m.X.Shared(p) {
		return all
	}
	for i := range m.X.S.Process {
		if q := &m.X.S.Process[i]; q.ExeID == p.ExeID && relate.Script(q) == script {
			all = union(all, m.X.Family(q))
		}
	}
	return all
}

// mustSpare tells a descendant that others need from a tool of the system that
// the implant runs as its hand (a shell in a loop, curl): such a tool is
// stopped with it, although a package owns it.
func (m *Making) mustSpare(q *fact.Process) bool {
	return q.PID == 1 || q.Kernel || m.isMine(q) || keeper(q.Exe) || server(q.Exe) || m.serves(q)
}

// parent says that who started the implant is not touched.
func (m *Making) parent(p *fact.Process, kin []*fact.Process) {
	q := m.X.Parent(p)
	if q == nil || q.PID == 1 || slices.Contains(kin, q) {
		return
	}
	m.left = unionMessage(m.left, i18n.M("left.parent", "name", nameOf(q.Exe, q.Comm), "pid", q.PID, "exe", p.Exe.String()))
}

// unionMessage adds a message that is not said yet.
func unionMessage(said []i18n.Message, m i18n.Message) []i18n.Message {
	for _, s := range said {
		if fmt.Sprint(s) == fmt.Sprint(m) {
			return said
		}
	}
	return append(slices.Clip(said), m)
}
