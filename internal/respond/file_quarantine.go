package respond

import (
	"context"
	"slices"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/relate"
)

// fileQuarantine takes a whole file away, into the vault.
var fileQuarantine = define(spec[wholeFile, seenFile, taken]{
	Name: "file.quarantine", Phase: Remove, Plan: planQuarantine, Unsure: true,
	Look: func(_ context.Context, h *host.Host, with wholeFile) (seenFile, error) {
		st, err := seeFile(h, with.Path)
		if err == nil {
			err = with.isMeant(st)
		}
		return st.seen(), err
	},
	Prepare: func(ctx context.Context, w *Writer, with wholeFile) (taken, error) {
		st, err := w.Files.State(with.Path)
		if err != nil {
			return taken{}, err
		}
		if err := with.isMeant(st); err != nil {
			return taken{}, err
		}
		blob, err := w.Files.Save(ctx, with.Path, st, w.Vault)
		return taken{Was: st, Blob: blob}, err
	},
	Do: func(_ context.Context, w *Writer, with wholeFile, u taken) (i18n.Message, error) {
		if err := w.Files.Remove(with.Path, u.Was); err != nil {
			return i18n.Message{}, err
		}
		return i18n.M("done.file.quarantine", "path", with.Path.String(), "blob", u.Blob.ID, "sha256", u.Blob.SHA256), nil
	},
	Undo: func(_ context.Context, w *Writer, with wholeFile, u taken) error {
		return putBackWhole(w, with.Path, u)
	},
})

// wholeFile is the file that is meant. With an ID it is that very file, as a
// process runs it or the scan saw it.
type wholeFile struct {
	Path fact.Path   `json:"path"`
	ID   fact.FileID `json:"id,omitzero"`
}

func (f wholeFile) isMeant(st FileState) error {
	switch {
	case st.Missing:
		return ErrNothing
	case st.Type != "regular":
		return Refuse("refuse.file.not-regular", "path", f.Path.String(), "type", st.Type)
	case f.ID != (fact.FileID{}) && f.ID != st.ID:
		return Refuse("refuse.file.another", "path", f.Path.String())
	case st.Size > SumLimit: // its copy would fill the disk, and nobody could tell whether it is the same
		return Refuse("refuse.file.too-large-to-keep", "path", f.Path.String(), "size", st.Size)
	}
	return nil
}

// taken is all that putting a file back needs.
type taken struct {
	Was  FileState `json:"was"`
	Blob Blob      `json:"blob"`
}

// putBackWhole puts a file that was taken away back, if nothing else has taken
// its place.
func putBackWhole(w *Writer, p fact.Path, u taken) error {
	now, err := w.Files.State(p)
	switch {
	case err != nil:
		return err
	case now.Missing:
		return w.Files.Restore(p, now, u.Was, &u.Blob, w.Vault)
	case !now.alike(u.Was):
		return ErrDrifted
	case slices.Equal(now.Flags, u.Was.Flags) && slices.Equal(now.Folder, u.Was.Folder):
		return nil
	}
	_, err = w.Files.SetMeta(p, now, u.Was) // cut off after the flags were taken off
	return err
}

// planQuarantine takes away what a finding says is an implant as a whole: the
// image of a process, a dump that Redis wrote where jobs or keys are read, the
// scripts that a job runs.
func planQuarantine(m *Making, f *judge.Finding) {
	if f.Trial {
		return
	}
	switch f.Subject.Kind() {
	case fact.KindProcess:
		p := m.X.Process(f.Subject)
		if p == nil || p.Container != "" || p.ExeDeleted && !m.X.Shared(p) {
			return // no path of this host leads to it
		}
		if m.X.Shared(p) {
			m.quarantine(f, m.X.FileAt(relate.Script(p)), p.Ref)
			return
		}
		m.quarantine(f, m.X.File(p.ExeFile), p.Ref)
	case fact.KindFile:
		m.quarantine(f, m.X.File(f.Subject), f.Subject)
	case fact.KindAutostart:
		if a := m.X.Autostart(f.Subject); a != nil && a.RDB != nil {
			m.quarantine(f, m.X.FileAt(a.Origin.Path), a.Ref)
			return
		}
		for _, r := range f.About {
			if r.Kind() == fact.KindFile {
				m.quarantine(f, m.X.File(r), f.Subject)
			}
		}
	}
}

// quarantine adds the step for one file, or says why it is left.
func (m *Making) quarantine(f *judge.Finding, file *fact.File, on fact.Ref) {
	switch {
	case file == nil || file.Missing || file.Deleted || slices.Contains(file.Gaps, "other-namespace"):
		return
	case file.Package != "":
		m.leaveOnce("left.file.packaged", "path", file.Path.String(), "package", file.Package)
		return
	case !m.packagesKnown() && isProgramFolder(file.Path):
		m.leaveOnce("left.file.package-unknown", "path", file.Path.String())
		return
	}
	s := m.Add(Step{
		Do: "file.quarantine", Phase: Remove, On: union([]fact.Ref{on}, []fact.Ref{file.Ref}), Target: file.Path.String(), Because: []string{f.ID},
		What: i18n.M("step.file.quarantine", "path", file.Path.String(), "size", file.Size),
		Back: i18n.M("back.file.quarantine"), Keeps: KeepsImplant,
	}, wholeFile{Path: file.Path, ID: file.ID})
	s.Breaks = m.breaksOf(file)
}

// breaksOf says what else points at a file that is taken away.
func (m *Making) breaksOf(file *fact.File) []i18n.Message {
	var out []i18n.Message
	jobs := 0
	for i := range m.X.S.Autostart {
		a := &m.X.S.Autostart[i]
		if a.Origin.Path == file.Path && a.Active {
			jobs++
		}
		if slices.Contains(a.Targets, file.Ref) && a.Active {
			out = append(out, i18n.M("breaks.file.named", "path", a.Origin.Path.String(), "line", a.Origin.Line))
		}
	}
	if jobs > 0 {
		out = append(out, i18n.M("breaks.file.jobs", "n", jobs))
	}
	return out
}

func (m *Making) packagesKnown() bool { ok, _ := m.X.Covered("package"); return ok }

// isProgramFolder: packages install their programs there, so without their
// database nobody can tell theirs from others.
func isProgramFolder(p fact.Path) bool { return !relate.Uninstalled(p) }

// leaveOnce is Leave for what several findings may say.
func (m *Making) leaveOnce(id string, pairs ...any) {
	m.left = unionMessage(m.left, i18n.M(id, pairs...))
}
