package respond

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/i18n"
	"demine/internal/judge"
)

// autostartDisable stops a unit that no package ships, and takes its file and
// the links that enable it away.
var autostartDisable = define(spec[unitFile, unitSeen, unitTaken]{
	Name: "autostart.disable", Phase: Remove, Plan: planAutostart, Unsure: true,
	Look: func(_ context.Context, h *host.Host, with unitFile) (unitSeen, error) {
		st, err := seeFile(h, with.Path)
		if err == nil {
			err = wholeFile{Path: with.Path}.isMeant(st)
		}
		return unitSeen{File: st.seen(), Links: unitLinks(h, with)}, err
	},
	Prepare: func(ctx context.Context, w *Writer, with unitFile) (unitTaken, error) {
		st, err := w.Files.State(with.Path)
		if err != nil {
			return unitTaken{}, err
		}
		if err := (wholeFile{Path: with.Path}).isMeant(st); err != nil {
			return unitTaken{}, err
		}
		u := unitTaken{File: taken{Was: st}, Links: unitLinks(w.Host, with)}
		if u.Active, err = isActive(ctx, w.Units, with.Unit); err != nil {
			return unitTaken{}, err
		}
		u.File.Blob, err = w.Files.Save(ctx, with.Path, st, w.Vault)
		return u, err
	},
	Do:   disableUnit,
	Undo: enableUnit,
})

// unitFile is a unit and the file that makes it.
type unitFile struct {
	Unit string    `json:"unit"`
	Path fact.Path `json:"path"`
}

type unitSeen struct {
	File  seenFile   `json:"file"`
	Links []linkSeen `json:"links,omitempty"`
}

// linkSeen is a link that enables a unit or gives it another name.
type linkSeen struct {
	Path fact.Path `json:"path"`
	To   fact.Path `json:"to"`
}

type unitTaken struct {
	File   taken      `json:"file"`
	Links  []linkSeen `json:"links,omitempty"`
	Active bool       `json:"active"`
}

// disableUnit is for a unit whose file no package owns. Of a packaged one only
// a drop-in is taken away that is not of the package.
func (m *Making) disableUnit(f *judge.Finding, a *fact.Autostart) {
	p := fragmentOf(a)
	switch {
	case a.Package != "":
		m.leaveOnce("left.file.packaged", "path", a.Origin.Path.String(), "package", a.Package)
		return
	case a.Origin.Path != p:
		m.quarantine(f, m.X.FileAt(a.Origin.Path), a.Ref)
		return
	case !m.packagesKnown() && !strings.HasPrefix(string(p), "/etc/systemd/") && !strings.HasPrefix(string(p), "/run/"):
		m.leaveOnce("left.file.package-unknown", "path", p.String())
		return
	}
	m.Add(Step{
		Do: "autostart.disable", Phase: Remove, On: []fact.Ref{a.Ref}, Target: p.String(), Because: []string{f.ID},
		What:   i18n.M("step.autostart.disable", "unit", a.Name, "path", p.String()),
		Breaks: []i18n.Message{i18n.M("breaks.autostart.disable", "unit", a.Name)},
		Back:   i18n.M("back.autostart.disable"), Keeps: KeepsImplant,
	}, unitFile{Unit: a.Name, Path: p})
}

// unitLinks finds the links of a unit in the folders that are administrators'.
func unitLinks(h *host.Host, u unitFile) []linkSeen {
	var out []linkSeen
	for _, top := range []fact.Path{"/etc/systemd/system", "/run/systemd/system"} {
		dirs := []fact.Path{top}
		names, _ := h.Files.Names(top)
		for _, n := range names {
			if strings.HasSuffix(n, ".wants") || strings.HasSuffix(n, ".requires") || strings.HasSuffix(n, ".upholds") {
				dirs = append(dirs, host.Join(top, n))
			}
		}
		for _, d := range dirs {
			out = append(out, linksIn(h, d, u)...)
		}
	}
	return out
}

func linksIn(h *host.Host, dir fact.Path, u unitFile) []linkSeen {
	var out []linkSeen
	names, _ := h.Files.Names(dir)
	for _, n := range names {
		p := host.Join(dir, n)
		if to, err := h.Files.Readlink(p); err == nil && (n == u.Unit || path.Base(string(to)) == path.Base(string(u.Path))) {
			out = append(out, linkSeen{p, to})
		}
	}
	return out
}

// isActive asks systemd; where there is none nothing is.
func isActive(ctx context.Context, u Units, unit string) (bool, error) {
	s, err := u.Show(ctx, unit, "ActiveState")
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrGone) {
		return false, nil
	}
	return s == "active" || s == "activating" || s == "reloading", err
}

func disableUnit(ctx context.Context, w *Writer, with unitFile, u unitTaken) (i18n.Message, error) {
	if u.Active {
		if err := w.Units.Stop(ctx, with.Unit); err != nil {
			return i18n.Message{}, err
		}
	}
	for _, l := range u.Links {
		if err := dropLink(w, l); err != nil {
			return i18n.Message{}, err
		}
	}
	if err := w.Files.Remove(with.Path, u.File.Was); err != nil {
		return i18n.Message{}, err
	}
	pending, err := readUnits(ctx, w, with.Unit)
	switch {
	case err != nil: // no error of the step: that would put the unit back
		return i18n.M("done.autostart.disable-unread", "unit", with.Unit, "error", err.Error()), nil
	case len(pending) > 0:
		return i18n.M("done.autostart.disable-pending", "unit", with.Unit, "units", pending), nil
	}
	return i18n.M("done.autostart.disable", "unit", with.Unit, "blob", u.File.Blob.ID), nil
}

func dropLink(w *Writer, l linkSeen) error {
	st, err := w.Files.State(l.Path)
	switch {
	case err != nil || st.Missing:
		return err
	case st.Type != "link" || st.Link != l.To:
		return ErrDrifted
	}
	return w.Files.Remove(l.Path, st)
}

// readUnits has systemd read unit files anew, unless that would put edits of
// others into force: it names their units then and does nothing.
func readUnits(ctx context.Context, w *Writer, own string) ([]string, error) {
	pending, err := w.Units.Pending(ctx)
	if errors.Is(err, ErrUnavailable) {
		return nil, nil
	}
	pending = slices.DeleteFunc(pending, func(u string) bool { return u == own })
	if err != nil || len(pending) > 0 {
		return pending, err
	}
	return nil, w.Units.DaemonReload(ctx)
}

// enableUnit puts the unit back and starts it, if its file was taken away: when
// that failed, the implant that was stopped before stays so.
func enableUnit(ctx context.Context, w *Writer, with unitFile, u unitTaken) error {
	now, err := w.Files.State(with.Path)
	if err != nil {
		return err
	}
	if err := putBackWhole(w, with.Path, u.File); err != nil {
		return err
	}
	for _, l := range u.Links {
		st, err := w.Files.State(l.Path)
		switch {
		case err != nil:
			return err
		case st.Missing:
			err = w.Files.Restore(l.Path, st, FileState{Type: "link", Link: l.To}, nil, w.Vault)
		case st.Link != l.To:
			err = ErrDrifted
		}
		if err != nil {
			return err
		}
	}
	_, err = readUnits(ctx, w, with.Unit)
	if u.Active && now.Missing {
		err = errors.Join(err, w.Units.Start(ctx, with.Unit))
	}
	return err
}
