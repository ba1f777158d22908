package respond

import (
	"strings"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
)

// planAutostart takes an autostart away in the way of its kind: a line out of
// its file, a script or a dump whole, a unit with its links. Whatever rule
// accuses it, the kind decides.
func planAutostart(m *Making, f *judge.Finding) {
	a := m.X.Autostart(f.Subject)
	if a == nil || f.Trial {
		return
	}
	file := m.X.FileAt(a.Origin.Path)
	switch {
	case a.RDB != nil, a.Kind == "periodic", a.Kind == "init", a.Kind == "rc" && a.Origin.Line == 0:
		m.quarantine(f, file, a.Ref)
	case file != nil && file.Verified == "same":
		m.leaveOnce("left.file.packaged", "path", file.Path.String(), "package", file.Package)
	case a.Kind == "cron":
		m.removeLine("autostart.cron.remove-line", f, a)
	case a.Kind == "rc":
		m.removeLine("autostart.rc.remove-line", f, a)
	case a.Kind == "unit", a.Kind == "timer":
		m.disableUnit(f, a)
	}
}

// removeLine adds a line to the step for its file.
func (m *Making) removeLine(do string, f *judge.Finding, a *fact.Autostart) {
	with := markedLines{Path: a.Origin.Path}
	if old := m.Find(do, a.Origin.Path.String()); old != nil {
		with, _ = decode[markedLines](old.With)
	}
	line := markedLine{N: a.Origin.Line, Text: a.Text}
	with.Lines = union(with.Lines, []markedLine{line})
	s := m.Add(Step{
		Do: do, Phase: Remove, On: []fact.Ref{a.Ref}, Target: a.Origin.Path.String(), Because: []string{f.ID},
		Back: i18n.M("back.line"), Keeps: KeepsImplant,
	}, with)
	s.With = encode(with)
	s.What = i18n.M("step.line.remove", "n", len(with.Lines), "path", a.Origin.Path.String(), "lines", with.texts())
	s.Breaks = m.breaksOfLines(a, len(with.Lines))
}

// breaksOfLines says that the jobs end, and that the others of the file do not.
func (m *Making) breaksOfLines(a *fact.Autostart, n int) []i18n.Message {
	all := 0
	for i := range m.X.S.Autostart {
		if b := &m.X.S.Autostart[i]; b.Origin.Path == a.Origin.Path {
			all++
		}
	}
	return []i18n.Message{i18n.M("breaks.line", "n", n, "others", max(0, all-n))}
}

// fragmentOf is the unit file of a unit or timer: its Origin may be a drop-in.
func fragmentOf(a *fact.Autostart) fact.Path {
	key, ok := strings.CutPrefix(a.Ref.Key(), a.Kind+":")
	if !ok {
		return a.Origin.Path
	}
	if i := strings.LastIndexByte(key, '#'); i >= 0 {
		key = key[:i]
	}
	var p fact.Path
	if p.UnmarshalText([]byte(key)) != nil {
		return a.Origin.Path
	}
	return p
}
