package respond

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/i18n"
)

// redisDisarm lets a Redis save where its owner wants it to, and takes the
// planted keys out of it. Until that is done everything that it wrote comes
// back when it saves or stops.
var redisDisarm = define(spec[redisDisarmWith, redisDisarmSeen, redisDisarmUndo]{
	Name: "redis.disarm", Phase: Disarm, Plan: planRedisDisarm, Onward: true,
	Look: lookRedisDisarm, Prepare: prepareRedisDisarm, Do: doRedisDisarm, Undo: undoRedisDisarm,
})

type redisDisarmWith struct {
	Server redisServer  `json:"server"`
	Plants []redisPlant `json:"plants,omitempty"`
	Maybe  bool         `json:"maybe,omitempty"` // nothing accuses it but that it is a Redis
}

// redisDisarmSeen is what the server is set to, what it will be set to, and the
// planted keys that it holds.
type redisDisarmSeen struct {
	Set  []redisSetting `json:"set,omitempty"`
	Save fact.Path      `json:"save"`
	Dir  fact.Path      `json:"dir"` // the owner's
	File fact.Path      `json:"file"`
	Keys []redisKey     `json:"keys,omitempty"`
}

// redisSetting is a setting with its values as the server gives them: any
// bytes, of which Path makes a text that merges no two.
type redisSetting struct {
	Name string    `json:"name"`
	Was  fact.Path `json:"was"`
	To   fact.Path `json:"to"`
}

type redisDisarmUndo struct {
	Seen    redisDisarmSeen `json:"seen"`
	Keys    []redisKeyCopy  `json:"keys,omitempty"`
	Copies  []redisFileCopy `json:"copies,omitempty"`
	Against string          `json:"against,omitempty"` // why save stays off
}

// redisFileCopy is a file of the owner's data in the vault: nothing of it is
// changed by this, but Redis may save over it later.
type redisFileCopy struct {
	Path fact.Path `json:"path"`
	Blob Blob      `json:"blob"`
}

func lookRedisDisarm(ctx context.Context, h *host.Host, with redisDisarmWith) (redisDisarmSeen, error) {
	l, err := openRedis(ctx, h, with.Server)
	if err != nil {
		return redisDisarmSeen{}, err
	}
	defer l.Close()
	return l.lookDisarm(h, with)
}

// Settings of which intruders are known that they change them for what they
// plant, with the default of all versions.
var redisPlanting = map[string]string{"rdbcompression": "yes", "stop-writes-on-bgsave-error": "yes"}

func (l *liveRedis) lookDisarm(h *host.Host, with redisDisarmWith) (redisDisarmSeen, error) {
	var seen redisDisarmSeen
	now, err := l.configs("save", "dir", "dbfilename", "rdbcompression", "stop-writes-on-bgsave-error")
	if err != nil {
		return seen, err
	}
	replica := l.isReplica()
	if with.Maybe && !autostartFolder.MatchString(now["dir"]) {
		// A replica has its master's keys; what else it has, its master sends again.
		keys, err := l.planted(with.Plants)
		if err != nil || len(keys) == 0 || replica != nil {
			return seen, errors.Join(err, ErrNothing)
		}
	}
	if replica != nil {
		return seen, replica
	}
	if seen.Dir, seen.File, err = l.truth.home(now["dir"], now["dbfilename"]); err != nil {
		return seen, err
	}
	if info, err := h.Files.Stat(seen.Dir); err != nil || info.Type != "dir" {
		return seen, Refuse("refuse.redis-dir-gone", "dir", seen.Dir)
	}
	seen.Save = fact.Path(now["save"])
	if !sameFolder(h, fact.Path(now["dir"]), seen.Dir) {
		seen.Set = append(seen.Set, redisSetting{"dir", fact.Path(now["dir"]), seen.Dir})
	}
	if has := fact.Path(now["dbfilename"]); has != seen.File {
		seen.Set = append(seen.Set, redisSetting{"dbfilename", has, seen.File})
	}
	for _, name := range []string{"rdbcompression", "stop-writes-on-bgsave-error"} {
		want, ok := l.truth.get(name)
		if !ok {
			want = redisPlanting[name]
		}
		if has, ok := now[name]; ok && has != want {
			seen.Set = append(seen.Set, redisSetting{name, fact.Path(has), fact.Path(want)})
		}
	}
	if seen.Keys, err = l.planted(with.Plants); err != nil {
		return seen, err
	}
	if len(seen.Set) == 0 && len(seen.Keys) == 0 {
		return seen, ErrNothing
	}
	return seen, nil
}

// sameFolder: Redis tells its folder with all links resolved.
func sameFolder(h *host.Host, a, b fact.Path) bool {
	x, err1 := h.Files.Stat(a)
	y, err2 := h.Files.Stat(b)
	return a == b || err1 == nil && err2 == nil && x.ID == y.ID
}

// maxRedisCopy bounds the copy of the owner's data. Beyond it there is none,
// and save stays off.
const maxRedisCopy = 1 << 30

func prepareRedisDisarm(ctx context.Context, w *Writer, with redisDisarmWith) (redisDisarmUndo, error) {
	var u redisDisarmUndo
	l, err := openRedis(ctx, w.Host, with.Server)
	if err != nil {
		return u, err
	}
	defer l.Close()
	if u.Seen, err = l.lookDisarm(w.Host, with); err != nil {
		return u, err
	}
	for _, k := range u.Seen.Keys {
		c, err := l.keep(ctx, k, w.Vault)
		if err != nil {
			return u, err
		}
		u.Keys = append(u.Keys, c)
	}
	files, err := l.dataFiles(w.Host, u.Seen.Dir, u.Seen.File)
	if err != nil {
		return u, err
	}
	if u.Copies, err = copyData(ctx, w, files); err != nil {
		w.Log.Warn("no copy of the data of Redis", "pid", with.Server.PID, "error", err)
		u.Copies, u.Against = nil, redisUncopied
	}
	return u, ctx.Err()
}

// dataFiles are the files in which the owner's data is: the dump, and what is
// appended to where that is on. One that is not there is left out.
func (l *liveRedis) dataFiles(h *host.Host, dir, dump fact.Path) ([]fact.Path, error) {
	now, err := l.configs("appendonly", "appendfilename", "appenddirname")
	if err != nil {
		return nil, err
	}
	out := []fact.Path{host.Join(dir, string(dump))}
	if now["appendonly"] == "yes" {
		if sub, ok := now["appenddirname"]; ok { // since 7.0
			names, _ := h.Files.Names(host.Join(dir, sub))
			for _, n := range names {
				out = append(out, host.Join(host.Join(dir, sub), n))
			}
		} else {
			out = append(out, host.Join(dir, now["appendfilename"]))
		}
	}
	return slices.DeleteFunc(out, func(p fact.Path) bool {
		_, err := h.Files.Lstat(p)
		return errors.Is(err, fs.ErrNotExist)
	}), nil
}

func copyData(ctx context.Context, w *Writer, files []fact.Path) ([]redisFileCopy, error) {
	var total int64
	for _, p := range files {
		info, err := w.Host.Files.Lstat(p)
		if err != nil {
			return nil, err
		}
		if total += info.Size; total > maxRedisCopy {
			return nil, fmt.Errorf("%s: %w", p, host.ErrTooLarge)
		}
	}
	var out []redisFileCopy
	for _, p := range files {
		state, err := w.Files.State(p)
		if err != nil {
			return nil, err
		}
		b, err := w.Files.Save(ctx, p, state, w.Vault)
		if err != nil {
			return nil, err
		}
		out = append(out, redisFileCopy{p, b})
	}
	return out, nil
}

func doRedisDisarm(ctx context.Context, w *Writer, with redisDisarmWith, u redisDisarmUndo) (i18n.Message, error) {
	l, err := openRedis(ctx, w.Host, with.Server)
	if err != nil {
		return i18n.Message{}, err
	}
	defer l.Close()
	if err := l.set("save", ""); err != nil {
		return i18n.Message{}, err
	}
	for i, s := range u.Seen.Set {
		err := l.set(s.Name, string(s.To))
		if err != nil && i == 0 { // refused: nothing was changed but save
			return i18n.Message{}, errors.Join(err, l.set("save", string(u.Seen.Save)))
		}
		if err != nil {
			return i18n.Message{}, l.halfDisarmed(err, u)
		}
	}
	done, err := l.forget(ctx, w.Host, u)
	if err != nil {
		return done, l.halfDisarmed(err, u)
	}
	return done, nil
}

// halfDisarmed says what the owner must know of a server that was left so.
func (l *liveRedis) halfDisarmed(err error, u redisDisarmUndo) error {
	return fmt.Errorf("%w; until it is disarmed it saves nothing by itself (before: save %q)", err, u.Seen.Save.String())
}

// forget takes the planted keys out, once the server saves where it should.
func (l *liveRedis) forget(ctx context.Context, h *host.Host, u redisDisarmUndo) (i18n.Message, error) {
	// A save that began before ends where the intruder wanted it.
	if err := l.savesEnd(ctx, h); err != nil {
		return i18n.Message{}, err
	}
	for _, k := range u.Keys {
		if err := l.remove(k); err != nil {
			return i18n.Message{}, err
		}
	}
	return l.saveAgain(h, u)
}

// set changes a setting. Redis 7 refuses dir and dbfilename unless told
// otherwise in its file: then no intruder can have changed them either.
func (l *liveRedis) set(name, value string) error {
	err := l.ok("CONFIG", "SET", name, value)
	var e redisError
	if errors.As(err, &e) {
		return Refuse("refuse.redis-set", "pid", l.server.PID, "setting", name, "answer", fact.Text([]byte(e)))
	}
	return err
}

// maxRedisSave is how long a save that is under way may take.
const maxRedisSave = 2 * time.Minute

func (l *liveRedis) savesEnd(ctx context.Context, h *host.Host) error {
	ctx, cancel := context.WithTimeout(ctx, maxRedisSave)
	defer cancel()
	for {
		p, err := l.redisConn.info("persistence")
		if err != nil {
			return err
		}
		if p["rdb_bgsave_in_progress"] != "1" && p["aof_rewrite_in_progress"] != "1" {
			return nil
		}
		if err := h.Wait(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("redis (pid %d) is still saving: %w", l.server.PID, err)
		}
	}
}

// saveAgain turns saving on again where the owner's dump can lose nothing by
// it, and says so if it does not.
func (l *liveRedis) saveAgain(h *host.Host, u redisDisarmUndo) (i18n.Message, error) {
	done := []any{"n", len(u.Keys), "dir", u.Seen.Dir, "file", u.Seen.File}
	if u.Seen.Save == "" {
		return i18n.M("outcome.redis-disarmed", done...), nil
	}
	why, dump := u.Against, host.Join(u.Seen.Dir, string(u.Seen.File))
	if why == "" {
		var err error
		if why, err = l.against(h, dump, 0); err != nil {
			return i18n.Message{}, err
		}
	}
	if why != "" {
		return i18n.M("outcome.redis-disarmed-unsaved", append(done, "why", i18n.M("word."+why), "save", u.Seen.Save, "dump", dump)...), nil
	}
	return i18n.M("outcome.redis-disarmed", done...), l.set("save", string(u.Seen.Save))
}

// undoRedisDisarm arms Redis again, exactly as it was: only asked for by name.
// All is looked at before anything is changed.
func undoRedisDisarm(ctx context.Context, w *Writer, with redisDisarmWith, u redisDisarmUndo) error {
	server, err := with.Server.again(ctx, w.Host)
	if err != nil {
		return err
	}
	l, err := openRedis(ctx, w.Host, server)
	if err != nil {
		return err
	}
	defer l.Close()
	todo, err := l.drift(w.Host, u)
	if err != nil {
		return err
	}
	var keys []redisKeyCopy
	for _, k := range u.Keys {
		back, err := l.isBack(k)
		if err != nil {
			return err
		}
		if !back {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		if err := l.restore(k, w.Vault); err != nil {
			return err
		}
	}
	for _, s := range todo {
		if err := l.set(s.Name, string(s.Was)); err != nil {
			return err
		}
	}
	return nil
}

// drift gives the settings to put back, save last: with it the server may save
// at once. ErrDrifted: one is neither as it was nor as it was made.
func (l *liveRedis) drift(h *host.Host, u redisDisarmUndo) ([]redisSetting, error) {
	var out []redisSetting
	all := append(slices.Clone(u.Seen.Set), redisSetting{"save", u.Seen.Save, ""})
	for _, s := range all {
		has, _, err := l.config(s.Name)
		now := fact.Path(has)
		switch {
		case err != nil:
			return nil, l.because(err)
		case now == s.Was:
		case now == s.To, s.Name == "dir" && sameFolder(h, now, s.To):
			out = append(out, s)
		default:
			return nil, fmt.Errorf("redis (pid %d): %s is %q: %w", l.server.PID, s.Name, now.String(), ErrDrifted)
		}
	}
	return out, nil
}
