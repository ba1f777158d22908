package report

import (
	"slices"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/judge"
)

// comparison is what became, between two looks, of what incidents consist of.
type comparison struct{ gone, still, fresh, unsure []thing }

// thing is an implant, or a finding whose subject is none. The note is the id
// of a message.
type thing struct {
	implant *explain.Implant
	finding *judge.Finding
	note    string
}

// compare tells two looks apart: implants by their identity, attack findings
// by rule and subject.
func compare(before, after *explain.Scan) comparison {
	was, now := things(before), things(after)
	var c comparison
	for _, t := range was {
		switch at := slices.IndexFunc(now, t.same); {
		case at >= 0:
			t.note = frozenNote(after, &t)
			c.still = append(c.still, t)
		case present(after, &t):
			if t.note = frozenNote(after, &t); t.note == "" {
				t.note = "remains.not-accused"
			}
			c.still = append(c.still, t)
		case !seenAsWell(before, after, t.ref().Kind()), undecided(after, t.finding):
			c.unsure = append(c.unsure, t)
		default:
			c.gone = append(c.gone, t)
		}
	}
	for _, t := range now {
		if !slices.ContainsFunc(was, t.same) {
			if t.implant != nil && slices.ContainsFunc(was, t.namesake) {
				t.note = "remains.back"
			}
			c.fresh = append(c.fresh, t)
		}
	}
	return c
}

func (t thing) ref() fact.Ref {
	if t.implant != nil {
		return t.implant.Ref
	}
	return t.finding.Subject
}

// refs are the thing itself and the processes of its family.
func (t thing) refs() []fact.Ref {
	if t.implant == nil {
		return []fact.Ref{t.ref()}
	}
	return append([]fact.Ref{t.implant.Ref}, t.implant.Members...)
}

func (t thing) same(o thing) bool {
	if t.ref() != o.ref() || (t.finding == nil) != (o.finding == nil) {
		return false
	}
	return t.finding == nil || t.finding.Rule == o.finding.Rule
}

// namesake: another thing of the same kind and name.
func (t thing) namesake(o thing) bool {
	return o.implant != nil && o.implant.Kind == t.implant.Kind && o.implant.Name == t.implant.Name
}

// things are the implants of all incidents, and the attack findings about
// anything else.
func things(s *explain.Scan) []thing {
	var out []thing
	seen := map[fact.Ref]bool{}
	for i := range s.Incidents {
		for j := range s.Incidents[i].Implants {
			im := &s.Incidents[i].Implants[j]
			if !seen[im.Ref] {
				seen[im.Ref] = true
				out = append(out, thing{implant: im})
			}
		}
	}
	for i := range s.Findings {
		if f := &s.Findings[i]; f.Class == judge.Attack && !seen[f.Subject] {
			out = append(out, thing{finding: f})
		}
	}
	return out
}

// present reports whether an implant is still on the host, accused or not: a
// job is accused because of the miner that it starts, and runs without it too.
func present(s *explain.Scan, t *thing) bool {
	if t.implant == nil {
		return false
	}
	ref := t.implant.Ref
	if slices.ContainsFunc(s.Findings, func(f judge.Finding) bool { return f.Subject == ref && f.Class == judge.Attack }) {
		return true
	}
	snap := s.Snapshot
	if snap == nil {
		return false
	}
	return slices.ContainsFunc(t.refs(), func(r fact.Ref) bool { return running(s, r) }) ||
		slices.ContainsFunc(snap.Autostart, func(a fact.Autostart) bool { return a.Ref == ref }) ||
		slices.ContainsFunc(snap.Key, func(k fact.Key) bool { return k.Ref == ref }) ||
		slices.ContainsFunc(snap.File, func(f fact.File) bool { return f.Ref == ref && !f.Missing })
}

// frozenNote is for an implant of which every process that still runs is
// stopped.
func frozenNote(s *explain.Scan, t *thing) string {
	if slices.ContainsFunc(t.refs(), func(ref fact.Ref) bool { return running(s, ref) && !frozen(s, ref) }) {
		return ""
	}
	if slices.ContainsFunc(t.refs(), func(ref fact.Ref) bool { return frozen(s, ref) }) {
		return "remains.frozen"
	}
	return ""
}

// running: the process is there; one that ended and was not waited for is not.
func running(s *explain.Scan, ref fact.Ref) bool {
	return s.Snapshot != nil && slices.ContainsFunc(s.Snapshot.Process, func(p fact.Process) bool {
		return p.Ref == ref && p.State != "Z" && p.State != "X"
	})
}

// frozen: a process that is stopped uses no CPU.
func frozen(s *explain.Scan, ref fact.Ref) bool {
	return s.Snapshot != nil && slices.ContainsFunc(s.Snapshot.Process, func(p fact.Process) bool { return p.Ref == ref && p.State == "T" })
}

// allFrozen: something mines, and all processes of all families are stopped.
func allFrozen(s *explain.Scan) bool {
	n := 0
	for i := range s.Incidents {
		for j := range s.Incidents[i].Implants {
			for _, ref := range (thing{implant: &s.Incidents[i].Implants[j]}).refs() {
				if ref.Kind() != fact.KindProcess {
					continue
				}
				if n++; !frozen(s, ref) {
					return false
				}
			}
		}
	}
	return n > 0 && s.Verdict == explain.Mining
}

// undecided: the rule could not be asked this time.
func undecided(s *explain.Scan, f *judge.Finding) bool {
	return f != nil && slices.ContainsFunc(s.Unknown, func(u judge.Unknown) bool {
		return u.Rule == f.Rule && (u.Subject == f.Subject || u.Subject == fact.Ref("kind:"+f.Subject.Kind()))
	})
}

// seenAsWell reports whether the second look saw things of a kind as well as
// the first: what was hidden from both does not make what is missing now
// doubtful.
func seenAsWell(before, after *explain.Scan, kind string) bool {
	for i := range before.Coverage {
		was := &before.Coverage[i]
		if !slices.Contains(was.Sees, kind) {
			continue
		}
		at := slices.IndexFunc(after.Coverage, func(c fact.Coverage) bool { return c.Observer == was.Observer })
		if at < 0 || worse(was, &after.Coverage[at]) {
			return false
		}
	}
	return true
}

func worse(was, now *fact.Coverage) bool {
	switch {
	case now.Complete():
		return false
	case was.Complete(), now.State != was.State:
		return now.State != fact.Partial || was.Complete()
	}
	return missed(now) > missed(was)
}

func missed(c *fact.Coverage) int {
	n := 0
	for _, g := range c.Gaps {
		n += max(1, g.Count)
	}
	return n
}
