package respond

import (
	"bytes"
	"slices"

	"demine/internal/fact"
	"demine/internal/format/ldpreload"
	"demine/internal/host"
	"demine/internal/i18n"
	"demine/internal/judge"
)

// preloadRemoveLine takes libraries out of ld.so.preload.
var preloadRemoveLine = editing[preloaded]{
	name: "preload.remove-line", phase: Remove, plan: planPreload,
	path: func(preloaded) fact.Path { return preloadFile },
	find: findPreloaded,
	done: func(w preloaded, _ []lineEdit) i18n.Message {
		return i18n.M("done.preload.remove", "n", len(w.Libraries))
	},
}.action()

// preloadFile is read by the loader at every start of a program (ld.so(8)).
const preloadFile fact.Path = "/etc/ld.so.preload"

// preloaded are the libraries that are no longer to be loaded.
type preloaded struct {
	Libraries []fact.Path `json:"libraries"`
}

func planPreload(m *Making, f *judge.Finding) {
	file := m.X.File(f.Subject)
	if file == nil || f.Trial {
		return
	}
	if file.Package != "" {
		m.leaveOnce("left.file.packaged", "path", file.Path.String(), "package", file.Package)
		return
	}
	with := preloaded{Libraries: []fact.Path{file.Path}}
	if old := m.Find("preload.remove-line", preloadFile.String()); old != nil {
		was, _ := decode[preloaded](old.With)
		with.Libraries = union(was.Libraries, with.Libraries)
	}
	s := m.Add(Step{
		Do: "preload.remove-line", Phase: Remove, On: []fact.Ref{file.Ref}, Target: preloadFile.String(), Because: []string{f.ID},
		Breaks: []i18n.Message{i18n.M("breaks.preload")}, Back: i18n.M("back.line"), Keeps: KeepsImplant,
	}, with)
	s.With = encode(with)
	s.What = i18n.M("step.preload.remove", "libraries", texts(with.Libraries))
}

func texts(ps []fact.Path) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.String())
	}
	return out
}

// findPreloaded: several names may stand in a line; the others of it stay, and
// so does a comment.
func findPreloaded(_ *host.Host, w preloaded, _ fact.Path, content []byte) ([]lineEdit, error) {
	var out []lineEdit
	for i, line := range splitLines(content) {
		left, gone := withoutNames(line, w.Libraries)
		if !gone {
			continue
		}
		e := lineEdit{N: i + 1, SHA256: sumHex(line)}
		if len(bytes.Trim(left, " \t:\n")) > 0 {
			e.Instead = left
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		return nil, ErrNothing
	}
	return out, nil
}

// withoutNames gives a line without those names that lead to some libraries.
func withoutNames(line []byte, libraries []fact.Path) (left []byte, gone bool) {
	from := 0
	for _, n := range ldpreload.Names(line) {
		leads := func(p fact.Path) bool { return slices.Contains(libraries, p) }
		if slices.ContainsFunc(ldpreload.Files(n.Text), leads) {
			left, from, gone = append(left, line[from:n.From]...), n.To, true
		}
	}
	return append(left, line[from:]...), gone
}
