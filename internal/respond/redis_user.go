package respond

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strconv"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/i18n"
)

// redisUser makes a Redis that runs as root run as a user of its own, by a
// drop-in for its unit. redis.save has given that user what it needs, and it
// counts from the restart on that ends the group.
//
// SELinux needs nothing: the domain comes from the program's label, which stays.
var redisUser = define(spec[redisUserWith, redisUserSeen, redisUserUndo]{
	Name: "redis.user", Phase: Harden, Plan: planRedisUser, Unsure: true,
	Look: lookRedisUser, Prepare: prepareRedisUser, Do: doRedisUser, Undo: undoRedisUser,
})

type redisUserWith struct {
	Server redisServer `json:"server"`
	User   string      `json:"user"`
	DropIn fact.Path   `json:"drop_in"` // the file that is made
}

type redisUserSeen struct {
	UID int `json:"uid"`
	GID int `json:"gid"`
}

type redisUserUndo struct {
	Folder bool   `json:"folder,omitempty"` // the drop-in's folder is made
	Sum    string `json:"sum"`              // of the drop-in
}

func lookRedisUser(_ context.Context, h *host.Host, with redisUserWith) (redisUserSeen, error) {
	if err := with.Server.process(h); err != nil {
		return redisUserSeen{}, err
	}
	uid, err := uidOf(h, with.Server.PID)
	if err != nil || uid != 0 {
		return redisUserSeen{}, errors.Join(err, ErrNothing)
	}
	u, ok := userNamed(h, with.User)
	if !ok {
		return redisUserSeen{}, Refuse("refuse.redis-no-user", "user", with.User)
	}
	if _, err := h.Files.Lstat(with.DropIn); err == nil {
		return redisUserSeen{}, Refuse("refuse.redis-drop-in", "path", with.DropIn)
	}
	return redisUserSeen{u.UID, u.GID}, nil
}

func prepareRedisUser(_ context.Context, w *Writer, with redisUserWith) (redisUserUndo, error) {
	user, ok := userNamed(w.Host, with.User)
	if !ok {
		return redisUserUndo{}, Refuse("refuse.redis-no-user", "user", with.User)
	}
	_, err := w.Host.Files.Lstat(fact.Path(path.Dir(string(with.DropIn))))
	return redisUserUndo{Folder: errors.Is(err, fs.ErrNotExist), Sum: sumHex(with.dropIn(user))}, nil
}

func (with redisUserWith) dropIn(u hostUser) []byte {
	return []byte("# Made by demine: Redis needs nothing of root's. \"demine undo\" takes it away.\n[Service]\nUser=" +
		u.Name + "\nGroup=" + strconv.Itoa(u.GID) + "\n")
}

func doRedisUser(_ context.Context, w *Writer, with redisUserWith, u redisUserUndo) (i18n.Message, error) {
	user, ok := userNamed(w.Host, with.User)
	if !ok || sumHex(with.dropIn(user)) != u.Sum {
		return i18n.Message{}, ErrDrifted
	}
	if err := w.Files.MakeDir(fact.Path(path.Dir(string(with.DropIn))), 0o755, 0, 0); err != nil && !errors.Is(err, ErrNothing) {
		return i18n.Message{}, err
	}
	if _, err := w.Files.Replace(with.DropIn, FileState{Missing: true, Mode: 0o644}, with.dropIn(user)); err != nil {
		return i18n.Message{}, err
	}
	return i18n.M("outcome.redis-user", "user", with.User, "path", with.DropIn), nil
}

func undoRedisUser(_ context.Context, w *Writer, with redisUserWith, u redisUserUndo) error {
	now, err := w.Files.State(with.DropIn)
	switch {
	case err != nil:
		return err
	case now.Missing:
	case now.SHA256 != u.Sum:
		return ErrDrifted
	default:
		if err := w.Files.Remove(with.DropIn, now); err != nil {
			return err
		}
	}
	if u.Folder { // somebody else's drop-in may be in it by now
		_ = w.Files.RemoveDir(fact.Path(path.Dir(string(with.DropIn))))
	}
	return nil
}
