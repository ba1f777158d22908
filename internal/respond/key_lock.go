package respond

import (
	"context"
	"maps"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/i18n"
)

// keysLock makes a file of keys read-only and immutable. It is asked for only:
// tools that hand out keys cannot write it any more.
var keysLock = define(spec[keyFile, lockSeen, FileState]{
	Name: "keys.lock", Phase: Harden, Unsure: true,
	Look: func(_ context.Context, h *host.Host, with keyFile) (lockSeen, error) {
		st, err := seeFile(h, with.Path)
		seen := lockSeen{st.Type, st.Mode, st.UID, st.GID, st.has("immutable")}
		switch {
		case err != nil:
			return seen, err
		case st.Missing, st.Mode == lockedMode && seen.Immutable:
			return seen, ErrNothing
		case st.Type != "regular":
			return seen, Refuse("refuse.file.not-regular", "path", with.Path.String(), "type", st.Type)
		case st.Links > 1:
			return seen, Refuse("refuse.file.several-names", "path", with.Path.String(), "n", int(st.Links))
		}
		return seen, nil
	},
	Prepare: func(_ context.Context, w *Writer, with keyFile) (FileState, error) { return w.Files.State(with.Path) },
	Do: func(_ context.Context, w *Writer, with keyFile, was FileState) (i18n.Message, error) {
		to := was
		to.Mode, to.Flags, to.Xattrs = lockedMode, union(was.Flags, []string{"immutable"}), withoutACL(was.Xattrs)
		_, err := w.Files.SetMeta(with.Path, was, to)
		return i18n.M("done.keys.lock", "path", with.Path.String()), err
	},
	Undo: func(_ context.Context, w *Writer, with keyFile, was FileState) error {
		now, err := w.Files.State(with.Path)
		switch {
		case err != nil:
			return err
		case now.Missing || now.Type != "regular" || now.UID != was.UID:
			return ErrDrifted
		case now.is(was) && now.has("immutable") == was.has("immutable"):
			return nil
		case now.Mode != was.Mode && now.Mode != lockedMode:
			return ErrDrifted
		}
		to := now // others may have changed the keys since
		to.Mode, to.Flags, to.Xattrs = was.Mode, was.Flags, was.Xattrs
		_, err = w.Files.SetMeta(with.Path, now, to)
		return err
	},
})

const lockedMode = 0o400

// withoutACL: an ACL would bring its own mode along.
func withoutACL(xattrs map[string][]byte) map[string][]byte {
	out := maps.Clone(xattrs)
	delete(out, "system.posix_acl_access")
	return out
}

type keyFile struct {
	Path    fact.Path `json:"path"`
	Account string    `json:"account"`
}

// lockSeen leaves the content out: a step before it may change that.
type lockSeen struct {
	Type      string `json:"type"`
	Mode      uint32 `json:"mode"`
	UID       int    `json:"uid"`
	GID       int    `json:"gid"`
	Immutable bool   `json:"immutable"`
}

func init() { optional = append(optional, planKeysLock) }

// planKeysLock locks the files of root's keys and of those of all accounts that
// let in.
func planKeysLock(m *Making) {
	if !m.Req.LockKeys {
		return
	}
	login := map[string]bool{"root": true}
	for _, a := range m.X.S.Account {
		login[a.Name] = login[a.Name] || a.Login
	}
	for i := range m.X.S.Key {
		k := &m.X.S.Key[i]
		if !login[k.Account] {
			continue
		}
		m.Add(Step{
			Do: "keys.lock", Phase: Harden, On: []fact.Ref{k.Ref}, Target: k.Origin.Path.String(),
			What:   i18n.M("step.keys.lock", "path", k.Origin.Path.String(), "account", k.Account),
			Breaks: []i18n.Message{i18n.M("breaks.keys.lock")}, Back: i18n.M("back.keys.lock"),
		}, keyFile{Path: k.Origin.Path, Account: k.Account})
	}
}
