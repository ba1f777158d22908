package respond

import (
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"

	"demine/internal/fact"
	"demine/internal/host"
)

// redisOwned is a file or folder that another user gets.
type redisOwned struct {
	Path fact.Path `json:"path"`
	Was  FileOwner `json:"was"`
	To   FileOwner `json:"to"`
}

// redisNeeds is what a server needs as another user.
type redisNeeds struct {
	Owned []fact.Path // as its owner
	Read  []fact.Path // as one of the group
}

// handOver finds what the server needs as that user. A Refusal says what it
// could not use.
func (l *liveRedis) handOver(h *host.Host, name string) (hostUser, redisNeeds, error) {
	var seen redisNeeds
	u, ok := userNamed(h, name)
	if !ok {
		return u, seen, Refuse("refuse.redis-no-user", "user", name)
	}
	to, err := l.savesTo(h)
	if err != nil {
		return u, seen, err
	}
	for _, check := range []func() error{
		func() error { return l.portFor() },
		func() error { return l.folderFor(h, u, to, &seen) },
		func() error { return l.runFilesFor(h, u, &seen) },
		func() error { return l.configFor(h, u, &seen) },
	} {
		if err := check(); err != nil {
			return u, seen, err
		}
	}
	return u, seen, nil
}

// portFor: only root binds the ports below 1024.
func (l *liveRedis) portFor() error {
	for _, name := range []string{"port", "tls-port"} {
		v, _ := l.truth.get(name)
		if n, err := strconv.Atoi(v); err == nil && n > 0 && n < 1024 {
			return Refuse("refuse.redis-low-port", "port", n)
		}
	}
	if v, _ := l.truth.get("tls-key-file"); v != "" {
		return Refuse("refuse.redis-tls", "path", fact.Path(v))
	}
	return nil
}

// redisOwnFile are names in a data folder that are Redis' own.
var redisOwnFile = regexp.MustCompile(`^(temp-.*\.(rdb|aof)|nodes.*\.conf|.*\.rdb|.*\.aof|appendonlydir)$`)

// folderFor hands the data over. A folder with other things in it is not
// Redis' own: it is not given away.
func (l *liveRedis) folderFor(h *host.Host, u hostUser, to redisSaveSeen, seen *redisNeeds) error {
	if at := u.barrier(h, host.Join(to.Dir, "x")); at != "" && at != to.Dir {
		return Refuse("refuse.redis-barrier", "user", u.Name, "path", at)
	}
	known := map[string]bool{string(to.File): true, path.Dir(to.AOF): true, to.AOF: true}
	for _, name := range []string{"logfile", "pidfile", "unixsocket"} {
		v, _ := l.truth.get(name)
		known[path.Base(v)] = true
	}
	names, err := h.Files.Names(to.Dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !known[n] && !redisOwnFile.MatchString(n) {
			return Refuse("refuse.redis-folder-shared", "dir", to.Dir, "name", n)
		}
	}
	seen.Owned = append(append(seen.Owned, to.Dir), dataIn(h, to)...)
	return nil
}

// runFilesFor hands over the log, and refuses where another file could not be
// made.
func (l *liveRedis) runFilesFor(h *host.Host, u hostUser, seen *redisNeeds) error {
	for _, name := range []string{"logfile", "pidfile", "unixsocket"} {
		v, _ := l.truth.get(name)
		if v == "" {
			continue
		}
		p := fact.Path(path.Clean(v))
		if !path.IsAbs(v) {
			return Refuse("refuse.redis-relative", "setting", name, "path", p)
		}
		if at := u.barrier(h, p); at != "" && !slices.Contains(seen.Owned, at) {
			return Refuse("refuse.redis-barrier", "user", u.Name, "path", at)
		}
		dir := fact.Path(path.Dir(string(p)))
		folder, err := h.Files.Stat(dir)
		if err != nil {
			return err
		}
		makes := u.may(folder, mayChange) || slices.Contains(seen.Owned, dir)
		switch i, err := h.Files.Lstat(p); {
		case err == nil && i.Type == "regular" && name != "unixsocket":
			if !slices.Contains(seen.Owned, p) {
				seen.Owned = append(seen.Owned, p)
			}
		case err == nil && i.Type != "socket", err != nil && !errors.Is(err, fs.ErrNotExist):
			return Refuse("refuse.redis-odd-file", "setting", name, "path", p)
		case !makes && name != "pidfile": // one that cannot be written is only a line in the log
			return Refuse("refuse.redis-barrier", "user", u.Name, "path", dir)
		}
	}
	return nil
}

// configFor makes what is read at the start readable for the user's group.
func (l *liveRedis) configFor(h *host.Host, u hostUser, seen *redisNeeds) error {
	for _, p := range l.truth.files {
		i, err := h.Files.Lstat(p)
		if err != nil {
			return err
		}
		switch at := u.barrier(h, p); {
		case at != "":
			return Refuse("refuse.redis-barrier", "user", u.Name, "path", at)
		case i.Type != "regular":
			return Refuse("refuse.redis-odd-file", "setting", "config", "path", p)
		case u.may(i, mayRead):
		case i.GID != 0 && i.Mode&0o060 != 0:
			return Refuse("refuse.redis-config-group", "path", p)
		default:
			seen.Read = append(seen.Read, p)
		}
	}
	return nil
}

// owned is whose all of that is, and whose it will be.
func (l *liveRedis) owned(h *host.Host, name string) ([]redisOwned, error) {
	user, needs, err := l.handOver(h, name)
	if err != nil {
		return nil, err
	}
	var out []redisOwned
	for _, p := range slices.Concat(needs.Owned, needs.Read) {
		was, err := ownerAt(h, p)
		if err != nil {
			return nil, err
		}
		if was.Type != "dir" && was.Type != "regular" { // links lead elsewhere
			return nil, Refuse("refuse.redis-odd-file", "setting", "dir", "path", p)
		}
		to := was
		to.GID = user.GID
		switch {
		case !slices.Contains(needs.Owned, p):
			to.Mode = was.Mode&0o707 | 0o040
		case was.Type == "dir":
			to.UID, to.Mode = user.UID, was.Mode|0o700
		default:
			to.UID, to.Mode = user.UID, was.Mode|0o600
		}
		out = append(out, redisOwned{p, was, to})
	}
	return out, nil
}

// setOwner changes whom a file belongs to, whichever inode bears its name now:
// Redis replaces its files itself. ErrDrifted: it belongs to somebody else.
func setOwner(w *Writer, p fact.Path, was, to FileOwner) error {
	now, err := ownerAt(w.Host, p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // a log of appends that was rewritten
	case err != nil:
		return err
	case now.same(to):
		return nil
	case !now.same(was):
		return ErrDrifted
	}
	to.ID = now.ID
	return w.Files.SetOwner(p, now, to)
}

// takeBack also takes what the server has written anew since, with another
// mode than before.
func takeBack(w *Writer, o redisOwned) error {
	now, err := ownerAt(w.Host, o.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && now.same(o.Was):
		return nil
	case err != nil:
		return err
	case now.UID != o.To.UID && now.UID != o.Was.UID || now.Type != o.Was.Type:
		return ErrDrifted
	}
	to := o.Was
	to.ID = now.ID
	return w.Files.SetOwner(o.Path, now, to)
}

// takeAllBack also takes the files that did not exist then, such as a log that
// was rewritten under another name: they go to whom the folder goes.
func takeAllBack(w *Writer, u redisSaveUndo) error {
	had := map[fact.Path]bool{}
	for _, o := range u.Owned {
		had[o.Path] = true
		if err := takeBack(w, o); err != nil {
			return err
		}
	}
	if len(u.Owned) == 0 {
		return nil
	}
	folder := u.Owned[0]
	for _, p := range dataIn(w.Host, u.Seen) {
		now, err := ownerAt(w.Host, p)
		if err != nil || had[p] || now.UID != folder.To.UID {
			continue
		}
		to := now
		to.UID, to.GID = folder.Was.UID, folder.Was.GID
		if err := w.Files.SetOwner(p, now, to); err != nil {
			return err
		}
	}
	return nil
}
