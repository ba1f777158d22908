package respond

import (
	"context"
	"errors"
	"io"
	"slices"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/i18n"
	"demine/internal/judge"
)

// maxText is the size up to which a text is edited; observe reads no larger
// crontab or key file.
const maxText = 8 << 20

// editing is an action that changes lines of one file.
type editing[W any] struct {
	name  string
	phase Phase
	plan  func(*Making, *judge.Finding)
	path  func(W) fact.Path
	// find says which lines are changed. ErrNothing: none is there any more.
	find func(h *host.Host, with W, path fact.Path, text []byte) ([]lineEdit, error)
	// shared: other steps of a plan may change other lines of the file.
	shared bool
	// then makes the change count, after it was done and after it was undone.
	then func(ctx context.Context, w *Writer, with W) error
	done func(with W, edits []lineEdit) i18n.Message
}

// editSeen is what such a step depends on.
type editSeen struct {
	Path  fact.Path  `json:"path"`
	File  *seenFile  `json:"file,omitempty"`
	Edits []lineEdit `json:"edits"`
}

// edited is all that undoing it needs.
type edited struct {
	Path  fact.Path  `json:"path"`
	Was   FileState  `json:"was"`
	Blob  Blob       `json:"blob"`
	Edits []lineEdit `json:"edits"`
	After string     `json:"after"` // sum of the content that it gives the file
}

func (e editing[W]) action() *Action {
	return define(spec[W, editSeen, edited]{
		Name: e.name, Phase: e.phase, Plan: e.plan, Unsure: true, // the flags of a file are no part of what Look sees
		Look: func(_ context.Context, h *host.Host, with W) (editSeen, error) {
			p, st, text, err := seeText(h, e.path(with))
			if err != nil {
				return editSeen{}, err
			}
			edits, err := e.find(h, with, p, text)
			seen := editSeen{Path: p, Edits: edits}
			if !e.shared {
				file := st.seen()
				seen.File = &file
			}
			return seen, err
		},
		Prepare: func(ctx context.Context, w *Writer, with W) (edited, error) {
			p, st, text, err := seeText(w.Host, e.path(with))
			if err != nil {
				return edited{}, err
			}
			edits, err := e.find(w.Host, with, p, text)
			if err != nil {
				return edited{}, err
			}
			next, err := editLines(text, edits)
			if err != nil {
				return edited{}, err
			}
			blob, err := w.Files.Save(ctx, p, st, w.Vault)
			return edited{Path: p, Was: st, Blob: blob, Edits: edits, After: sumHex(next)}, err
		},
		Do: func(ctx context.Context, w *Writer, with W, u edited) (i18n.Message, error) {
			if err := doEdit(w, u); err != nil {
				return i18n.Message{}, err
			}
			return e.done(with, u.Edits), e.follow(ctx, w, with)
		},
		Undo: func(ctx context.Context, w *Writer, with W, u edited) error {
			if err := undoEdit(w, u); err != nil {
				return err
			}
			return e.follow(ctx, w, with)
		},
	})
}

func (e editing[W]) follow(ctx context.Context, w *Writer, with W) error {
	if e.then == nil {
		return nil
	}
	return e.then(ctx, w, with)
}

// seeText reads a text file whole, with its state. A link at its end is only
// followed where root alone could have made it.
func seeText(h *host.Host, p fact.Path) (fact.Path, FileState, []byte, error) {
	p, err := realPath(h, p)
	if err != nil {
		return p, FileState{}, nil, err
	}
	st, err := seeFile(h, p)
	switch {
	case err != nil:
		return p, st, nil, err
	case st.Missing:
		return p, st, nil, ErrNothing
	case st.Type != "regular":
		return p, st, nil, Refuse("refuse.file.not-regular", "path", p.String(), "type", st.Type)
	case st.Size > maxText:
		return p, st, nil, Refuse("refuse.file.too-large", "path", p.String(), "size", st.Size)
	}
	text, _, err := h.Files.ReadFile(p, maxText)
	if err == nil && sumHex(text) != st.SHA256 {
		err = ErrDrifted
	}
	return p, st, text, err
}

func doEdit(w *Writer, u edited) error {
	_, now, text, err := seeText(w.Host, u.Path)
	if err != nil {
		return err
	}
	if !now.is(u.Was) {
		return ErrDrifted
	}
	next, err := editLines(text, u.Edits)
	if err == nil && sumHex(next) != u.After {
		err = ErrDrifted
	}
	if err != nil {
		return err
	}
	_, err = w.Files.Replace(u.Path, u.Was, next)
	return err
}

// undoEdit puts the lines back. Where somebody has changed the file since, only
// they are put back, if what is around them is as it was.
func undoEdit(w *Writer, u edited) error {
	now, err := w.Files.State(u.Path)
	switch {
	case err != nil:
		return err
	case now.Missing || now.Type != "regular":
		return ErrDrifted
	case now.SHA256 == u.Was.SHA256: // never done, or put back; a crash may have left it without its flags
		if slices.Equal(now.Flags, u.Was.Flags) && slices.Equal(now.Folder, u.Was.Folder) {
			return nil
		}
		to := now
		to.Flags, to.Folder = u.Was.Flags, u.Was.Folder
		_, err := w.Files.SetMeta(u.Path, now, to)
		return err
	case now.SHA256 == u.After:
		return w.Files.Restore(u.Path, now, keeping(u.Was, now), &u.Blob, w.Vault)
	}
	old, err := fromVault(w.Vault, u.Blob)
	if err != nil {
		return err
	}
	return mergeBack(w, u, now, old)
}

// keeping is a file as it was, but with the mode and owner that somebody gave
// it since.
func keeping(was, now FileState) FileState {
	was.Mode, was.UID, was.GID = now.Mode, now.UID, now.GID
	return was
}

func mergeBack(w *Writer, u edited, now FileState, old []byte) error {
	_, is, text, err := seeText(w.Host, u.Path)
	if err != nil {
		return err
	}
	if !is.is(now) {
		return ErrDrifted
	}
	next, err := editLines(old, u.Edits)
	if err != nil {
		return err
	}
	if now.ID == u.Was.ID && torn(text, old, next) {
		return w.Files.Restore(u.Path, now, u.Was, &u.Blob, w.Vault)
	}
	back, err := unedit(text, old, u.Edits)
	if err != nil {
		return err
	}
	_, err = w.Files.Replace(u.Path, now, back)
	return err
}

// fromVault gives the whole content of a text.
func fromVault(v Vault, b Blob) ([]byte, error) {
	r, err := v.Get(b)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxText+1))
	return text, errors.Join(err, r.Close())
}
